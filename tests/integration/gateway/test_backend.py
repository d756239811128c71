"""What leads to the backend: all servers as one, the API, and the page, which is for everybody."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.plan import gateway as plan
from tests.support.docker import docker
from tests.support.gateway import ALICES, ORIGIN
from tests.support.polling import until

pytestmark = pytest.mark.containers


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/mcp", "/mcp"),
        ("/mcp/", "/mcp"),
        ("/mcp?tools=search", "/mcp?tools=search"),
        ("/api/fleet", "/api/fleet"),
        ("/api/tools/slack/send_message", "/api/tools/slack/send_message"),
        ("/assets/style.css", "/assets/style.css"),
        ("/", "/"),
    ],
)
def test_the_backend_sees_paths_as_they_are_and_never_the_token(gateway, path, arrives):
    seen = gateway.call("POST", path, body=b"{}").json

    assert seen["path"] == arrives
    assert seen["headers"]["host"] == f"tasks.{gateway.prefix}-backend:{gateway.port}"
    assert gateway.token not in str(seen)


@pytest.mark.parametrize(("caller", "servers"), [("default", "*"), ("alice", "github")])
def test_it_is_told_who_calls_and_which_servers_they_may_use(gateway, caller, servers):
    token = ALICES if caller == "alice" else gateway.token
    told = gateway.call(
        *("GET", "/api/fleet"),
        Authorization=f"Bearer {token}",
        **{"X-Sophia-Servers": "*", "X-Sophia-Caller": "eve"},
    ).json["headers"]

    assert (told["x-sophia-caller"], told["x-sophia-servers"]) == (caller, servers)


def test_names_that_other_backends_read_as_the_gateways_are_taken_off(gateway):
    """CGI and WSGI know no difference between `-` and `_`."""
    forged = {"X_Sophia_Caller": "eve", "x_sophia-servers": "*", "X_Request_Id": "mine"}
    with gateway.connection() as connection:
        headers = {"Host": gateway.host, "Authorization": f"Bearer {ALICES}", **forged}
        connection.request("GET", "/api/fleet", headers=headers)
        seen = json.load(connection.getresponse())["headers"]
    told = {name: value for name, value in seen.items() if name.startswith("x")}
    id = told.pop("x-request-id")
    assert told == {"x-sophia-caller": "alice", "x-sophia-servers": "github"}
    assert id != "mine"


def test_a_server_is_not_told_what_is_only_the_backends(gateway):
    told = gateway.call("GET", "/mcp/ai_memory", X_Sophia_Servers="*").json["headers"]
    assert "x-sophia-servers" not in told


@pytest.mark.parametrize("path", ["/", "/assets/app.js"])
@pytest.mark.parametrize("sent", [None, "Bearer wrong"])
def test_the_page_needs_no_token_and_who_looks_has_no_name(gateway, path, sent):
    answer = gateway.call(
        *("GET", path),
        **{"Authorization": sent, "X-Sophia-Caller": "default", "X-Sophia-Servers": "*"},
    )

    assert answer.status == 200
    assert not {"x-sophia-caller", "x-sophia-servers", "authorization"} & {*answer.json["headers"]}


@pytest.mark.parametrize("path", ["/", "/assets/app.js"])
def test_only_looking_is_free(gateway, path):
    assert gateway.call("POST", path, body=b"{}", Authorization=None).status == 401


def test_who_looks_too_often_waits_and_callers_do_not(gateway):
    def look(_):
        return gateway.call("GET", "/", Authorization=None).status

    def look_around(_):
        """On one connection: 600 handshakes may take a busy machine longer than the period."""
        seen = set()
        with gateway.connection() as connection:
            for _ in range(2 * plan.LOOKS // 10):
                connection.request("GET", "/", headers={"Host": gateway.host})
                answer = connection.getresponse()
                answer.read()
                seen.add(answer.status)
                if answer.will_close:
                    break
        return seen

    with ThreadPoolExecutor(10) as visitors:
        assert set().union(*visitors.map(look_around, range(10))) == {200, 429}
    assert gateway.call("GET", "/api/fleet").status == 200
    until(
        lambda: look(0),
        lambda status: status == 200,
        "the page again",
        2 * plan.RATE_PERIOD_S,
    )


def test_scripts_of_a_listed_website_may_use_the_api(gateway):
    asked = {"Origin": ORIGIN, "Access_Control_Request_Method": "POST"}
    assert gateway.call("OPTIONS", "/mcp", Authorization=None, **asked).status == 204
    answer = gateway.call("GET", "/api/fleet", Origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_without_a_replica_the_backend_is_missed_and_the_servers_serve(gateway):
    [name] = [
        name
        for name in docker("ps", "--format", "{{.Names}}").split()
        if name.startswith(f"{gateway.prefix}-backend")
    ]
    docker("rm", "--force", name)
    for path in ("/mcp", "/api/fleet", "/"):
        missed = until(
            lambda path=path: gateway.call("GET", path),
            lambda answer: answer.status == 503,
            "a refusal",
            15,
        )
        assert missed.json["error"]["message"] == "no replica of this server is healthy"
        assert missed.headers["retry-after"] == "2"
    assert gateway.call("GET", "/mcp/ai_memory").status == 200

"""What the gateway lets through, and how it refuses."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sophia_logs.lines import Line

from components.plan import gateway as plan
from tests.support.docker import docker
from tests.support.gateway import ALICES, HOST, ORIGIN, backend
from tests.support.polling import until

pytestmark = pytest.mark.containers

HERE = "/mcp/ai_memory"


@pytest.mark.parametrize(
    ("status", "path", "headers"),
    [
        (401, HERE, {"Authorization": None}),
        (401, HERE, {"Authorization": "Bearer wrong"}),
        (401, HERE, {"Authorization": "Bearer "}),
        (401, "/mcp/nobody", {"Authorization": None}),
        (403, HERE, {"Origin": "https://evil.example"}),
        (403, HERE, {"Origin": f"http://{HOST}"}),
        (403, HERE, {"Origin": f"https://{HOST}.evil.example"}),
        (403, HERE, {"Origin": "null"}),
        (403, HERE, {"Origin": "https://app.example"}),
        (404, "/.well-known/oauth-protected-resource", {"Authorization": None}),
        (404, "/.well-known/oauth-protected-resource/mcp/ai_memory", {"Authorization": None}),
        (404, "/.well-known/oauth-authorization-server", {"Authorization": "Bearer wrong"}),
        (404, "/register", {"Authorization": None}),
        (404, "/mcp/nobody", {}),
        (404, "/mcp/ai_memoryx", {}),
        (404, "/mcpx", {}),
        (404, "/api", {}),
        (404, "/api/../metrics", {}),
        (404, "/assets/%2e%2e/metrics", {"Authorization": None}),
        (401, "/api/fleet", {"Authorization": None}),
        (401, "/mcp", {"Authorization": None}),
        (403, "/", {"Authorization": None, "Origin": "https://evil.example"}),
        (421, "/", {"Authorization": None, "Host": "evil.example"}),
        (404, "/metrics", {}),
        (404, f"{HERE}/%2e%2e/health", {}),
        (421, HERE, {"Host": "evil.example"}),
        (421, HERE, {"Host": f"{HOST}.."}),
        (421, HERE, {"Host": f"a.{HOST}"}),
        (421, HERE, {"Host": f"evil.example, {HOST}"}),
        (503, "/mcp/github", {}),
    ],
)
def test_refusals_are_json_that_mcp_clients_read(gateway, status, path, headers):
    answer = gateway.call("GET", path, **headers)

    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["jsonrpc"] == "2.0"
    assert answer.json["error"]["message"]
    assert gateway.token.encode() not in answer.body
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert ("retry-after" in answer.headers) == (status == 503)


REFUSED = {
    "no token": (401, HERE, {"Authorization": None}),
    "wrong token": (401, HERE, {"Authorization": "Bearer wrong"}),
    "origin": (403, HERE, {"Origin": "https://evil.example"}),
    "host": (421, HERE, {"Host": "evil.example"}),
    "unknown server": (404, "/mcp/nobody", {}),
    "no replica": (503, "/mcp/github", {}),
    "too large": (413, HERE, {}),
}


@pytest.mark.parametrize(("status", "path", "headers"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_arrives_whatever_was_sent_and_whatever_the_client_speaks(
    gateway, status, path, headers
):
    more = plan.BODY_LIMIT if status == 413 else 0

    def call(size):
        return gateway.call("POST", path, body=b"x" * size, **headers).status

    sizes = [more + 1, more + 1000, more + 300_000] if more else [0, 1000, 300_000]
    with ThreadPoolExecutor(20) as clients:
        for protocols in (["http/1.1"], ["h2", "http/1.1"]):
            gateway.trust.set_alpn_protocols(protocols)
            assert Counter(clients.map(call, 20 * sizes)) == {status: 60}, protocols


def test_clients_that_speak_http_2_are_led_to_http_1(gateway):
    gateway.trust.set_alpn_protocols(["h2", "http/1.1"])
    with gateway.connection() as connection:
        assert connection.sock.selected_alpn_protocol() == "http/1.1"


def test_http_2_is_not_spoken_with_those_who_begin_with_it_either(gateway):
    """A connection would have a hundred requests at once, where each address has 200."""
    empty_settings = b"\0\0\0\4\0\0\0\0\0"
    with gateway.connection() as connection:
        connection.sock.settimeout(5)
        connection.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + empty_settings)
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        (HERE, "/mcp"),
        (f"{HERE}/", "/mcp"),
        (f"{HERE}?a=b", "/mcp?a=b"),
        (f"{HERE}/x/y", "/mcp/x/y"),
        (f"{HERE}/x/", "/mcp/x"),
    ],
)
def test_a_server_sees_its_own_path_and_host(gateway, path, arrives):
    answer = gateway.call("GET", path, Origin=f"https://{HOST}:8443", X_Request_Id="mine")

    seen = answer.json
    assert answer.status == 200
    assert seen["path"] == arrives
    assert seen["headers"]["host"] == f"tasks.{gateway.prefix}-ai_memory:{gateway.port}"
    assert "authorization" not in seen["headers"]
    assert "origin" not in seen["headers"]
    assert seen["headers"]["x-request-id"] == answer.headers["x-request-id"] != "mine"


@pytest.mark.parametrize(
    "allowed", [HOST, f"{HOST}:8443", HOST.upper(), f"{HOST}.", f"{HOST}.:8443", "192.0.2.1:443"]
)
def test_allowed_hosts_may_carry_a_port_and_a_final_dot(gateway, allowed):
    assert gateway.call("GET", HERE, Host=allowed).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [("Bearer {}", 200), ("bearer  {}", 200), ("Bearer {}x", 401), ("Basic {}", 401), ("{}", 401)],
)
def test_only_the_whole_token_lets_in(gateway, sent, status):
    answer = gateway.call("GET", HERE, Authorization=sent.format(gateway.token))

    assert answer.status == status


def test_a_caller_has_a_name_inside_and_uses_the_servers_it_may(gateway):
    assert gateway.call("GET", HERE).json["headers"]["x-sophia-caller"] == "default"
    answer = gateway.call("GET", HERE, X_Sophia_Caller="alice")
    assert answer.json["headers"]["x-sophia-caller"] == "default"

    alice = {"Authorization": f"Bearer {ALICES}"}
    assert gateway.call("GET", HERE, **alice).status == 403
    assert gateway.call("GET", "/mcp/github", **alice).status == 503, "hers, without a replica"
    assert gateway.call("GET", "/mcp/nobody", **alice).status == 404
    until(
        lambda: {line["status"] for line in gateway.logs() if line["caller"] == "alice"},
        lambda seen: seen == {403, 503, 404},
        "alice's lines in the log",
        10,
    )


def test_the_challenge_tells_a_wrong_token_from_none(gateway):
    def challenge(token):
        return gateway.call("GET", HERE, Authorization=token).headers["www-authenticate"]

    assert challenge(None) == 'Bearer realm="sophia"'
    assert challenge("Bearer wrong") == 'Bearer realm="sophia", error="invalid_token"'


def test_scripts_of_a_listed_website_may_call(gateway):
    asked = {"Origin": ORIGIN, "Access_Control_Request_Method": "POST"}
    preflight = gateway.call("OPTIONS", HERE, Authorization=None, **asked)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type", "mcp-protocol-version", "mcp-session-id"} <= {*allowed}

    answer = gateway.call("POST", HERE, body=b"{}", Origin=ORIGIN)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "mcp-session-id" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"

    refused = gateway.call("POST", HERE, body=b"{}", Origin=ORIGIN, Authorization=None)
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN, "scripts can read why"


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example", f"{ORIGIN}1"])
def test_scripts_of_other_websites_may_not(gateway, origin):
    asked = {"Origin": origin, "Access_Control_Request_Method": "POST"}
    for method in ("OPTIONS", "POST"):
        answer = gateway.call(method, HERE, **asked)
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_preflight_of_nobody_needs_a_token(gateway):
    asked = {"Access_Control_Request_Method": "POST"}
    assert gateway.call("OPTIONS", HERE, Authorization=None, **asked).status == 401


def test_a_call_ends_when_its_client_leaves(gateway):
    headers = {"Host": HOST, "Authorization": f"Bearer {gateway.token}"}
    with gateway.connection() as connection:
        connection.request("GET", f"{HERE}/wait", headers=headers)
        until(lambda: gateway.count("arrived"), lambda times: times == 1, "the call arrives", 10)
        assert gateway.count("left") == 0
    until(lambda: gateway.count("left"), lambda times: times == 1, "the server is told", 10)


def test_both_replicas_get_calls(gateway):
    def replicas():
        return {gateway.call("GET", HERE).json["replica"] for _ in range(10)}

    assert replicas() == set(gateway.replicas)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("size", "status"), [(plan.BODY_LIMIT, 200), (plan.BODY_LIMIT + 1, 413), (20_000_000, 413)]
)
def test_bodies_have_a_limit_however_they_are_sent(gateway, size, status, chunked):
    content = b"x" * size
    if chunked:
        pieces = (content[start : start + 65536] for start in range(0, size, 65536))
        answer = gateway.call("POST", HERE, body=pieces, chunked=True, Transfer_Encoding="chunked")
    else:
        answer = gateway.call("POST", HERE, body=content)

    assert answer.status == status
    if status == 200:
        assert answer.json["received"] == size
    else:
        assert str(plan.BODY_LIMIT) in answer.json["error"]["message"]


def test_events_are_passed_on_at_once(gateway):
    headers = {"Host": HOST, "Authorization": f"Bearer {gateway.token}"}
    with gateway.connection() as connection:
        connection.request("GET", f"{HERE}/events", headers=headers)
        stream = connection.getresponse()
        # The server sends the second event only when told to: the first one was not held back.
        assert stream.readline() == b"data: first\n"
        gateway.release()
        assert stream.read() == b"\ndata: second\n\n"


def calls(gateway, key):
    """How often the replicas saw a request, altogether."""
    seen = {}
    until(
        lambda: seen.update({(got := gateway.call("GET", HERE).json)["replica"]: got["calls"]}),
        lambda _: len(seen) == 2,
        "an answer of both replicas",
    )
    return sum(counts.get(key, 0) for counts in seen.values())


def test_a_call_that_may_have_had_an_effect_is_not_repeated(gateway):
    for times, body in enumerate((b"{}", None), 1):
        assert gateway.call("POST", f"{HERE}/break", body=body).status == 502
        assert calls(gateway, "POST /mcp/break") == times

    assert gateway.call("GET", f"{HERE}/break").status == 502
    assert calls(gateway, "GET /mcp/break") > 1


def test_the_health_page_needs_no_token(gateway):
    answer = gateway.call("GET", "/health", Authorization=None, Host="anything.example")

    assert answer.status == 200
    assert answer.json == {"status": "ok", "healthy_replicas": {"ai_memory": 2, "github": 0}}


def test_the_container_is_healthy_and_has_metrics_for_the_inside(gateway):
    until(
        lambda: docker("inspect", "--format", "{{.State.Health.Status}}", gateway.name),
        lambda status: status == "healthy",
        "the container's health",
        30,
    )
    with gateway.connection() as connection:
        address = connection.host
    with urllib.request.urlopen(f"http://{address}:{plan.METRICS_PORT}/metrics") as answer:
        assert b'haproxy_backend_status{proxy="mcp-ai_memory",state="UP"} 1' in answer.read()


def test_the_log_tells_each_call_in_a_line_and_never_the_token(gateway):
    answer = gateway.call("GET", f'{HERE}/a"b?token=query', Authorization=f"Bearer {gateway.token}")
    id = answer.headers["x-request-id"]

    [line] = until(
        lambda: [line for line in gateway.logs() if line["id"] == id], bool, "the line of the call"
    )
    assert line["status"] == 200
    assert line["method"] == "GET"
    assert line["path"] == f'{HERE}/a"b'
    assert line["backend"] == "mcp-ai_memory"
    assert line["total_ms"] >= 0
    everything = docker("logs", gateway.name)
    assert gateway.token not in everything
    assert "token=query" not in everything


def test_the_log_tells_who_it_was_or_that_it_was_nobody_and_any_method(gateway):
    ids = [
        gateway.call("GET", HERE, Authorization="Bearer wrong").headers["x-request-id"],
        gateway.call("BREW" * 2000, HERE).headers["x-request-id"],
    ]

    def lines() -> list[dict[str, object]]:
        every = {line["id"]: line for line in gateway.logs()}
        return [every[id] for id in ids if id in every]

    nobody, odd = until(lines, lambda found: len(found) == 2, "the lines of both")
    assert nobody["caller"] == "-", "as images/logs/sophia_logs/lines.py knows it"
    assert (odd["caller"], odd["method"]) == ("default", "BREW" * 8)


def test_a_callers_trace_reaches_the_server_and_the_log(gateway):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    logged = {}
    for given in (parent, f'00-{trace}"x'):
        answer = gateway.call("GET", HERE, traceparent=given)
        assert json.loads(answer.body)["headers"]["traceparent"] == given
        logged[given] = answer.headers["x-request-id"]

    def of(id):
        return [line["trace"] for line in gateway.logs() if line["id"] == id]

    for given, seen in ((parent, [trace]), (f'00-{trace}"x', ["-"])):
        until(lambda id=logged[given]: of(id), lambda found, seen=seen: found == seen, given)


def test_headers_that_are_sent_twice_forge_no_line(gateway):
    """A condition on a header is about any of its values, and what is logged is the last one."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    forged = 'x-","caller":"admin","x":"'
    before = len(gateway.logs())
    for token in (gateway.token, "wrong"):
        twice = (("traceparent", trace), ("traceparent", forged))
        ask(gateway, "GET", HERE, token, twice)
    lines = until(lambda: gateway.logs()[before:], lambda seen: len(seen) == 2, "both lines")
    assert [(line["caller"], line["trace"]) for line in lines] == [("default", "-"), ("-", "-")]


def test_a_website_that_is_sent_beside_a_listed_one_is_refused(gateway):
    twice = (("Origin", ORIGIN), ("Origin", "https://evil.example"))
    status, headers = ask(gateway, "GET", HERE, gateway.token, twice)
    assert (status, headers.get("access-control-allow-origin")) == (403, None)


def test_a_method_is_logged_as_it_was_sent_and_no_longer_than_useful(gateway):
    before = len(gateway.logs())
    for method in ("PATCH", "X" * 6000):
        ask(gateway, method, HERE, "wrong", ())
    lines = until(lambda: gateway.logs()[before:], lambda seen: len(seen) == 2, "both lines")
    assert [line["method"] for line in lines] == ["PATCH", "X" * 32]


def test_only_a_callers_requests_are_in_the_audit_log(gateway):
    for token in (gateway.token, None, "wrong"):
        sent = token and f"Bearer {token}"
        gateway.call("GET", f"{HERE}/audited", Authorization=sent)

    def audited(container):
        texts = [line for line in docker("logs", container).splitlines() if "audited" in line]
        lines = [Line("c", "gateway", 0, "stdout", text) for text in texts]
        return [line.audits("gateway") for line in lines]

    until(lambda: audited(gateway.name), lambda seen: seen == [True, False, False], "the lines")


def ask(gateway, method, path, token, headers):
    """Status and headers of a request whose headers may come twice."""
    with gateway.connection() as connection:
        connection.putrequest(method, path, skip_host=True)
        for name, value in (("Host", HOST), ("Authorization", f"Bearer {token}"), *headers):
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_haproxy_accepts_a_large_platform(gateway, tmp_path):
    routes = [plan.Route(f"server-{n}", f"tasks.server-{n}", 9000 + n) for n in range(60)]
    hosts = [f"192.0.2.{n}" for n in range(1, 80)]
    servers = tuple(route.server for route in routes)
    callers = {plan.digest(str(n)): plan.Caller(f"caller-{n}", servers) for n in range(100)}
    (tmp_path / "haproxy.cfg").write_text(plan.config(routes, backend("p"), hosts, callers))
    docker(
        *("run", "--rm", "--volume", f"{gateway.folder}/secrets:/run/secrets:ro"),
        *("--volume", f"{tmp_path}/haproxy.cfg:{plan.CONFIG_FILE}:ro"),
        *(gateway.image, "haproxy", "-c", "-f", plan.CONFIG_FILE),
    )


def test_the_image_stops_gracefully_by_default(gateway):
    [config] = json.loads(docker("inspect", "--type", "image", gateway.image))
    assert config["Config"]["StopSignal"] == "SIGUSR1"
    assert config["Config"]["User"] == f"{plan.USER_ID}:{plan.USER_ID}"

"""What the gateway lets through, how it says no, and that it follows replicas by itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import threading
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from components.plan import gateway as plan
from tests.support.docker import docker
from tests.support.gateway import (
    ALICES,
    CALLERS,
    HOST,
    HOSTS,
    ORIGIN,
    address,
    configuration,
)
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
        (404, "/", {}),
        (404, "/metrics", {}),
        (404, f"{HERE}/%2e%2e/health", {}),
        (421, HERE, {"Host": "evil.example"}),
        (421, HERE, {"Host": f"{HOST}.."}),
        (421, HERE, {"Host": f"a.{HOST}"}),
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


def test_connections_of_one_address_are_bounded(gateway):
    with contextlib.ExitStack() as opened:
        silent = [
            opened.enter_context(socket.create_connection((address(gateway.name), plan.PORT), 5))
            for _ in range(plan.CONNECTIONS_PER_SOURCE + 1)
        ]
        # Nobody answers before a client speaks: an end, or a reset, is a refusal.
        ended = until(lambda: [one for one in silent if is_closed(one)], bool, "a refusal", 5)
        assert len(ended) <= 5, "the one too many, and calls of before that are not over yet"
        assert refused(gateway)
    until(lambda: refused(gateway), lambda seen: not seen, "the bound lets in again", 10)


def is_closed(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.fixture
def impatient(gateway, tmp_path):
    """A gateway whose patience with clients is a fifth, and that takes fewer calls."""
    folder = shutil.copytree(gateway.folder, tmp_path, dirs_exist_ok=True)
    text = (folder / "haproxy.cfg").read_text()
    for timeout, shorter in (
        ("timeout client 30s", "timeout client 6s"),
        ("timeout http-request 15s", "timeout http-request 3s"),
        (f"time {plan.BODY_S}s", "time 6s"),
        (f"' {plan.BODY_S} '", "' 6 '"),
        (f"gt {plan.RATE}", "gt 20"),
    ):
        assert timeout in text
        text = text.replace(timeout, shorter)
    (folder / "haproxy.cfg").chmod(0o644)
    (folder / "haproxy.cfg").write_text(text)
    made = replace(gateway, folder=folder)
    made.start()
    return made


def test_silent_and_slow_connections_end_and_calls_that_take_long_do_not(impatient):
    """All at once, since each takes as long as a timeout."""
    headers = {"Host": HOST, "Authorization": f"Bearer {impatient.token}"}

    def silent_socket():
        with socket.create_connection((address(impatient.name), plan.PORT), 20) as silent:
            assert silent.recv(1) == b""

    def half_a_request():
        with impatient.connection() as connection:
            connection.sock.sendall(b"POST / HTTP/1.1\r\n")
            assert b" 408 " in connection.sock.recv(100)

    def a_body_in_drops(begun):
        with impatient.connection() as connection:
            connection.putrequest("POST", HERE, skip_host=True)
            for name, value in {**headers, "Content-Length": "99999"}.items():
                connection.putheader(name, value)
            connection.endheaders(b"x" * begun)
            connection.sock.settimeout(0.5)
            answer = until(lambda: after_a_drop(connection.sock), bool, "an end to the drops", 20)
            assert b" 408 " in answer

    def after_a_drop(sock):
        try:
            return sock.recv(100)
        except TimeoutError:
            sock.sendall(b"x")
        return b""

    def long_call():
        with impatient.connection() as connection:
            connection.request("POST", f"{HERE}/sleep/10", body=b"{}", headers=headers)
            assert connection.getresponse().status == 200

    def silent_stream():
        with impatient.connection() as connection:
            connection.request("GET", f"{HERE}/events", headers=headers)
            stream = connection.getresponse()
            assert stream.readline() == b"data: first\n"
            assert impatient.call("GET", f"{HERE}/sleep/10").status == 200
            impatient.release()
            assert stream.read() == b"\ndata: second\n\n"

    with ThreadPoolExecutor() as clients:
        jobs = (silent_socket, half_a_request, long_call, silent_stream)
        drops = [clients.submit(a_body_in_drops, begun) for begun in (1, 30_000)]
        for job in [*drops, *(clients.submit(job) for job in jobs)]:
            job.result()


def test_a_caller_that_runs_in_a_loop_is_slowed_down_and_nobody_else(impatient):
    answers = [impatient.call("GET", HERE) for _ in range(21)]
    assert Counter(answer.status for answer in answers) == {200: 20, 429: 1}
    assert answers[-1].headers["retry-after"] == str(plan.RATE_PERIOD_S)
    alice = {"Authorization": f"Bearer {ALICES}"}
    assert impatient.call("GET", "/mcp/github", **alice).status == 503


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


def test_replicas_come_and_go_without_a_reload(gateway):
    lost, kept = gateway.replicas
    docker("kill", lost)
    gateway.replicas.remove(lost)
    until(gateway.healthy, lambda seen: seen["ai_memory"] == 1, "the lost replica is left out", 15)
    assert {gateway.call("GET", HERE).json["replica"] for _ in range(5)} == {kept}

    docker("kill", kept)
    gateway.replicas.remove(kept)
    until(lambda: gateway.call("GET", HERE).status, lambda seen: seen == 503, "no replica", 15)

    new = gateway.replica("ai_memory")
    until(
        lambda: gateway.call("GET", HERE).json.get("replica"),
        lambda seen: seen == new,
        "the new replica takes calls",
        15,
    )
    gateway.replica("ai_memory")
    until(gateway.healthy, lambda seen: seen["ai_memory"] == 2, "two replicas again", 15)


def test_a_stopping_gateway_finishes_what_is_in_flight(gateway):
    served = gateway.name
    headers = {"Host": HOST, "Authorization": f"Bearer {gateway.token}"}
    with gateway.connection() as connection:
        connection.request("GET", f"{HERE}/events", headers=headers)
        stream = connection.getresponse()
        assert stream.readline() == b"data: first\n"

        docker("kill", "--signal", "SIGUSR1", served)
        until(lambda: refused(gateway), bool, "new connections are refused", 10)
        gateway.release()
        assert stream.read() == b"\ndata: second\n\n"

    assert docker("wait", served) == "0"
    gateway.start()


def refused(gateway):
    try:
        gateway.call("GET", "/health")
    except (OSError, http.client.HTTPException):
        return True
    return False


@pytest.fixture
def changeable(gateway):
    """The gateway, with its former configuration afterwards."""
    yield gateway
    gateway.configure(configuration(gateway.prefix, HOSTS))
    alice = {"Authorization": f"Bearer {ALICES}"}
    until(lambda: gateway.call("GET", HERE, **alice).status, lambda seen: seen == 403, "alice")


@contextlib.contextmanager
def calling(gateway):
    """Calls all the time; the statuses, once it is over."""
    seen, over = Counter(), threading.Event()

    def calls():
        while not over.is_set():
            seen[gateway.call("GET", HERE).status] += 1

    with ThreadPoolExecutor() as clients:
        made = [clients.submit(calls) for _ in range(4)]
        try:
            yield seen
        finally:
            over.set()
        for one in made:
            one.result()


def test_servers_and_callers_come_and_go_without_a_restart_and_no_stream_is_cut(changeable):
    gateway, headers = changeable, {"Host": HOST, "Authorization": f"Bearer {changeable.token}"}
    callers = {**CALLERS, plan.digest("bobs"): plan.Caller("bob", ("slack",))}
    del callers[plan.digest(ALICES)]
    slack = gateway.replica("slack")
    with gateway.connection() as connection, calling(gateway) as seen:
        connection.request("GET", f"{HERE}/events", headers=headers)
        stream = connection.getresponse()
        assert stream.readline() == b"data: first\n"

        servers = ("ai_memory", "github", "slack")
        gateway.configure(configuration(gateway.prefix, HOSTS, servers, callers))
        bob = {"Authorization": "Bearer bobs"}
        answer = until(
            lambda: gateway.call("GET", "/mcp/slack", **bob),
            lambda answer: answer.status == 200,
            "the new server answers the new caller",
            30,
        )
        assert answer.json["replica"] == slack
        alice = {"Authorization": f"Bearer {ALICES}"}
        assert gateway.call("GET", "/mcp/github", **alice).status == 401, "revoked"

        gateway.release()
        assert stream.read() == b"\ndata: second\n\n"
    assert seen[200] > 20
    assert set(seen) == {200}, "no call failed while the configuration changed"
    docker("kill", slack)
    gateway.replicas.remove(slack)


def test_a_configuration_that_haproxy_refuses_changes_nothing(changeable):
    with calling(changeable) as seen:
        changeable.configure("global\n    nonsense\n")
        until(lambda: docker("logs", changeable.name), lambda log: "'nonsense'" in log, "why", 30)
    assert set(seen) == {200}


def test_a_gateway_waits_for_its_configuration(gateway):
    late = replace(gateway, publisher=f"{gateway.prefix}-late")
    late.launch()
    until(lambda: docker("logs", late.name), lambda log: "waiting" in log, "it waits", 20)
    late.publish()
    until(lambda: late.call("GET", "/health").status, lambda seen: seen == 200, "it serves", 20)
    docker("kill", late.publisher)
    assert late.call("GET", HERE).status in (200, 503), "it goes on without the other"


def test_haproxy_accepts_a_large_platform(gateway, tmp_path):
    routes = [plan.Route(f"server-{n}", f"tasks.server-{n}", 9000 + n) for n in range(60)]
    hosts = [f"192.0.2.{n}" for n in range(1, 80)]
    servers = tuple(route.server for route in routes)
    callers = {plan.digest(str(n)): plan.Caller(f"caller-{n}", servers) for n in range(100)}
    (tmp_path / "haproxy.cfg").write_text(plan.config(routes, hosts, callers))
    docker(
        *("run", "--rm", "--volume", f"{gateway.folder}/secrets:/run/secrets:ro"),
        *("--volume", f"{tmp_path}/haproxy.cfg:{plan.CONFIG_FILE}:ro"),
        *(gateway.image, "haproxy", "-c", "-f", plan.CONFIG_FILE),
    )


def test_the_image_stops_gracefully_by_default(gateway):
    [config] = json.loads(docker("inspect", "--type", "image", gateway.image))
    assert config["Config"]["StopSignal"] == "SIGUSR1"
    assert config["Config"]["User"] == f"{plan.USER_ID}:{plan.USER_ID}"

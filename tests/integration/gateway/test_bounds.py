"""How much of the gateway one address and one caller can take, and for how long."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from components.plan import gateway as plan
from tests.support.gateway import ALICES, HOST, address
from tests.support.polling import until

pytestmark = pytest.mark.containers

HERE = "/mcp/ai_memory"


def test_connections_of_one_address_are_bounded(gateway):
    with contextlib.ExitStack() as opened:
        silent = [connected(gateway, opened) for _ in range(plan.CONNECTIONS_PER_SOURCE + 1)]
        # No answer comes before the client sends something: a close or a reset is a refusal.
        ended = until(lambda: [one for one in silent if is_closed(one)], bool, "a refusal", 5)
        assert len(ended) <= 5, "the one too many, and calls of before that are not over yet"
        assert gateway.refuses()
    until(lambda: gateway.refuses(), lambda seen: not seen, "the bound lets in again", 10)


def connected(gateway, opened):
    """A connection, or None where it is refused that fast."""
    try:
        made = socket.create_connection((address(gateway.name), plan.PORT), 5)
    except ConnectionResetError:
        return None
    return opened.enter_context(made)


def is_closed(connection):
    if connection is None:
        return True
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

"""Why a task failed, according to the Engine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.swarm.services.diagnosis import Kind, explain, health_output, log_lines


def task(state: str, err: str = "", code: int = 0, **container: Any) -> dict[str, Any]:
    return {
        "ID": "t1",
        "Spec": {
            "ContainerSpec": {"Image": "web:1", **container},
            "Resources": {"Limits": {"MemoryBytes": 64 * 2**20}},
        },
        "Status": {"State": state, "Err": err, "ContainerStatus": {"ExitCode": code}},
    }


def shown(streak: int = 0, output: str = "", *, killed: bool = False) -> dict[str, Any]:
    log = [{"ExitCode": 1, "Output": output}] if output else []
    return {
        "State": {
            "OOMKilled": killed,
            "Health": {"Status": "unhealthy", "FailingStreak": streak, "Log": log},
        },
        "Config": {"Healthcheck": {"Retries": 2}},
    }


UNHEALTHY = "task: non-zero exit (137): dockerexec: unhealthy container"


@pytest.mark.parametrize(
    ("ended", "container", "kind", "cause"),
    [
        (task("failed", "task: non-zero exit (3)", 3), None, Kind.CRASH, "exited with code 3"),
        (task("failed", "task: non-zero exit (3)", 3), shown(), Kind.CRASH, "exited with code 3"),
        (
            task("failed", "task: non-zero exit (137)", 137),
            shown(killed=True),
            Kind.MEMORY,
            "out of memory: its limit is 64 MiB (exit code 137)",
        ),
        (
            task("failed", "task: non-zero exit (137)", 137),
            shown(),
            Kind.KILLED,
            "killed (exit code 137), perhaps out of memory: its limit is 64 MiB",
        ),
        (
            task("failed", UNHEALTHY, 137),
            shown(2, " disk\nfull "),
            Kind.HEALTH,
            "health check fails: disk full (exit code 1)",
        ),
        (task("failed", UNHEALTHY, 137), None, Kind.HEALTH, "health check fails"),
        (
            task("complete"),
            shown(2, "disk full"),
            Kind.HEALTH,
            "health check fails: disk full (exit code 1)",
        ),
        (
            task("complete"),
            shown(1, "once"),
            Kind.CRASH,
            "exited with code 0, but a service must keep running",
        ),
        (
            task("complete", Healthcheck={"Test": ["x"]}),
            None,
            Kind.CRASH,
            "exited with code 0, but a service must keep running "
            "(by itself, or stopped because its health check failed)",
        ),
        (
            task("rejected", "No such image: web:1"),
            None,
            Kind.IMAGE,
            "image web:1 could not be pulled: No such image: web:1",
        ),
        (
            task("rejected", "bind source path does not exist: /x"),
            None,
            Kind.REJECTED,
            "the node refused the task: bind source path does not exist: /x",
        ),
        (
            task("failed", "starting container failed: no such file", 0),
            None,
            Kind.CRASH,
            "starting container failed: no such file",
        ),
        *(
            (
                task("failed", f"starting container failed: driver failed programming {said}"),
                None,
                Kind.PORT,
                "port 8443 is held by something outside the Swarm (look there with "
                "`ss -lntup 'sport = :8443'`)",
            )
            for said in (
                "external connectivity on endpoint web.1.ab (0f1e): Error starting userland proxy: "
                "listen tcp4 0.0.0.0:8443: bind: address already in use",
                "external connectivity on endpoint web.1.ab (0f1e): Bind for 0.0.0.0:8443 failed: "
                "port is already allocated",
                "external connectivity on endpoint web.1.ab (0f1e): failed to bind host port for "
                "0.0.0.0:8443:192.0.2.3:443/tcp: address already in use",
            )
        ),
    ],
)
def test_causes(ended: Any, container: Any, kind: Kind, cause: str) -> None:
    failure = explain(ended, container, ("line",), "node1")
    assert (failure.kind, failure.cause) == (kind, f"{cause} on node1")
    assert failure.logs == ("line",)
    assert explain(ended, container, (), "").cause == cause


def test_the_last_failed_check_is_told_not_a_later_success() -> None:
    log = [
        {"ExitCode": 7, "Output": "old"},
        {"ExitCode": 8, "Output": "new"},
        {"ExitCode": 0, "Output": "ok"},
    ]
    assert health_output({"State": {"Health": {"Log": log}}}) == ": new (exit code 8)"
    assert health_output({"State": {"Health": {"Log": log[2:]}}}) == ""


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        ({"ExitCode": 137, "Output": ""}, ": no output (exit code 137)"),
        ({"ExitCode": 137, "Output": "disk"}, ": disk (exit code 137)"),
        (
            {"ExitCode": -1, "Output": "OCI runtime exec failed: exec failed: no curl"},
            ": OCI runtime exec failed: exec failed: no curl (exit code -1)",
        ),
    ],
)
def test_a_check_that_the_containers_end_cut_short_is_shown_only_for_want_of_another(
    last: Any, shown: str
) -> None:
    log = [{"ExitCode": 1, "Output": "disk full"}, last]
    assert health_output({"State": {"Health": {"Log": log}}}) == ": disk full (exit code 1)"
    assert health_output({"State": {"Health": {"Log": [last]}}}) == shown


def frame(stream: int, content: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.text("abc ü", max_size=9)), max_size=60))
def test_frames_of_both_streams_become_the_last_twenty_lines(pieces: Any) -> None:
    raw = b"".join(frame(stream, f"{text}\n".encode()) for stream, text in pieces)
    assert log_lines(raw) == tuple(text for _, text in pieces)[-20:]


def test_a_line_may_come_in_two_frames_and_a_frame_be_cut_off() -> None:
    assert log_lines(frame(1, b"hel") + frame(1, b"lo\nwor") + b"\x01\0\0\0\0\0\0\x09ld") == (
        "hello",
        "world",
    )


def test_unframed_output_is_taken_as_it_is() -> None:
    assert log_lines(b"plain\nterminal\n") == ("plain", "terminal")
    assert log_lines(b"") == ()


@given(st.binary(max_size=80))
def test_any_bytes_give_text(raw: bytes) -> None:
    assert all(isinstance(line, str) for line in log_lines(raw))

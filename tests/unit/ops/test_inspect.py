"""Which node is asked about a platform, by the real ssh, and what this needs."""

import asyncio
import json
import shutil
import subprocess
import threading

import asyncssh
import pytest

from ops import inspect, jobs, nodes
from ops import logs as kept
from tests.support.checkout import ROOT
from tests.support.node_stack import NETWORK, public
from tests.unit.ops.test_jobs import SERVICE, TASK

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh client")
LOST, BROKEN, WELL, STRANGE = (str(NETWORK[number]) for number in range(50, 54))
KEY = asyncssh.generate_private_key("ssh-ed25519")
USER = asyncssh.generate_private_key("ssh-ed25519")


def managers(*addresses: str) -> dict[str, object]:
    listed = {
        f"manager-{number}": {
            "role": "manager",
            "address": address,
            "user": "ubuntu",
            "host_key": public(KEY),
        }
        for number, address in enumerate(addresses, 1)
    }
    worker = {"role": "worker", "address": WELL, "user": "ubuntu", "host_key": public(KEY)}
    return {
        "nodes": {"gpu-1": worker} | listed,
        "ssh_private_key": USER.export_private_key().decode(),
    }


def answer(process: asyncssh.SSHServerProcess[str]) -> None:
    """Says who was asked what; one host has no dockerd."""
    address = process.get_extra_info("sockname")[0]
    if address == BROKEN:
        process.stderr.write("Cannot connect to the Docker daemon\n")
        process.exit(1)
    elif process.command == jobs.LOOK:
        process.stdout.write(f"{json.dumps([SERVICE])}\n{json.dumps([TASK])}\n")
        process.exit(0)
    elif "service logs" in str(process.command):
        process.stdout.write(f"{process.command}\nerror: incomplete log stream\n")
        process.exit(1)
    else:
        process.stdout.write(f"{address} {process.command}\n")
        process.exit(0)


@pytest.fixture(scope="module")
def doors():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> list[asyncssh.SSHAcceptor]:
        allowed = asyncssh.import_authorized_keys(public(USER))
        strange = asyncssh.generate_private_key("ssh-ed25519")
        return [
            await asyncssh.listen(
                address,
                22,
                server_host_keys=[key],
                authorized_client_keys=allowed,
                process_factory=answer,
            )
            for address, key in ((BROKEN, KEY), (WELL, KEY), (STRANGE, strange))
        ]

    try:
        servers = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    except PermissionError:
        pytest.skip("port 22 of loopback addresses can't be listened on by this user")
    yield
    for server in servers:
        loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def test_any_manager_that_answers_is_asked(doors):
    for order in ((WELL, LOST), (LOST, BROKEN, STRANGE, WELL)):
        assert nodes.asked(managers(*order), "docker node ls") == f"{WELL} docker node ls\n"


def test_no_manager_that_answers_is_one_error_with_each_ones_reason(doors):
    with pytest.raises(nodes.NotUp) as failed:
        nodes.asked(managers(LOST, BROKEN, STRANGE), "docker node ls")
    _, lost, broken, strange, _ = str(failed.value).splitlines()
    assert lost.strip().startswith(f"manager-1 ({LOST}): ")
    assert "refused" in lost
    assert broken.strip() == f"manager-2 ({BROKEN}): Cannot connect to the Docker daemon"
    assert "verification failed" in strange


def test_the_status_tells_how_jobs_went(doors, monkeypatch, capsys):
    outputs = managers(WELL) | {"gateway_urls": [], "named_after": "dev"}
    for node in outputs["nodes"].values():
        node["tier"] = "primary"
    monkeypatch.setattr(inspect, "outputs_of", lambda name: outputs)
    inspect.status("new")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "version      before 0.1.0"
    assert lines[-2:] == [
        f"{WELL} docker node ls && docker service ls",
        "backup       succeeded, started on 2026-11-26 at 03:00:02 UTC",
    ]


def test_a_log_is_found_after_a_rename_and_without_what_lost_nodes_wrote(
    doors, monkeypatch, capsys
):
    outputs = managers(WELL) | {"mcp_endpoints": {}}
    monkeypatch.setattr(inspect, "outputs_of", lambda name: outputs)
    inspect.logs("new", "gateway")
    assert "docker service logs --tail 100 sophia-new-gateway\n" in capsys.readouterr().out
    outputs["named_after"] = "old"
    inspect.logs("new", "gateway")
    told = capsys.readouterr().out
    assert "docker service logs --tail 100 sophia-old-gateway\n" in told
    assert "lost now are missing" in told
    outputs["networks"] = {"prometheus": ["edge"]}
    inspect.logs("new", "prometheus")
    assert "sophia-old-prometheus\n" in capsys.readouterr().out
    with pytest.raises(nodes.NotUp, match="got SERVICE=promtheus, expected one of prometheus"):
        inspect.logs("new", "promtheus")


def test_alerts_are_those_of_any_managers_alertmanager(doors, monkeypatch, capsys):
    outputs = managers(LOST, WELL) | {"named_after": "old", "networks": {"database": ["data"]}}
    monkeypatch.setattr(inspect, "outputs_of", lambda name: outputs)
    with pytest.raises(inspect.NotUp, match=r"stack new is not monitored: set sophia:monitoring"):
        inspect.alerts("new")
    outputs["networks"] = {"alertmanager": ["monitoring"]}
    inspect.alerts("new")
    asked = capsys.readouterr().out
    assert asked.startswith(f"{WELL} docker exec $(docker ps --quiet --filter label=")
    assert "service.name=sophia-old-alertmanager) amtool --alertmanager.url=http" in asked


def test_logs_are_searched_in_any_managers_store(doors, monkeypatch, capsys):
    outputs = managers(LOST, WELL) | {"named_after": "old", "networks": {"slack": ["services"]}}
    monkeypatch.setattr(inspect, "outputs_of", lambda name: outputs)
    with pytest.raises(inspect.NotUp, match=r"keeps no logs: set sophia:logs.enabled to true"):
        inspect.logs("new", "slack", search="r1")
    outputs["networks"] |= {"logs": ["logs"], "audit-log": ["logs"]}
    inspect.logs("new", "", search="it's $(x)", since="2h")
    asked = capsys.readouterr().out.splitlines()[0]
    assert "service.name=sophia-old-logs) python3 -S -m sophia_logs.find " in asked
    assert asked.endswith("""--search='it'"'"'s $(x)' --since=2h --limit=200""")
    inspect.logs("new", "slack", since="2026-11-27")
    assert "find --service=sophia-old-slack --since=2026-11-27 --" in capsys.readouterr().out
    inspect.audit_log("new", "ci", "7d", "1")
    asked = capsys.readouterr()
    assert "service.name=sophia-old-audit-log) python3" in asked.out
    assert "find --caller=ci --since=7d --limit=1\n" in asked.out
    assert asked.err == "(the newest 1 lines: there may be more, see LIMIT)\n"
    inspect.audit_log("new", "", "", "all")
    asked = capsys.readouterr()
    assert asked.out.endswith("sophia_logs.find --limit=0\n")
    assert asked.err == ""


def test_all_managers_that_answer_are_asked(doors):
    told = nodes.every_manager(managers(LOST, WELL, BROKEN, WELL), "x")
    assert told == [f"{WELL} x\n"] * 2
    with pytest.raises(nodes.NotUp, match="no manager answers"):
        nodes.every_manager(managers(LOST, BROKEN), "x")


def test_what_any_store_has_is_shown_once():
    """One on a new manager lacks what was before it; a line may be there twice by itself."""
    old = "t1 a | x\nt2 a | y\nt2 a | y\nt3 a | z\x85\n"
    new = "t2 a | y\nt3 a | z\x85\nt4 a | w\n"
    lines = ["t1 a | x", "t2 a | y", "t2 a | y", "t3 a | z\x85", "t4 a | w"]
    assert kept.merged([old, new]) == kept.merged([new, old, ""]) == lines


def test_make_hands_a_search_on_as_it_is(tmp_path):
    """With the quotes of the documents' own example."""
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >${0}.told\n')
    (tmp_path / "python").chmod(0o755)
    search = """"status":50 $(x) 'y' `z`"""
    given = (f"BIN={tmp_path}", f"SEARCH={search.replace('$', '$$')}")
    subprocess.run(["make", "--old-file=.venv/.ready", "logs", *given], cwd=ROOT, check=True)
    assert f"--search={search}" in (tmp_path / "python.told").read_text().splitlines()


@pytest.mark.parametrize("limit", ["0", "10000", "-1", "ALL"])
def test_a_wrong_limit_is_told(monkeypatch, limit):
    outputs = managers(LOST) | {"networks": {"audit-log": ["logs"]}}
    monkeypatch.setattr(inspect, "outputs_of", lambda name: outputs)
    with pytest.raises(inspect.NotUp, match=f"LIMIT: got {limit}, expected"):
        inspect.audit_log("new", "", "", limit)


@pytest.mark.parametrize("since", ["yesterday", "1h or *", "2026-11-27T15", "-1h"])
def test_a_wrong_span_is_told_before_anything_is_asked(monkeypatch, since):
    outputs = managers(LOST) | {"networks": {"logs": ["logs"]}}
    monkeypatch.setattr(inspect, "outputs_of", lambda name: outputs)
    with pytest.raises(inspect.NotUp, match="SINCE: got"):
        inspect.logs("new", "", since=since)
    with pytest.raises(inspect.NotUp, match=r"got SERVICE=\(nothing\), expected one of"):
        inspect.logs("new", "")
    with pytest.raises(inspect.NotUp, match="got SERVICE=slak, expected one of"):
        inspect.logs("new", "slak", search="x")


def test_the_login_key_is_neither_on_the_command_line_nor_in_a_file(doors, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path))
    outputs = managers(WELL)
    command = " ".join(nodes.ssh(outputs, "manager-1", "docker node ls"))
    assert outputs["ssh_private_key"].splitlines()[1] not in command
    nodes.asked(outputs, "docker node ls")
    assert list(tmp_path.iterdir()) == []

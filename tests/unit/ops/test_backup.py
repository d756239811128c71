"""`make backup`, `make restore` and the lines of `make status`, with nodes that answer what they
are told to."""

from __future__ import annotations

import json
import subprocess

import pytest

from ops import backup, jobs, members, nodes
from ops.members import Member
from ops.nodes import NotUp
from tests.unit.ops.test_jobs import SERVICE, TASK

OUTPUTS = {
    "backup_passphrase": "p",
    "networks": {"database": ["data", "backup"], "backup": ["backup"]},
    "nodes": {"manager-1": {}, "manager-2": {}},
}
NOW = 1_795_780_000.0
STATE = {
    "archived": NOW - 68,
    "failing": False,
    "waiting": 0,
    "waiting_since": None,
    "first": NOW - 20 * 86400,
    "last": NOW - 7 * 3600,
    "last_full": NOW - 4 * 86400,
    "count": 9,
    "database_bytes": 31_450_560,
}


AGAIN = {"JobIteration": {"Index": 10}, "LastExecution": "2026-11-27T09:00:00.1Z"}
NEW, DONE = SERVICE | {"JobStatus": AGAIN}, {**TASK, "JobIteration": {"Index": 10}}
"""The job's next run."""


def done(status: int, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess((), status, said)


def result(at: str = "latest", **more: object) -> str:
    """What is left for whoever asked."""
    return json.dumps({"at": at, "timeline": "2", **more})


def looked(service: dict, *tasks: dict) -> subprocess.CompletedProcess[str]:
    return done(0, f"{json.dumps([service])}\n{json.dumps(tasks)}")


@pytest.fixture
def cluster(monkeypatch):
    """By a part of the command, what nodes answer: one after the other, the last one for ever."""
    answers = {
        "Constraints": [done(0, '["node.labels.node == manager-2"]')],
        "backup check": [done(0)],
        ".restore-result 2>": [done(1), done(0, result("2026-11-27T12:00:00+00:00"))],
        "sudo tee": [done(0)],
        "healthcheck": [done(1), done(0)],
        "service update": [done(0)],
        "service logs": [done(0, "backup: diff backup x: 31.5 MB of database, 6 s\n")],
        jobs.LOOK: [looked(SERVICE, TASK), looked(NEW, DONE)],
    }
    asked: list[tuple[str, str]] = []

    def on(outputs, node, command):
        asked.append((node, command))
        key = next(key for key in answers if key in command)
        return answers[key].pop(0) if len(answers[key]) > 1 else answers[key][0]

    monkeypatch.setattr(nodes, "on", on)
    monkeypatch.setattr(nodes, "asked", lambda outputs, text: on(outputs, "any", text).stdout)
    monkeypatch.setattr(members, "_EVERY", 0)
    answers["asked"] = asked
    return answers


def test_a_restore_is_checked_then_asked_for_on_the_databases_node_and_waited_for(cluster, capsys):
    backup.restore(OUTPUTS, "sophia-dev", "2026-11-27 12:00", "")
    by_node = [node for node, _ in cluster["asked"]]
    assert by_node == ["any", *["manager-2"] * 6, *["any"] * 4]
    check, request = cluster["asked"][1][1], cluster["asked"][2][1]
    wanted = '{"at": "2026-11-27T12:00:00+00:00", "timeline": ""}'
    assert f"backup check '{wanted}'" in check
    assert f"echo '{wanted}' | sudo tee /opt/sophia/data/postgres/.restore.new" in request
    assert "com.docker.swarm.service.name=sophia-dev-database" in request
    told = capsys.readouterr().out
    assert "restored to 2026-11-27 12:00 on timeline 2" in told
    # Of the new timeline: the backups before may be of what was left out.
    assert "diff backup x" in told


def test_a_restore_tells_what_differs_from_what_was_noted(cluster, capsys):
    there = {"tables": 2, "rows": 7, "differences": ["public.a: got 3 rows, expected 4"]}
    cluster[".restore-result 2>"] = [done(0, result(content=there))]
    assert backup.restore(OUTPUTS, "sophia-dev", "latest", "")["content"] == there
    told = capsys.readouterr().out
    assert "7 rows in 2 tables were compared with what was noted" in told
    assert "differs: public.a: got 3 rows, expected 4" in told


def test_a_stack_that_reads_the_backups_of_another_one_restores_and_makes_none(cluster):
    reading = OUTPUTS | {"networks": {"database": ["data", "backup"]}}
    cluster[".restore-result 2>"] = [done(0, result())]
    backup.restore(reading, "sophia-dev", "latest", "")
    assert "service update" not in str([command for _, command in cluster["asked"]])
    with pytest.raises(NotUp, match="reads the backups of another one, and makes none"):
        backup.make(reading, "sophia-dev")


def test_a_restore_that_is_refused_changes_nothing(cluster):
    cluster["backup check"] = [done(1, "backup: got 'x', expected latest, or a time from y")]
    with pytest.raises(NotUp, match="nothing was changed: got 'x', expected latest, or a time"):
        backup.restore(OUTPUTS, "sophia-dev", "latest", "")
    assert "sudo tee" not in str(cluster["asked"])


def test_a_database_that_does_not_run_is_asked_without_a_check(cluster):
    cluster["backup check"] = [done(64)]
    cluster[".restore-result 2>"] = [done(0, result())]
    backup.restore(OUTPUTS, "sophia-dev", "latest", "")
    assert "sudo tee" in str(cluster["asked"])


def test_a_restore_that_failed_is_told_with_its_reason(cluster):
    cluster[".restore-result 2>"] = [done(0, '{"at": "latest", "error": "no space left"}')]
    with pytest.raises(NotUp, match="the database is as it was: no space left"):
        backup.restore(OUTPUTS, "sophia-dev", "latest", "")


@pytest.mark.parametrize("at", ["", "yesterday", "12:00", "$(reboot)"])
def test_what_is_no_time_is_refused_before_anything_is_asked(cluster, at):
    with pytest.raises(NotUp, match="expected latest, or a time in UTC such as '2026-"):
        backup.restore(OUTPUTS, "sophia-dev", at, "")
    with pytest.raises(NotUp, match="got TIMELINE=one, expected a number"):
        backup.restore(OUTPUTS, "sophia-dev", "latest", "one")
    assert cluster["asked"] == []


def test_a_backup_is_a_new_run_of_the_job_and_its_words(cluster, capsys):
    started = DONE | {"Status": {"State": "running"}}
    cluster[jobs.LOOK] = [
        looked(SERVICE, TASK), looked(SERVICE, TASK), looked(NEW), looked(NEW, started),
        looked(NEW, DONE),
    ]  # fmt: skip
    backup.make(OUTPUTS, "sophia-dev")
    commands = [command for _, command in cluster["asked"]]
    assert "docker service update --quiet --force --detach sophia-dev-backup" in commands
    assert commands[-1].endswith("--since 2026-11-27T09:00:00.1Z sophia-dev-backup")
    assert capsys.readouterr().out == "backup: diff backup x: 31.5 MB of database, 6 s\n"

    failed = {**DONE, "Status": {"State": "failed", "Err": "task: non-zero exit (1)"}}
    cluster[jobs.LOOK] = [looked(SERVICE, TASK), looked(NEW, failed)]
    with pytest.raises(NotUp, match=r"the backup failed; FAILED, .* non-zero exit"):
        backup.make(OUTPUTS, "sophia-dev")


def test_one_that_is_under_way_is_waited_for_and_not_started_again(cluster):
    running = {**TASK, "Status": {"State": "running"}}
    cluster[jobs.LOOK] = [looked(SERVICE, running), looked(SERVICE, running), looked(SERVICE, TASK)]
    cluster["service logs"] = [done(0, "")]
    backup.make(OUTPUTS, "sophia-dev")
    assert "service update" not in str([command for _, command in cluster["asked"]])


def test_a_stack_without_backups_says_so():
    bare = OUTPUTS | {"backup_passphrase": "", "networks": {"database": ["data"]}}
    assert backup.lines(bare, "sophia-dev") == []
    for call in (backup.make, lambda *of: backup.restore(*of, "latest", "")):
        with pytest.raises(NotUp, match="this stack has no backups"):
            call(bare, "sophia-dev")


def test_the_status_tells_of_backups_and_wal(cluster):
    cluster["backup state"] = [done(0, f"warning\n{json.dumps(STATE)}\n")]
    lines = backup.lines(OUTPUTS, "sophia-dev")
    assert [line.split()[0] for line in lines] == ["backups", "WAL"]
    assert backup.described(STATE, NOW) == [
        "backups      9, the last one 7 hours ago (31.5 MB), the last full one 4 days ago; any time"
        " since 2026-11-07 11:46 UTC",
        "WAL          archived 68 s ago",
    ]
    cluster["backup state"] = [done(64)]
    (line,) = backup.lines(OUTPUTS, "sophia-dev")
    assert line == "backups      unknown: the database does not run on manager-2"
    cluster["backup state"] = [done(255, "ssh: connect to host 192.0.2.2 port 22: timed out\n")]
    (line,) = backup.lines(OUTPUTS, "sophia-dev")
    assert line == "backups      unknown: ssh: connect to host 192.0.2.2 port 22: timed out"


def test_the_status_tells_what_is_wrong():
    wrong = STATE | {"failing": True, "waiting": 3, "waiting_since": NOW - 600}
    late = STATE | {"waiting": 3, "waiting_since": NOW - 600}
    for state in (wrong, late):
        assert backup.described(state, NOW)[1] == (
            "WAL          NOT ARCHIVED, see `make logs SERVICE=database`; archived 68 s ago;"
            " waiting files: 3, for 10 minutes"
        )
    soon = STATE | {"waiting": 1, "waiting_since": NOW - 30}
    assert backup.described(soon, NOW)[1].endswith("archived 68 s ago; waiting files: 1, for 30 s")
    assert backup.described({"error": "S3 is away"}, NOW) == [
        "backups      UNKNOWN: S3 is away",
        "WAL          never archived",
    ]
    assert backup.described(STATE | {"count": 0}, NOW)[0] == "backups      NONE yet"


def test_the_status_and_the_daily_look_tell_of_a_restore_that_had_no_room(cluster):
    why = "it needs 80.0 MB of disk, and 9.0 MB are free"
    cluster["backup state"] = [done(0, json.dumps(STATE | {"untried": why}))]
    line = f"restores     NOT TRIED with the last full backup: {why}"
    assert backup.lines(OUTPUTS, "sophia-dev")[2:] == [line]
    assert backup.untried(OUTPUTS, "sophia-dev") == [line]
    for answer in (done(0, json.dumps(STATE)), done(255, "timed out")):
        cluster["backup state"] = [answer]
        assert backup.untried(OUTPUTS, "sophia-dev") == []
    assert backup.untried({"backup_passphrase": ""}, "sophia-dev") == []


def test_what_runs_on_the_node_leaves_a_whole_request_and_stops_the_server(tmp_path, monkeypatch):
    volume, log = tmp_path / "volume", tmp_path / "log"
    volume.mkdir()
    (volume / ".restore-result").write_text("of an earlier one")
    stand_ins = {
        "sudo": 'exec "$@"',
        "docker": f'echo "$@" >>{log}; [ "$1" != ps ] || echo c0ffee',
    }
    for name, script in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    member = Member("database", "sophia-dev-database", "here", str(volume))
    path = f"{tmp_path}:/usr/bin:/bin"

    def run(script: str) -> int:
        return subprocess.run(["sh", "-c", script], env={"PATH": path}, check=False).returncode

    request = json.dumps({"at": "it's", "timeline": ""})
    assert run(backup._ask(member, request)) == 0
    assert [file.name for file in volume.iterdir()] == [".restore"]
    assert json.loads((volume / ".restore").read_text())["at"] == "it's"
    assert log.read_text().splitlines()[-1] == "stop --time 60 c0ffee"

    monkeypatch.setattr(nodes, "on", lambda _, node, script: done(run(script)))
    assert member.inside({}, "backup check 'a b'").returncode == 0
    assert log.read_text().splitlines()[-1] == "exec c0ffee backup check a b"
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    assert member.inside({}, "backup state").returncode == members.NOT_RUNNING


def test_a_timeline_is_a_plain_number_by_then(cluster):
    cluster[".restore-result 2>"] = [done(0, result())]
    backup.restore(OUTPUTS, "sophia-dev", "latest", "010")
    assert '"timeline": "10"' in cluster["asked"][1][1]


def test_of_two_restores_at_once_neither_is_told_of_the_others_success(cluster):
    cluster[".restore-result 2>"] = [done(0, result("2026-11-27T09:00:00+00:00"))]
    with pytest.raises(NotUp, match="somebody else asked for a restore to 2026-11-27T09:00:00"):
        backup.restore(OUTPUTS, "sophia-dev", "latest", "")


OTHER = Member("database-2", "p-database-2", "manager-2", "/data/postgres-2")


@pytest.fixture
def ran(monkeypatch):
    """What nodes were asked to run, all of which works."""
    scripts: list[tuple[str, str]] = []
    monkeypatch.setattr(
        nodes, "on", lambda _, node, script: scripts.append((node, script)) or done(0)
    )
    return scripts


def test_the_other_member_waits_for_a_restore_and_is_then_copied_anew(ran):
    def restored() -> None:
        with backup._held({}, [OTHER]) as hold:
            ((node, script),) = ran
            assert node == "manager-2"
            assert "touch /data/postgres-2/.hold" in script
            assert "docker stop" in script
            # It has taken its place by then, however long the server takes to answer.
            hold.restored = True
            raise NotUp("the database has not ended within 120 s")

    with pytest.raises(NotUp, match="not ended"):
        restored()
    assert "touch /data/postgres-2/.rebuild" in ran[1][1]
    assert "rm -f /data/postgres-2/.hold" in ran[1][1]


def test_after_a_restore_that_failed_it_continues_as_it_was(ran):
    with backup._held({}, [OTHER]) as hold:
        hold.restored = False
    assert ".rebuild" not in ran[1][1]
    assert "rm -f /data/postgres-2/.hold" in ran[1][1]


def test_while_nobody_knows_how_a_restore_ends_the_other_member_is_kept_from_taking_over(
    ran, capsys
):
    """It would be promoted with what the restore takes back."""
    with pytest.raises(KeyboardInterrupt), backup._held({}, [OTHER]):
        raise KeyboardInterrupt
    assert len(ran) == 1
    told = capsys.readouterr().out
    assert "database-2 still waits, since the restore may be under way: ask for it again" in told


def test_a_restore_that_is_asked_for_again_goes_to_the_member_that_has_begun_it(monkeypatch):
    first = Member("database", "p-database", "manager-1", "/data/postgres")
    begun = {"sudo test -e /data/postgres-2/.restore"}
    monkeypatch.setattr(nodes, "on", lambda _, node, script: done(0 if script in begun else 1))
    assert backup._restored({}, [first, OTHER]) == OTHER
    begun.clear()
    assert backup._restored({}, [first, OTHER]) == first

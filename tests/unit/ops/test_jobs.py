"""What `make status` says of jobs and schedules."""

from __future__ import annotations

import json
from typing import Any

from ops.jobs import broken, lines

SERVICE = {
    "ID": "s1",
    "Spec": {
        "Name": "sophia-dev-backup",
        "Mode": {"ReplicatedJob": {"TotalCompletions": 1}},
    },
    "JobStatus": {
        "JobIteration": {"Index": 9},
        "LastExecution": "2026-11-26T03:00:02.123456789Z",
    },
}
BEGUN = "started on 2026-11-26 at 03:00:02 UTC"


def task(state: str, iteration: int = 9, **status: Any) -> dict[str, Any]:
    return {
        "ID": "t",
        "ServiceID": "s1",
        "JobIteration": {"Index": iteration},
        "Status": {"State": state, "Timestamp": "2026-11-26T03:00:09Z", **status},
    }


TASK = task("complete")


def units(result: str = "success", next: str = "Fri 2026-11-27 03:00:00 UTC") -> str:
    """As `systemctl show` prints them."""
    return (
        f"Id=job-sophia-dev-backup.timer\nNextElapseUSecRealtime={next}\nResult=success\n\n"
        f"Result={result}\nId=job-sophia-dev-backup.service\n"
    )


def said(*tasks: dict[str, Any], unit: str = "", services: tuple[Any, ...] = (SERVICE,)) -> str:
    """The line of the only job."""
    arrays = [json.dumps(some, indent=4) for some in (services, tasks) if some]
    (line,) = lines("\n".join([*arrays, unit]), "sophia-dev")
    name, _, state = line.partition(" ")
    assert name == "backup"
    return state.strip()


def test_how_its_last_run_went():
    assert said(TASK) == f"succeeded, {BEGUN}"
    assert said(task("running")) == f"under way (running), {BEGUN}"
    assert said() == f"has no task, {BEGUN}"
    failed = task("failed", Err="task: non-zero exit (3)")
    assert said(failed) == f"FAILED, {BEGUN}: task: non-zero exit (3)"
    assert said(task("orphaned")) == f"FAILED, {BEGUN}: orphaned"


def test_what_came_before_does_not_count():
    failed = task("failed", Err="task: non-zero exit (3)")
    assert said(task("failed", 8), TASK) == f"succeeded, {BEGUN}"
    assert said(failed, task("complete", 8)).startswith("FAILED")
    assert said(failed, TASK) == f"succeeded, {BEGUN}", "it may fail as often as it is allowed to"
    assert said(failed, task("preparing")) == f"under way (preparing), {BEGUN}"


def test_a_schedule_tells_its_next_run_and_whether_it_could_start_the_last():
    assert said(TASK, unit=units()) == (f"succeeded, {BEGUN}; next run Fri 2026-11-27 03:00:00 UTC")
    assert said(TASK, unit=units(next="")).endswith("; next run never")
    assert said(TASK, unit=units("exit-code")).endswith(
        "UTC; could not be started: `sudo journalctl -u job-sophia-dev-backup` on a manager"
    )


def test_a_schedule_whose_job_is_gone_is_told():
    told = said(unit=units("exit-code"), services=())
    assert told.startswith("is not in the Swarm: it failed in the `up` that created it")
    assert "; could not be started: " in told


def test_no_jobs_no_lines():
    assert lines("", "sophia-dev") == []
    assert lines("\n", "sophia-dev") == []


def test_only_what_did_not_do_its_work_is_broken():
    failed = {**TASK, "Status": {"State": "failed", "Err": "task: non-zero exit (1)"}}
    well, wrong = (f"{json.dumps([SERVICE])}\n{json.dumps([one])}\n" for one in (TASK, failed))
    assert broken(well, "sophia-dev") == []
    [line] = broken(wrong, "sophia-dev")
    assert "FAILED" in line

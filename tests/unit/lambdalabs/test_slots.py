"""One pace for all processes of a host, with real processes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from providers.lambdalabs import slots
from providers.lambdalabs.pacer import Pacer
from tests.support.checkout import ROOT

INTERVAL = 0.05
ASK = """
import asyncio, sys, time
from providers.lambdalabs import slots
from providers.lambdalabs.pacer import Pacer
pacer = Pacer(1 / float(sys.argv[2]), 600.0, slots=slots.shared(sys.argv[1], "http://api", "key"))
"""
TAKE = (
    ASK
    + """
async def take():
    for _ in range(8):
        await pacer.turn(asyncio.sleep)
        print(time.monotonic(), flush=True)
asyncio.run(take())
"""
)
FAR = (
    ASK
    + """
for _ in range(9):
    pacer.reserve(launch=True)
print("reserved", flush=True)
time.sleep(600)
"""
)
HOLD = ASK + "pacer.hold(0.8); print(time.monotonic())"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path / "run"


def start(script: str, runtime: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(runtime), str(INTERVAL)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> list[float]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return [float(line) for line in output.split()]


def pacer(runtime: Path, key: str = "key") -> Pacer:
    shared = slots.shared(str(runtime), "http://api/", key)
    return Pacer(1 / INTERVAL, 600.0, slots=shared)


def file(runtime: Path) -> Path:
    [found] = (runtime / "sophia").iterdir()
    return found


def test_two_processes_share_one_pace(runtime):
    processes = [start(TAKE, runtime) for _ in range(2)]
    times = sorted(at for process in processes for at in said(process))
    assert len(times) == 16
    # Each prints shortly after its time, so single gaps vary; their sum hardly does.
    assert times[-1] - times[0] >= 14 * INTERVAL


def test_retry_after_holds_the_other_processes(runtime):
    [held] = said(start(HOLD, runtime))
    assert pacer(runtime).reserve() >= held + 0.75


def test_what_a_killed_process_had_reserved_is_free(runtime):
    process = start(FAR, runtime)
    assert process.stdout is not None
    assert process.stdout.readline() == "reserved\n"
    mine = pacer(runtime)
    assert mine.reserve(launch=True) - mine.clock() > 4800, "it waits behind a living one"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    time_left = pacer(runtime).reserve(launch=True) - mine.clock()
    # Behind the one that was sent at once, and this process's own behind the dead ones.
    assert time_left < 1300


def test_a_holder_that_is_killed_leaves_no_lock(runtime, monkeypatch):
    pacer(runtime).reserve()
    hold = f"import fcntl, time; f = open({str(file(runtime))!r}); fcntl.flock(f, fcntl.LOCK_EX)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", hold + "print('held', flush=True); time.sleep(600)"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    monkeypatch.setattr(slots, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(runtime / "none"))
    stopped = pacer(runtime)
    stopped.reserve()
    assert "stays locked" in (stopped.trouble() or ""), "one that doesn't let go stops nobody"
    process.kill()
    process.wait(10)
    free = pacer(runtime)
    free.reserve()
    assert free.trouble() is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"null",
        b'{"boot": 1}',
        b'{"boot": "BOOT", "slots": [[1]], "held_until": 0}',
        b'{"boot": "BOOT", "slots": [], "held_until": 1e300}',
        b'{"boot": "BOOT", "slots": [[NaN, true, 1]], "held_until": 0}',
        b'{"boot": "BOOT", "slots": [[1e18, true, 1]], "held_until": 0}',
        b'{"boot": "another boot", "slots": [], "held_until": 1e9}',
    ],
)
def test_a_damaged_file_holds_nobody_up(runtime, raw):
    pacer(runtime).reserve()
    file(runtime).write_bytes(raw.replace(b"BOOT", slots._boot().encode()))
    mine = pacer(runtime)
    assert mine.reserve() - mine.clock() < 1
    assert mine.trouble() is None
    assert json.loads(file(runtime).read_bytes())["boot"] == slots._boot()


def test_an_older_longer_content_leaves_no_tail(runtime):
    mine = pacer(runtime)
    mine.reserve()
    content = json.loads(file(runtime).read_bytes())
    content["slots"] = [[mine.clock() - 10_000, True, 1]] * 100
    file(runtime).write_text(json.dumps(content))
    mine.reserve()
    assert len(json.loads(file(runtime).read_bytes())["slots"]) == 1


def test_accounts_do_not_wait_for_one_another(runtime):
    for key in ("one", "two"):
        mine = pacer(runtime, key)
        assert mine.reserve(launch=True) - mine.clock() < 1
    names = {path.name for path in (runtime / "sophia").iterdir()}
    assert len(names) == 2
    assert not any("one" in name or "two" in name for name in names)


def test_the_file_is_this_users_alone(runtime):
    pacer(runtime).reserve()
    assert stat.S_IMODE(file(runtime).stat().st_mode) == 0o600
    assert stat.S_IMODE((runtime / "sophia").stat().st_mode) == 0o700


def unusable(runtime: Path, how: str) -> None:
    folder = runtime / "sophia"
    if how == "a file":
        folder.write_text("")
    elif how == "a link":
        folder.symlink_to(runtime)
    elif how == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder.mkdir(mode=0o700)
        name = slots.shared(str(runtime), "http://api", "key")._name
        (folder / name).symlink_to(runtime / "elsewhere")


@pytest.mark.parametrize("how", ["a file", "a link", "open to others", "the file is a link"])
def test_an_unusable_folder_gives_way_to_the_next_one(runtime, tmp_path, monkeypatch, how):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    unusable(runtime, how)
    mine = pacer(runtime)
    assert mine.reserve(launch=True) - mine.clock() < 1
    assert mine.trouble() is None
    assert list((tmp_path / f"sophia-{os.geteuid()}").iterdir())
    assert not (runtime / "elsewhere").exists()


def test_without_any_folder_the_pace_is_this_process_s_own_and_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "none"))
    mine = pacer(tmp_path / "none")
    first, second = mine.reserve(), mine.reserve()
    assert second - first == pytest.approx(INTERVAL)
    assert "not shared with other processes" in (mine.trouble() or "")
    assert mine.trouble() is None


async def test_an_interrupted_wait_gives_its_moment_back(runtime):
    mine = pacer(runtime)
    mine.reserve(launch=True)

    class Interrupted(Exception):
        pass

    async def sleep(seconds: float) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        await mine.turn(sleep, launch=True)
    assert mine.reserve(launch=True) - time.monotonic() < 601

"""Lines of containers from Docker's files, as Docker writes, renames and removes them."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from pathlib import Path

import pytest
from sophia_logs.follow import Follower, Had
from sophia_logs.lines import Line, Moments, moment

BEGAN = 1_700_000_000 * 10**9
SECOND = 10**9


class Container:
    """Writes as Docker's json-file driver does."""

    def __init__(self, folder: Path, service: str = "sophia-dev-slack") -> None:
        self.id = secrets.token_hex(32)
        self.folder = folder / self.id
        self.folder.mkdir()
        self.log = self.folder / f"{self.id}-json.log"
        self.log.touch()
        labels = {"com.docker.swarm.service.name": service} if service else None
        about = {"Name": "/by-hand", "Config": {"Labels": labels}}
        (self.folder / "config.v2.json").write_text(json.dumps(about))

    def write(self, *texts: str, at: int = BEGAN, stream: str = "stdout") -> None:
        with self.log.open("a") as file:
            for text in texts:
                entry = {"log": text, "stream": stream, "time": moment(at)}
                file.write(json.dumps(entry) + "\n")

    def rotate(self) -> None:
        """Docker keeps three."""
        if Path(f"{self.log}.1").exists():
            os.rename(f"{self.log}.1", f"{self.log}.2")
        os.rename(self.log, f"{self.log}.1")
        self.log.touch()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    return Follower(lambda container: Had(), tmp_path)


def read(follower: Follower) -> list[Line]:
    follower.look()
    return follower.read()


def texts(follower: Follower) -> list[str]:
    return [line.text for line in read(follower)]


def test_each_line_comes_once_with_its_service(container, follower):
    container.write("a\n", "b\n")
    first, second = read(follower)
    assert (first.text, second.text) == ("a", "b")
    assert first.container == container.id[:12]
    assert (first.service, first.stream, first.at) == ("sophia-dev-slack", "stdout", BEGAN)
    assert texts(follower) == []
    container.write("c\n")
    assert texts(follower) == ["c"]


def test_a_container_that_is_none_of_swarms_has_its_own_name(tmp_path, follower):
    Container(tmp_path, service="").write("a\n")
    assert [line.service for line in read(follower)] == ["by-hand"]


def test_what_is_half_written_waits(container, follower):
    with container.log.open("a") as file:
        file.write('{"log":"a\\n","stream":"stdout",')
        file.flush()
        assert texts(follower) == []
        file.write(f'"time":"{moment(BEGAN)}"}}\n')
    assert texts(follower) == ["a"]


def test_dockers_pieces_are_one_line_and_streams_stay_apart(container, follower):
    container.write("x" * 16384)
    container.write("other\n", stream="stderr")
    assert texts(follower) == ["other"]
    container.write("y\n", at=BEGAN + 1)
    (line,) = read(follower)
    assert (line.text, line.at) == ("x" * 16384 + "y", BEGAN)


def test_a_line_without_an_end_is_cut(container, follower):
    container.write(*["x" * 16384] * 9)
    assert [len(text) for text in texts(follower)] == [128 * 1024]


def test_full_files_are_read_to_their_end_in_their_order(container, follower):
    for number in range(4):
        container.write(f"{number}\n")
        follower.look()
        container.rotate()
        follower.look()
    container.write("4\n")
    assert texts(follower) == ["0", "1", "2", "3", "4"], "the first file is gone by now"


def test_the_oldest_file_is_read_first_by_who_starts_now(container, follower):
    for number in range(3):
        container.write(f"{number}\n")
        container.rotate()
    container.write("3\n")
    assert texts(follower) == ["1", "2", "3"], "Docker has removed the first"


def test_a_removed_container_is_read_to_its_end_and_then_let_go(container, follower, tmp_path):
    container.write("a\n")
    follower.look()
    container.write("b\n")
    shutil.rmtree(container.folder)
    before = len(os.listdir("/proc/self/fd"))
    assert texts(follower) == ["a", "b"]
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_too_many_open_files_of_what_is_gone_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("sophia_logs.follow._MOST_FILES", 2)
    follower = Follower(lambda _: Had(), tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(4):
        gone = Container(tmp_path)
        gone.write(f"{number}\n")
        follower.look()
        shutil.rmtree(gone.folder)
    assert texts(follower) == ["2", "3"], "the oldest two"
    assert follower.dropped == 2
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_the_store_has_is_not_sent_again(container, tmp_path):
    container.write("old\n", at=BEGAN - 60 * SECOND)
    container.write("there\n", "same moment\n", at=BEGAN)
    container.write("between\n", at=BEGAN + 1)
    container.write("newest\n", at=BEGAN + 2)
    container.write("new\n", at=BEGAN + 3)
    had = Had(BEGAN + 2, Moments([BEGAN, BEGAN + 2]))
    assert texts(Follower(lambda _: had, tmp_path)) == ["same moment", "between", "new"]


def test_files_from_long_before_are_not_even_read(container, tmp_path, monkeypatch):
    container.write("old\n", at=BEGAN)
    os.utime(container.log, ns=(BEGAN, BEGAN))
    container.rotate()
    monkeypatch.setattr(Follower, "_lines", None)
    had = Had(BEGAN + 3600 * SECOND)
    assert texts(Follower(lambda _: had, tmp_path)) == []


def test_what_is_written_after_a_clock_was_set_back_is_new(container, tmp_path):
    """An hour, as for a machine that started with a wrong one."""
    wrong = BEGAN + 3600 * SECOND
    container.write("old\n", at=BEGAN)
    container.write("newest\n", at=wrong)
    follower = Follower(lambda _: Had(wrong, Moments([wrong])), tmp_path)
    assert texts(follower) == []
    container.write("new\n", at=BEGAN + SECOND)
    os.utime(container.log, ns=(BEGAN, BEGAN))
    assert texts(follower) == ["new"]
    again = Follower(lambda _: Had(wrong, Moments([wrong])), tmp_path)
    assert texts(again) == ["new"], "whoever starts now doesn't pass over it, either"


def test_a_store_that_can_not_say_what_it_has_costs_nothing(container, tmp_path):
    other = Container(tmp_path)
    container.write("a\n")
    other.write("b\n")
    answers = [Had(), ConnectionError(), Had()]

    def ask(_: str) -> Had:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    follower = Follower(ask, tmp_path)
    with pytest.raises(ConnectionError):
        read(follower)
    assert sorted(texts(follower)) == ["a", "b"]


@pytest.mark.parametrize("raw", ["", "null", "{}", '{"log": "a', '{"log": 1, "time": 2}'])
def test_a_broken_entry_is_passed_over(container, follower, raw):
    container.log.write_text(f"{raw}\n")
    container.write("a\n")
    assert texts(follower) == ["a"]


def test_other_files_and_folders_are_not_looked_into(tmp_path, container, follower):
    (tmp_path / "backup").mkdir()
    container.write("a\n")
    shutil.copy(container.log, tmp_path / "backup" / "backup-json.log")
    (container.folder / "other.log").write_text("x\n")
    assert texts(follower) == ["a"]


def test_a_file_that_can_not_be_opened_is_no_file_that_is_gone(container, follower, monkeypatch):
    """Its lines would be lost with it, and nobody would know."""

    def refused(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    container.write("a\n")
    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(OSError, match="Too many"):
        follower.look()
    monkeypatch.undo()
    assert texts(follower) == ["a"]

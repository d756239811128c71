"""Parts are made once, completely or not at all, and again when their sources change."""

import threading
from pathlib import Path

import pytest

from toolchain.cache import key_of, made


def silent() -> None:
    pass


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "go.mod").write_text("module a")
    (tmp_path / "source" / "main.go").write_text("package main")
    return tmp_path / "source"


def key(source: Path, *facts: str) -> str:
    return key_of(source.iterdir(), source, *facts)


def test_a_key_depends_on_content_and_facts_and_not_on_where_the_checkout_lies(source, tmp_path):
    before = key(source, "linux")
    moved = source.rename(tmp_path / "elsewhere")

    assert key(moved, "linux") == before
    assert key(moved, "darwin") != before
    assert key(moved) != before


@pytest.mark.parametrize("change", ["content", "name", "new file", "boundary"])
def test_a_key_changes_with_any_file(source, change):
    before = key(source)
    if change == "content":
        (source / "main.go").write_text("package other")
    elif change == "name":
        (source / "main.go").rename(source / "other.go")
    elif change == "new file":
        (source / "more.go").write_text("")
    else:
        (source / "go.mod").write_text("module ")
        (source / "main.go").write_text("apackage main")

    assert key(source) != before


def test_a_part_is_made_once(tmp_path):
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "program").write_text("x")

    first = made(tmp_path, "engine-1", make, silent)
    second = made(tmp_path, "engine-1", make, silent)

    assert first == second == tmp_path / "engine-1"
    assert (first / "program").read_text() == "x"
    assert len(calls) == 1


def test_a_part_that_could_not_be_made_leaves_nothing_and_is_made_next_time(tmp_path):
    def broken(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError):
        made(tmp_path, "engine-1", broken, silent)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []

    made(tmp_path, "engine-1", lambda folder: None, silent)
    assert (tmp_path / "engine-1").is_dir()


def test_what_a_killed_run_left_is_removed(tmp_path):
    (tmp_path / ".engine-1.making-abc").mkdir()

    made(tmp_path, "engine-1", lambda folder: None, silent)

    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["engine-1"]


def test_two_runs_at_once_make_it_once_and_the_second_says_that_it_waits(tmp_path):
    making, waiting = threading.Event(), threading.Event()
    calls = []

    def slow(folder: Path) -> None:
        calls.append("slow")
        making.set()
        assert waiting.wait(10), "the second run never said that it waits"

    first = threading.Thread(target=made, args=(tmp_path, "engine-1", slow, silent))
    first.start()
    assert making.wait(10), "the first run never began"
    got = made(tmp_path, "engine-1", lambda folder: calls.append("again"), waiting.set)
    first.join()

    assert got.is_dir()
    assert calls == ["slow"]

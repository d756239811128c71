"""What a run of the tests needs of this machine, and how they are shared out among processes."""

from __future__ import annotations

import contextlib

import pytest

from simulator import engine
from tests.support.checkout import ROOT

_run = contextlib.ExitStack()


def pytest_sessionstart(session: pytest.Session) -> None:
    """A whole run keeps the Docker engine, and stops it at the end if it had to start it."""
    config = session.config
    whole = not config.invocation_params.args or config.args == config.getini("testpaths")
    is_worker = hasattr(config, "workerinput")
    if whole and not is_worker and "not containers" not in config.option.markexpr:
        _run.enter_context(engine.kept(print))


def pytest_sessionfinish() -> None:
    _run.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test of containers has an engine, also when it is run alone."""
    if item.get_closest_marker("containers"):
        engine.ensure(print)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share costly fixtures stay in one process; the longest go first."""
    for item in items:
        costly = item.get_closest_marker("containers") or item.get_closest_marker("slow")
        if costly and not item.get_closest_marker("xdist_group"):
            folder = item.path.parent.relative_to(ROOT / "tests").as_posix()
            item.add_marker(pytest.mark.xdist_group(folder))
    first = ("e2e", "provider/swarm_services", "provider/swarm")
    items.sort(key=lambda item: _rank(item, first))


def _rank(item: pytest.Item, first: tuple[str, ...]) -> int:
    marker = item.get_closest_marker("xdist_group")
    if marker is None:
        return len(first) + 1
    return first.index(marker.args[0]) if marker.args[0] in first else len(first)

"""What the tests need on this machine, and how they are distributed among processes."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from simulator import engine

_run = contextlib.ExitStack()

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


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


LONGEST = (
    "tests/e2e/test_platform.py",
    "tests/provider/swarm/test_",
    "tests/provider/swarm/services",
    "tests/unit/mcp_catalog/test_stand_ins.py",
    "tests/provider/lambdalabs/test_engine",
)
"""Begun first, in this order; what ends last is short, so no process is idle at the end."""

SHARED = ("tests/provider/swarm", "tests/integration/")
"""Folders whose tests share costly fixtures, or nodes, of which a machine holds only so many."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (*map(item.nodeid.startswith, LONGEST), True).index(True))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Next to nothing that is imported or collected is garbage: looking for it takes a fifth of the
    time, in each process. What tests leave behind is looked for more rarely than usual."""
    gc.disable()
    gc.set_threshold(20_000, 10, 10)
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What is collected lives to the end: no garbage collection looks at it again."""
    gc.collect()
    gc.freeze()


class ByFolder(LoadScopeScheduling):
    """Tests that share costly fixtures stay in one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return file.rsplit("/", 1)[0] if file.startswith(SHARED) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    return ByFolder(config, log)

"""The exit status of `make audit`."""

from __future__ import annotations

import pytest

from ops import inspect
from ops.audit import __main__ as audit
from ops.audit.findings import Check


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([Check("a", "all is well", {"one": []})], 0),
        ([Check("a", "not checked", unknown="no data")], 0),
        ([Check("a", "one is broken", {"one": ["broken"]})], 1),
    ],
)
def test_it_says_whether_anything_fails(monkeypatch, capsys, checks, status):
    monkeypatch.setattr("sys.argv", ["ops.audit"])
    monkeypatch.setattr(audit, "read_accepted", lambda text: [])
    monkeypatch.setattr(inspect, "stack_named", lambda name: name)
    monkeypatch.setattr(audit, "_checks", lambda stack: checks)
    assert audit.main() == status
    assert checks[0].title in capsys.readouterr().out


def test_a_stack_that_cannot_be_looked_at_is_no_finding(monkeypatch, capsys):
    def away(name: str) -> None:
        raise inspect.NotUp("the simulated cloud is not running")

    monkeypatch.setattr("sys.argv", ["ops.audit"])
    monkeypatch.setattr(inspect, "stack_named", away)
    assert audit.main() == 2
    assert "not running" in capsys.readouterr().out

"""A server's remembered texts are limited in number and in time."""

import pytest
from sophia_mcp import remembered
from sophia_mcp.remembered import Remembered


def test_a_text_is_kept_for_its_time(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(remembered, "monotonic", lambda: now)
    known = Remembered()
    known.put("U1", "Ann", 10)
    known.put("U2", "", 5)
    assert [known.get(key) for key in ("U1", "U2", "U3")] == ["Ann", "", None]
    now = 105.0
    assert [known.get(key) for key in ("U1", "U2")] == ["Ann", None]
    known.put("U1", "Anna", 10)
    now = 114.0
    assert known.get("U1") == "Anna"


def test_the_oldest_goes_when_there_are_too_many():
    known = Remembered(most=2)
    for key in "aba":
        known.put(key, key, 60)
    known.put("c", "c", 60)
    assert known.keys() == ["a", "c"], "a was put again"
    assert known.get("b") is None

"""The setting `tracing`: off without an endpoint, and what is wrong with it is reported at once."""

from __future__ import annotations

import pytest

from components.plan.tracing import Tracing
from tests.unit.components.samples import changed, check

ENDPOINT = "http://collector.example.com:4318"


def test_there_are_none_unless_they_are_wanted():
    settings, faults = check(changed())
    assert (faults, settings.tracing) == ([], None)


@pytest.mark.parametrize("end", ["", "/"])
def test_an_endpoint_is_enough(end):
    settings, faults = check(changed(tracing={"endpoint": ENDPOINT + end}))
    assert (faults, settings.tracing) == ([], Tracing(ENDPOINT, 1.0, ()))


def test_all_of_it():
    given = {"endpoint": ENDPOINT, "ratio": 0.05, "hosts": ["api.example.com"]}
    settings, faults = check(changed(tracing=given))
    assert (faults, settings.tracing) == ([], Tracing(ENDPOINT, 0.05, ("api.example.com",)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"enabled": True}, ["sophia:tracing.enabled: got an unknown key, expected one of"]),
        (
            {"endpoint": "collector:4318", "ratio": 2, "hosts": ["https://api.example.com"]},
            [
                "sophia:tracing.endpoint: got 'collector:4318', expected an OTLP/HTTP collector",
                "sophia:tracing.ratio: got 2, expected",
                "sophia:tracing.hosts[0]: got 'https://api.example.com', expected a host such as",
            ],
        ),
        (
            {"endpoint": f"{ENDPOINT}/v1/traces"},
            [f"sophia:tracing.endpoint: got '{ENDPOINT}/v1/traces', expected one without"],
        ),
        (
            {"endpoint": "http://localhost:4318"},
            ["sophia:tracing.endpoint: got 'http://localhost:4318', expected a host that every"],
        ),
        (
            {"ratio": 0.1, "hosts": ["api.example.com"]},
            [
                "sophia:tracing.ratio: got 0.1, expected none without sophia:tracing.endpoint",
                "sophia:tracing.hosts: got ['api.example.com'], expected none without sophia:trac",
            ],
        ),
    ],
)
def test_what_is_wrong_is_told_at_once(given, told):
    _, faults = check(changed(tracing=given))
    assert [fault[: len(begin)] for fault, begin in zip(faults, told, strict=True)] == told

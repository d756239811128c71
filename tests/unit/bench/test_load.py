"""How a ramp of callers ends, and what it came to."""

from dataclasses import replace

import pytest

from bench.load import SLOWEST, Step, best, ends, fullest, kind

STEP = Step(
    callers=4,
    calls_per_s=100.0,
    p50=0.01,
    p95=0.02,
    failures={},
    cores={"server": 0.2, "gateway": 0.1, "client": 0.1, "machine": 1.0},
    memory_mb={"server": 80.0, "gateway": 30.0},
)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (STEP, ""),
        (replace(STEP, p95=SLOWEST), ""),
        (replace(STEP, p95=SLOWEST + 0.01), "p95 above 1 s"),
        (replace(STEP, failures={"429": 2, "503": 1}), "3 calls failed"),
        (replace(STEP, failures={"429": 1}, p95=9.0), "1 calls failed"),
    ],
)
def test_a_ramp_ends_with_a_failure_or_when_it_is_slow(step, reason):
    assert ends(step) == reason


def test_the_best_step_has_no_failure_if_one_has_none():
    failed = replace(STEP, calls_per_s=300.0, failures={"429": 1})
    slower = replace(STEP, calls_per_s=50.0)
    assert best([slower, STEP, failed]) == STEP
    assert best([replace(failed, calls_per_s=1.0), failed]) == failed


def test_the_fullest_part_is_measured_by_what_it_may_use():
    limits = {"server": 0.25, "gateway": 1.0, "machine": 2.0}
    assert fullest(STEP, limits) == ("server", 0.8)
    assert fullest(STEP, {**limits, "server": 1.0}) == ("machine", 0.5)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [('429 {"jsonrpc": …}', "429"), ("ReadTimeout('')", "ReadTimeout"), ("503 ", "503")],
)
def test_failures_are_counted_by_status_or_by_what_the_client_raised(fault, expected):
    assert kind(fault) == expected

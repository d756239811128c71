"""Series as everything that is scraped has them (recorded.txt): for a Prometheus with something in
it, and for whoever wants to know what there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

STEP_S = 10
ENDS = "sophia_certificate_ends_seconds"
LEFT_S = 86400
"""Until the certificate ends."""


def series() -> dict[str, str]:
    """By series, what it is: `7`, or `+0.5` for one that grows by that in a second."""
    text = Path(__file__).with_name("recorded.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def metrics() -> set[str]:
    return {name.partition("{")[0] for name in series()} | {ENDS}


def lines(since: int, until: int) -> Iterator[str]:
    """OpenMetrics, for `promtool tsdb create-blocks-from`. Times in seconds since 1970."""
    known = {**series(), ENDS: str(until + LEFT_S)}
    for at in range(since, until + 1, STEP_S):
        for name, value in known.items():
            now = float(value) * (at - since) if value.startswith("+") else float(value)
            yield f"{name} {now} {at}\n"
    yield "# EOF\n"

"""The dashboards: a file each in `dashboards`, beside this package; README.md there has its form.

Browsers ask for a dashboard by its name: no query comes from outside.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parents[1] / "dashboards"
NUMBERS_OVER_S = 300
"""What `$window` is for a number; for a line it is at least LEAST_WINDOW_S."""
LEAST_WINDOW_S = 120
"""Two of the rates that Prometheus records once a minute: a lost one leaves no hole."""

Unit = Literal["count", "per_second", "seconds", "bytes", "bytes_per_second", "share", "watts",
               "celsius", "yes"]  # fmt: skip
"""What values are measured in. share: 0 to 1, shown in percent. yes: 1 and 0."""
UNITS = get_args(Unit)
Parameter = Literal["", "server", "node"]
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True)
class Range:
    """seconds: how far back. step_s: between two points; about 200 of them fill a screen."""

    seconds: int
    step_s: int


RANGES = {
    "15m": Range(900, 10),
    "1h": Range(3600, 15),
    "6h": Range(6 * 3600, 90),
    "24h": Range(24 * 3600, 360),
    "3d": Range(3 * 86400, 1080),
    "15d": Range(15 * 86400, 3600),
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Panel(_Strict):
    """queries: PromQL by the name of what it gives, such as "{service}", with the labels' values.

    about: what a reader needs to know to judge it. above, below: from where on, or down to where,
    a value needs attention, and is bad.
    """

    title: str
    unit: Unit
    queries: dict[str, str] = Field(min_length=1)
    kind: Literal["lines", "number"] = "lines"
    about: str = ""
    above: tuple[float, float] | None = None
    below: tuple[float, float] | None = None

    @property
    def metrics(self) -> set[str]:
        """The names of all that it asks for."""
        return {name for query in self.queries.values() for name in metrics_of(query)}


class Dashboard(_Strict):
    """parameter: what it is about one of; "" for none. every: whether it tells of what all callers
    do, so that only those who may use every server see it."""

    title: str
    about: str
    panels: list[Panel]
    parameter: Parameter = ""
    every: bool = True


def read_dashboards(folder: Path = FOLDER) -> dict[str, Dashboard]:
    """By name. Raises pydantic.ValidationError: a file has another form."""
    names = ("fleet", "server", "nodes", "database")
    return {name: read_dashboard((folder / f"{name}.toml").read_text()) for name in names}


def read_dashboard(text: str) -> Dashboard:
    return Dashboard.model_validate(tomllib.loads(text))


def filled(query: str, values: Mapping[str, str]) -> str:
    """The query with values for `$server`, `$node`, `$window` and `$range`."""
    return Template(query).substitute(values)


def named(pattern: str, labels: Mapping[str, str]) -> str:
    """The name of a line: "{service}" with the labels' values."""
    return re.sub(r"\{(\w+)\}", lambda found: labels.get(found[1], ""), pattern).strip() or pattern


def metrics_of(query: str) -> set[str]:
    """The names of metrics in a query: what is left without texts, labels, ranges and functions."""
    rest = re.sub(r'"(\\.|[^"])*"|\'(\\.|[^\'])*\'', "", query)
    rest = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", rest)
    listed = r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
    rest = re.sub(listed, " ", rest)
    found = re.findall(r"(?<![\w$.])[a-zA-Z_:][\w:]*\b(?!\s*\()", rest)
    return {name for name in found if name.lower() not in _WORDS and name not in _GROUPING}


_GROUPING = {"by", "without", "sum", "avg", "max", "min", "count", "group_left", "group_right",
             "topk", "bottomk"}  # fmt: skip
"""What may be apart from its parenthesis."""


def all_metrics(dashboards: Iterable[Dashboard]) -> set[str]:
    return {name for one in dashboards for panel in one.panels for name in panel.metrics}

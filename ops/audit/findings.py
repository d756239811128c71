"""Checks, their findings, which of them are accepted, and the table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

ACCEPTED = Path(__file__).with_name("accepted.yaml")


@dataclass(frozen=True)
class Check:
    """One check. name: `cis-5.4` is number 5.4 of the CIS Docker Benchmark 1.6. problems: by
    subject (a node, a service); empty lists pass.

    unknown: why it was not possible to check, for data that not every machine can get.
    """

    name: str
    title: str
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: str = ""


@dataclass(frozen=True)
class Accepted:
    """An accepted finding. check, subject, problem: patterns with `*`.

    by: who answers for it. again: when they have to decide again. stack: pattern of the stacks that
    it is for. varies: depends on the machine or the stack, and may be absent.
    """

    check: str
    by: str
    reason: str
    again: date
    subject: str = "*"
    problem: str = "*"
    stack: str = "*"
    varies: bool = False

    def covers(self, check: str, subject: str, problem: str) -> bool:
        """Whether the entry matches a finding."""
        return (
            fnmatchcase(check, self.check)
            and fnmatchcase(subject, self.subject)
            and fnmatchcase(problem, self.problem)
        )


class Unusable(Exception):
    """accepted.yaml is invalid: all errors, one per line."""


def read_accepted(text: str, stack: str) -> list[Accepted]:
    """The entries of accepted.yaml for a stack. Raises Unusable."""
    found, faults = [], []
    for number, entry in enumerate(yaml.safe_load(text) or []):
        try:
            one = Accepted(**entry)
        except TypeError as error:
            faults.append(f"[{number}]: {str(error).partition(' ')[2]}")
            continue
        empty = [key for key in ("check", "by", "reason") if not str(getattr(one, key)).strip()]
        faults += [f"[{number}].{key}: got nothing, expected a text" for key in empty]
        if type(one.again) is not date:
            faults.append(f"[{number}].again: got {one.again!r}, expected a date as 2027-05-27")
        found.append(one)
    if faults:
        raise Unusable("accepted.yaml: " + "\n".join(faults))
    return [one for one in found if fnmatchcase(stack.rpartition("/")[2], one.stack)]


PASS, FAIL, ACCEPT, UNKNOWN = "pass", "FAIL", "accepted", "not checked"


@dataclass(frozen=True)
class Row:
    """A line of the table. lines: the findings, or why they are accepted."""

    name: str
    title: str
    state: str
    lines: tuple[str, ...] = ()


def judged(checks: Iterable[Check], accepted: Sequence[Accepted]) -> list[Row]:
    """A row per check, then one per accepted entry that matches nothing, which fails as well."""
    rows, used = [], set[int]()
    for check in checks:
        if check.unknown:
            rows.append(Row(check.name, check.title, UNKNOWN, (check.unknown,)))
            continue
        open, reasons = [], dict[str, None]()
        for subject, problem in _grouped(check.problems):
            entries = [
                number
                for number, entry in enumerate(accepted)
                if entry.covers(check.name, subject, problem)
            ]
            used.update(entries)
            if entries:
                one = accepted[entries[0]]
                reasons[f"{one.by}: {one.reason}"] = None
            else:
                open.append((subject, problem))
        state = FAIL if open else ACCEPT if reasons else PASS
        rows.append(Row(check.name, check.title, state, (*_told(open), *reasons)))
    stale = [
        entry for number, entry in enumerate(accepted) if number not in used and not entry.varies
    ]
    rows += [
        Row(entry.check, "an accepted finding", FAIL, (f"it no longer matches anything: {entry}",))
        for entry in stale
    ]
    return rows


def overdue(accepted: Iterable[Accepted], today: date) -> list[Row]:
    """A row that fails for each entry whose date has come."""
    return [
        Row(
            one.check,
            "an accepted finding",
            FAIL,
            (f"{one.by} had to decide again by {one.again}: fix it or set another date",),
        )
        for one in accepted
        if one.again <= today
    ]


def _grouped(problems: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    for subject, found in problems.items():
        for problem in found:
            yield subject, problem


def _told(findings: Sequence[tuple[str, str]]) -> list[str]:
    """One line per problem, with all its subjects."""
    by_problem: dict[str, list[str]] = {}
    for subject, problem in findings:
        by_problem.setdefault(problem, []).append(subject)
    return [f"{', '.join(subjects)}: {problem}" for problem, subjects in by_problem.items()]


def table(rows: Sequence[Row]) -> str:
    """The rows as text, with a summary."""
    longest = max((len(row.name) for row in rows), default=0)
    lines = []
    for row in rows:
        lines.append(f"{row.state:<11} {row.name:<{longest}}  {row.title}")
        lines += [f"{'':<{13 + longest}} {line}" for line in row.lines]
    count = {state: sum(row.state == state for row in rows) for state in (PASS, ACCEPT, FAIL)}
    unknown = sum(row.state == UNKNOWN for row in rows)
    summary = f"{count[PASS]} pass, {count[ACCEPT]} accepted, {count[FAIL]} fail"
    return "\n".join([*lines, summary + (f", {unknown} not checked" if unknown else "")])


def failed(rows: Iterable[Row]) -> bool:
    """Whether any check fails."""
    return any(row.state == FAIL for row in rows)

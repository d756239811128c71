"""Prints what the store in this container has: `python3 -S -m sophia_logs.find --since 2h`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from sophia_logs.store import Store, StoreError


def query(service: str, search: str, caller: str, since: str, limit: int) -> str:
    """LogsQL for the newest lines. service, caller: "" for all. search: text in any case, ""
    for all lines. since: such as 2h, a date, or a span from `days`. limit: 0 for all lines, in no
    order: to sort so many takes more memory than a store has."""
    exact = since[:-1].isdigit() or since.startswith("[")
    parts = [f"_time:{since}" if exact else f"_time:>={since}"]
    if service:
        parts.insert(0, f"{{service={_quoted(service)}}}")
    if caller:
        parts.append(f"caller:={_quoted(caller)}")
    if search:
        parts.append(f"_msg:~{_quoted('(?i)' + escaped(search))}")
    newest = f" | sort by (_time desc) limit {limit}" if limit else ""
    return f"{' '.join(parts)}{newest} | fields {', '.join(_FIELDS)}"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def days(since: str, now: datetime) -> Iterator[str]:
    """The time from `since` on, as spans of a day each: a store ends a search after 30 s."""
    if since[:-1].isdigit():
        start = now - timedelta(seconds=int(since[:-1]) * _UNITS[since[-1]])
    else:
        start = datetime.fromisoformat(since).replace(tzinfo=UTC)
    while start <= now:
        end = start + timedelta(days=1)
        yield f"[{start:{_FORM}}, {end:{_FORM}})"
        start = end


_FORM = "%Y-%m-%dT%H:%M:%SZ"


_FIELDS = ("_time", "service", "node", "_msg")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    """The text as a regular expression of Go's that means itself."""
    return "".join(f"\\{sign}" if sign in r"\.+*?()|[]{}^$" else sign for sign in text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="find", description=__doc__)
    parser.add_argument("--service", default="")
    parser.add_argument("--search", default="")
    parser.add_argument("--caller", default="")
    parser.add_argument("--since", default="1h")
    parser.add_argument("--limit", type=int, default=200, help="0: all, in no order")
    asked, store = vars(parser.parse_args()), Store("127.0.0.1")
    try:
        if asked["limit"]:
            for row in reversed(list(store.ask(query(**asked)))):
                print(shown(row))
        else:
            for day in days(asked["since"], datetime.now(UTC)):
                for row in store.ask(query(**asked | {"since": day})):
                    print(shown(row))
    except StoreError as error:
        sys.exit(f"the store doesn't answer: {error}")


def shown(row: Mapping[str, str]) -> str:
    """A line as people read it; sorted as texts they are in the order of their times."""
    seconds, _, fraction = row["_time"].removesuffix("Z").partition(".")
    where = f"{row.get('service', '')}@{row.get('node', '')}"
    return f"{seconds}.{fraction[:3]:0<3}Z {where} | {row.get('_msg', '')}"


if __name__ == "__main__":
    main()

"""Prints what the store in this container has: `python3 -S -m sophia_logs.find --since 2h`."""

from __future__ import annotations

import argparse
import json
import sys

from sophia_logs.store import Store, StoreError


def query(service: str, search: str, caller: str, since: str, limit: int) -> str:
    """LogsQL for the newest lines. service, caller: "" for all. search: text in any case, ""
    for all lines. since: such as 2h, or a date."""
    parts = [f"_time:{since}" if since[:-1].isdigit() else f"_time:>={since}"]
    if service:
        parts.insert(0, f"{{service={_quoted(service)}}}")
    if caller:
        parts.append(f"caller:={_quoted(caller)}")
    if search:
        parts.append(f"_msg:~{_quoted('(?i)' + escaped(search))}")
    return f"{' '.join(parts)} | sort by (_time desc) limit {limit} | fields {', '.join(_FIELDS)}"


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
    parser.add_argument("--limit", type=int, default=200)
    asked = query(**vars(parser.parse_args()))
    try:
        rows = list(Store("127.0.0.1").ask(asked))
    except StoreError as error:
        sys.exit(f"the store doesn't answer: {error}")
    for row in reversed(rows):
        where = f"{row.get('service', '')}@{row.get('node', '')}"
        print(f"{row['_time'][:23]}Z {where} | {row.get('_msg', '')}")


if __name__ == "__main__":
    main()

"""Prints what the store in this container has: `python3 -S -m sophia_logs.find --since 2h`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from sophia_logs.query import days, query
from sophia_logs.store import Store, StoreError


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

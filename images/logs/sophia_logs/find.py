"""Prints what the store in this container has: `python3 -S -m sophia_logs.find --since 2h`."""

from __future__ import annotations

import argparse
import sys

from sophia_logs.query import query
from sophia_logs.store import Store, StoreError


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

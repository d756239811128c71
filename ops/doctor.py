"""`make doctor`, and the first stage of `make up` and `make test`: is this machine ready for it?

Reports everything that is missing at once, each with the command that installs it, before anything
is done. Runs on the standard library alone (see ops/machine.py).
"""

from __future__ import annotations

import sys

from ops import machine, needs
from ops.progress import say


def main() -> int:
    """Exit status 1 if something is missing."""
    facts = machine.look()
    problems = needs.missing(facts)
    for line in needs.notes(facts):
        say(f"    {line}")
    if problems:
        count = "1 thing is" if len(problems) == 1 else f"{len(problems)} things are"
        say(f"error: {count} missing on this machine; nothing was changed")
        for need in problems:
            say(f"  - {need.problem}\n      {need.remedy}")
        return 1
    say(f"==> this machine: ready ({needs.summary(facts)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

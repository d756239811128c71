"""A browser for the tests of pages, which `make test` installs if it may."""

from __future__ import annotations

from ops.progress import say
from simulator import packages
from simulator.exceptions import SimulatorError


def main() -> None:
    """Without a browser, those tests are skipped, and say so."""
    try:
        packages.ensure(["chromium"], packages.LOG)
    except SimulatorError as error:
        say(f"    tests of pages are skipped: {error}")


if __name__ == "__main__":
    main()

"""Stage lines with elapsed time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """Prints one line at once, even into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Announces a stage, then its end with the seconds it took."""
    say(f"==> {title}")
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"==> {title}: failed after {time.monotonic() - began:.1f} s")
        raise
    say(f"==> {title}: done in {time.monotonic() - began:.1f} s")

"""Parts that are made once: a folder per part and content, safe for concurrent runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def key_of(files: Iterable[Path], base: Path, *facts: str) -> str:
    """16 hex digits that change with any file's place below `base`, content or any of `facts`."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"{len(fact)}:{fact}".encode())
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(base)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def made(cache: Path, name: str, make: Callable[[Path], None], wait: Callable[[], None]) -> Path:
    """The folder `cache/name`, filled by `make` unless it exists.

    `make` gets an empty folder that is renamed to `name` when it returns, so a folder of this name
    is always complete. One run makes it; others call `wait` and wait.
    """
    target = cache / name
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f".{name}.lock", wait):
        if target.is_dir():
            return target
        for left in cache.glob(f".{name}.making-*"):
            shutil.rmtree(left, ignore_errors=True)
        making = Path(tempfile.mkdtemp(prefix=f".{name}.making-", dir=cache))
        try:
            make(making)
            making.chmod(0o755)
            making.rename(target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return target


@contextmanager
def _locked(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    # The kernel frees the lock when its holder ends, however it ends; the file may stay.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

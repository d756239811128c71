"""The modules that a Go program was built from, as its build information lists them. Pure.

The format is that of Go's debug/buildinfo since Go 1.18: 32 bytes of head, then two texts, each
after its length as a varint: the version of Go, and lines with what `go version -m` shows. PyPI's
pygobuildinfo reads it by a shared library of Go's, and from files on disk only.
"""

from __future__ import annotations

from collections.abc import Iterator

from packageurl import PackageURL

ELF = b"\x7fELF"
_MAGIC, _ALIGNED = b"\xff Go buildinf:", 16
_FLAGS, _TEXTS = 15, 32
"""Offsets of the flags and of the texts."""
_INLINE = 2
"""The flag of texts that follow; before Go 1.18 there were pointers to them."""
_SENTINEL = 16
"""Bytes around the lines, by which a running program finds them."""
_LOCAL = ("", "(devel)")
"""Versions of what comes from a folder."""


def modules(content: bytes) -> Iterator[PackageURL]:
    """Those of a program, its own and Go's standard library among them; none of a file that is no
    program of Go's. Debian's have the library only: they are not built from modules."""
    found = _texts(content)
    if found is None:
        return
    go, lines = found
    yield _url("stdlib", go.removeprefix("go").partition(" ")[0])
    named: list[tuple[str, str]] = []
    for line in lines.splitlines():
        match line.split("\t"):
            case ["mod" | "dep", path, version, *_]:
                named.append((path, version))
            case ["=>", path, version, *_] if named and version not in _LOCAL:
                named[-1] = (path, version)
    for path, version in named:
        yield _url(path, "" if version in _LOCAL else version)


def _url(path: str, version: str) -> PackageURL:
    namespace, _, name = path.rpartition("/")
    return PackageURL("golang", namespace, name, version)


def _texts(content: bytes) -> tuple[str, str] | None:
    at = content.find(_MAGIC)
    while at >= 0:
        head = content[at : at + _TEXTS]
        # The magic alone is also in programs that look for it.
        if at % _ALIGNED == 0 and len(head) == _TEXTS and head[_FLAGS] & _INLINE:
            go, after = _text(content, at + _TEXTS)
            lines, _ = _text(content, after)
            return go.decode(), lines[_SENTINEL:-_SENTINEL].decode()
        at = content.find(_MAGIC, at + 1)
    return None


def _text(content: bytes, at: int) -> tuple[bytes, int]:
    """The text at an offset, and what follows it."""
    length = shift = 0
    while True:
        byte = content[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return content[at : at + length], at + length

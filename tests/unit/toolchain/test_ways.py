"""When the user's own engine is used."""

import os
from pathlib import Path

import pytest

from toolchain import build, ways
from toolchain.errors import Unavailable


@pytest.fixture
def programs(tmp_path: Path, monkeypatch) -> Path:
    """The only folder on PATH besides the system's shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), "/bin"]))
    monkeypatch.setenv("SOPHIA_TOOLCHAIN", str(tmp_path / "cache"))
    return folder


def install(folder: Path, name: str, says: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def test_no_pulumi(programs):
    with pytest.raises(Unavailable, match="no pulumi on PATH"):
        ways.on_path()


def test_an_engine_without_its_python_host_is_not_used(programs):
    install(programs, "pulumi", f"v{build.ENGINE}")

    with pytest.raises(Unavailable, match="has no pulumi-language-python"):
        ways.on_path()


@pytest.mark.parametrize("version", ["v3.9.0", "v3.258.9", "", "unknown"])
def test_an_older_engine_than_the_sdk_is_not_used(programs, version):
    install(programs, "pulumi", version)
    install(programs, "pulumi-language-python")

    with pytest.raises(Unavailable, match=r"3\.259\.0 or newer is needed"):
        ways.on_path()


@pytest.mark.parametrize("version", ["3.259.0", "v3.272.1", "v4.0.0-alpha.1"])
def test_the_users_engine_is_used(programs, version):
    install(programs, "pulumi", version)
    install(programs, "pulumi-language-python")

    found = ways.on_path()

    assert (found.bin, found.ours) == (programs, False)
    assert found.version == version.removeprefix("v")


def test_an_engine_of_this_cache_on_path_does_not_count_as_the_users(
    programs, tmp_path, monkeypatch
):
    own = tmp_path / "cache" / "home-1" / "bin"
    install(own, "pulumi", "v3.259.0")
    install(own, "pulumi-language-python")
    monkeypatch.setenv("PATH", os.pathsep.join([str(own), os.environ["PATH"]]))

    with pytest.raises(Unavailable, match="no pulumi on PATH"):
        ways.on_path()


def test_versions_compare_as_numbers():
    assert ways.numbers("3.10.0") > ways.numbers("3.9.9")
    assert ways.numbers("nothing") == ()

"""The variables of a shell, and the state folder that they point to."""

import os
import stat
from pathlib import Path

import pytest

from toolchain import places, provide


@pytest.fixture
def own(tmp_path: Path, monkeypatch) -> provide.Toolchain:
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SOPHIA_TOOLCHAIN", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "home-1"
    return provide.Toolchain(folder / "bin", folder / "pulumi", True, "built here")


def test_nothing_of_the_users_own_pulumi_is_named(own, tmp_path):
    variables = provide.environment(own)

    assert variables["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/state/pulumi?metadata=skip"
    assert variables["PULUMI_CONFIG_PASSPHRASE_FILE"] == f"{tmp_path}/state/passphrase"
    assert variables["PULUMI_HOME"] == f"{tmp_path}/cache/home-1/pulumi"


def test_path_stays_the_same_when_it_is_set_twice(own, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    once = provide.environment(own)["PATH"]
    monkeypatch.setenv("PATH", once)

    assert provide.environment(own)["PATH"] == once
    assert once.split(os.pathsep)[0] == str(own.bin)
    assert once.endswith("/usr/bin:/bin")


def test_an_older_toolchain_of_this_cache_leaves_path(own, monkeypatch):
    monkeypatch.setenv("PATH", f"{places.cache()}/home-0/bin:/bin")

    assert "home-0" not in provide.environment(own)["PATH"]


def test_a_vendors_engine_may_fetch_its_plugins(own):
    vendors = provide.Toolchain(own.bin, own.home, False, "on PATH")
    switch = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"

    assert switch not in provide.environment(vendors)
    assert provide.environment(own)[switch] == "true"


def test_a_proxy_is_not_asked_for_this_machine(own, monkeypatch):
    """The engine, the program and the plugins would not find each other."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert "no_proxy" not in provide.environment(own)
    monkeypatch.setenv("https_proxy", "http://192.0.2.1:3128")
    assert provide.environment(own)["no_proxy"] == "localhost,127.0.0.1"
    monkeypatch.setenv("NO_PROXY", ".corp.example,localhost")
    once = provide.environment(own)["no_proxy"]
    assert once == ".corp.example,localhost,127.0.0.1"
    monkeypatch.setenv("no_proxy", once)
    assert provide.environment(own)["no_proxy"] == once


def test_the_passphrase_is_made_once_and_readable_by_its_owner_only(tmp_path):
    state = tmp_path / "a" / "state"
    provide._prepare_state(state)
    first = (state / "passphrase").read_text()
    provide._prepare_state(state)

    assert len(first) >= 40
    assert (state / "passphrase").read_text() == first
    assert stat.S_IMODE((state / "passphrase").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert sorted(path.name for path in state.iterdir()) == ["passphrase", "pulumi"]

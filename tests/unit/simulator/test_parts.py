"""The small parts: subnets, files, limits, image tags, the command line."""

import dataclasses
import ipaddress
import os
import threading
from pathlib import Path

import pytest

from simulator import __main__ as command_line
from simulator import cloud, files, images, network, settings
from simulator.exceptions import (
    DockerError,
    NotAnswering,
    RateLimited,
    SimulatorError,
    StateDamaged,
)
from simulator.limits import Limit

ROUTES = """\
Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0
eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
br-1 00001CAC 00000000 0001 0 0 0 0000FEFF 0 0 0
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "route"
    path.write_text(ROUTES)
    return path


def test_routes_are_read_and_the_default_route_is_left_out(table):
    assert [str(one) for one in network.routes(table)] == ["192.0.2.0/24", "172.28.0.0/15"]


def test_a_subnet_that_is_routed_is_not_offered(table, monkeypatch):
    routed = network.routes(table)
    monkeypatch.setattr(network, "routes", lambda: routed)
    offered = list(network.candidates("sim-1"))
    assert len(offered) == 512
    assert all(one.subnet_of(ipaddress.ip_network("172.30.0.0/15")) for one in offered)
    assert offered[0] != next(network.candidates("sim-2"))


def test_a_file_is_whole_or_absent_and_nobody_elses(tmp_path, monkeypatch):
    path = tmp_path / "new" / "state.json"
    assert files.read_json(path) is None
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o600

    def crash(handle):
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="power cut"):
        files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 1}
    path.write_text("{")
    with pytest.raises(StateDamaged, match=r"state.json: expected JSON.*down"):
        files.read_json(path)


def test_settings_are_kept_and_their_revision_names_them(tmp_path):
    made = settings.Settings("sim-1", "127.0.0.1", 8080, subnet="198.51.100.0/24")
    settings.save(tmp_path, made)
    assert settings.load(tmp_path) == made
    assert dataclasses.replace(made, port=1).revision != made.revision
    assert settings.load(tmp_path / "nowhere") is None


def test_a_limit_counts_what_it_let_through():
    now = 100.0
    limit = Limit(clock=lambda: now)
    limit.take(12)
    now += 11
    with pytest.raises(RateLimited) as refused:
        limit.take(12)
    assert refused.value.retry_after == 1
    now += 1
    limit.take(12)
    limit.take(0)


def test_a_changed_recipe_makes_another_image():
    recipe = images.Recipe("name", ("sudo",))
    assert recipe.tag == images.Recipe("name", ("sudo",)).tag
    tags = {
        recipe.tag,
        images.Recipe("name", ("curl",)).tag,
        images.Recipe("name", ("sudo",), "exit").tag,
    }
    assert len(tags) == 3


@pytest.mark.parametrize("refused", [False, True])
def test_a_slow_pull_is_told_and_so_is_why_the_base_is_built_instead(monkeypatch, refused):
    told, told_twice = [], threading.Event()

    def progress(line: str) -> None:
        told.append(line)
        if "…" in line:
            told_twice.set()

    def docker(*words: str, timeout: float) -> None:
        assert words[0] == "pull"
        assert told_twice.wait(5)
        if refused:
            raise DockerError("`docker pull …` failed (1): no route to host")

    monkeypatch.setattr(images, "EVERY", 0.01)
    monkeypatch.setattr(images, "base", lambda: None)
    monkeypatch.setattr(images, "docker", docker)
    monkeypatch.setattr(images, "ensure", lambda recipe, progress: recipe.tag)
    found = images.ensure_base(progress)
    assert found == (images.BASE.tag if refused else images.PULLED_BASE)
    assert told[0] == "pulling python:3.11-slim-bookworm"
    assert ("no route to host" in told[-1]) is refused
    assert not [thread for thread in threading.enumerate() if "tell" in thread.name]


@pytest.mark.slow
def test_the_command_line(tmp_path, capsys):
    def run(*arguments: str) -> int:
        return command_line.run(command_line.parse([*arguments, "--state", str(tmp_path)]))

    try:
        assert run("up", "--api-only", "--boot-seconds", "7") == 0
        assert cloud.find(tmp_path).settings.knobs.boot_seconds == 7
        first = cloud.find(tmp_path)
        assert run("up", "--api-only", "--quota", "2") == 0
        assert cloud.find(tmp_path).settings.knobs.boot_seconds == 7
        assert cloud.find(tmp_path).settings.knobs.quota == 2
        assert cloud.find(tmp_path).env == first.env
        capsys.readouterr()
        assert run("env") == 0
        assert capsys.readouterr().out == (
            f"export LAMBDA_API_URL={first.url}\nexport LAMBDA_API_KEY={first.api_key}\n"
        )
        assert run("status") == 0
        assert f"API at {first.url}: process" in capsys.readouterr().out
        assert cloud.running_at(tmp_path) is not None
        with pytest.raises(SimulatorError, match="first run `down`"):
            run("up")
    finally:
        assert run("down") == 0
    assert cloud.running_at(tmp_path) is None
    assert not list(Path(tmp_path).glob("*"))
    with pytest.raises(SimulatorError, match="run `python -m simulator up` first"):
        run("env")


@pytest.mark.slow
def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(tmp_path):
    cloud.up(tmp_path, api_only=True)
    cloud.call(cloud.find(tmp_path).settings, "POST", "/api/v1/ssh-keys", {"name": "key"})
    (tmp_path / "state.json").write_text("{")
    try:
        with pytest.raises(
            NotAnswering, match=r"(?s)process ended \(1\).*state.json: expected JSON"
        ):
            cloud.up(tmp_path, api_only=True, quota=3)
    finally:
        cloud.down(tmp_path)

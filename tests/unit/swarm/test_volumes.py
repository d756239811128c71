"""A volume keeps its home; what would take it from there is refused, with the ways out."""

import asyncio
import dataclasses
import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from providers.runtime import codec
from providers.runtime.difference import difference
from providers.swarm.volume import (
    FOREIGN,
    MISSING,
    READY,
    Volume,
    VolumeInputs,
    VolumeOutputs,
    _make,
)
from providers.swarm.volume_home import Candidate, VolumeHome, VolumeHomeInputs

NODES = [Candidate("manager-1", "jammy 1"), Candidate("manager-2", "jammy 1")]
HOME = VolumeHomeInputs("database", NODES)


@pytest.fixture
def made():
    return asyncio.run(VolumeHome().create(None, HOME)).outputs


def home_diff(outputs, **changes):
    new = dataclasses.replace(HOME, **changes)
    return difference(VolumeHome, codec.encode(HOME), codec.encode(outputs), codec.encode(new))


def test_the_first_candidate_is_the_home_unless_another_is_wanted(made):
    assert (made.home, made.machine) == ("manager-1", "jammy 1")
    wanted = dataclasses.replace(HOME, node="manager-2")
    assert asyncio.run(VolumeHome().create(None, wanted)).outputs.home == "manager-2"


CORE = Candidate("core-1", "jammy 1")


@pytest.mark.parametrize(
    "change",
    [
        {"candidates": [CORE, *NODES]},
        {"candidates": NODES[::-1]},
        {"candidates": [NODES[0], Candidate("manager-2", "jammy 2")]},
        {"candidates": NODES[:1]},
        {"node": "manager-1"},
    ],
    ids=["a group in front", "another order", "another machine elsewhere", "fewer", "the same"],
)
def test_what_leaves_the_home_alone_changes_nothing(made, change):
    found = home_diff(made, **change)
    assert (found.replaces, found.stale, found.refused) == ([], None, None)


LOSSES = {
    "generation": (
        {"candidates": [Candidate("manager-1", "jammy 2"), NODES[1]]},
        "another machine",
    ),
    "count 0": ({"candidates": [CORE]}, "no longer among core-1"),
    "another home": ({"node": "manager-2"}, "wanted on manager-2"),
}


@pytest.mark.parametrize(("change", "why"), LOSSES.values(), ids=LOSSES)
def test_what_loses_it_is_refused_with_the_way_out(made, change, why):
    found = home_diff(made, **change)
    assert why in found.refused
    assert f"pulumi config set confirmDataLoss {made.volume_id}" in found.refused
    assert home_diff(made, **change, confirm_data_loss="database-00000000").refused


@pytest.mark.parametrize(("change", "why"), LOSSES.values(), ids=LOSSES)
def test_confirmed_it_is_another_volume(made, change, why):
    found = home_diff(made, **change, confirm_data_loss=made.volume_id)
    assert found.refused is None
    assert why in found.stale


def test_a_confirmation_alone_ends_nothing(made):
    found = home_diff(made, confirm_data_loss=made.volume_id)
    assert (found.stale, found.refused) == (None, None)


VOLUME = VolumeInputs(
    name="database", volume_id="database-0a1b2c3d", node="manager-1", instance_id="i-1",
    address="192.0.2.1", host_key="k", path="/opt/data",
)  # fmt: skip


def volume_diff(state=READY, unknown=(), **changes):
    new = codec.encode(dataclasses.replace(VOLUME, **changes))
    new |= dict.fromkeys(unknown, codec.UNKNOWN)
    outputs = codec.encode(VolumeOutputs(state))
    return difference(Volume, codec.encode(VOLUME), outputs, new)


@pytest.mark.parametrize(
    "change",
    [
        {"instance_id": "i-2"},
        {"unknown": ["instanceId", "address"]},
        {"state": MISSING},
        {"state": FOREIGN},
        {"path": "/elsewhere"},
    ],
    ids=["another machine", "one to be", "no marker", "another marker", "another path"],
)
def test_a_directory_that_is_not_the_volume_is_refused_unless_confirmed(change):
    assert "confirmDataLoss database-0a1b2c3d" in volume_diff(**change).refused
    assert volume_diff(**change, confirm_data_loss="database-0a1b2c3d").refused is None


def test_the_homes_decision_is_followed():
    change = {"volume_id": "database-ffffffff", "instance_id": "i-2"}
    assert volume_diff(**change).refused is None
    assert volume_diff(unknown=["volumeId", "instanceId"]).refused is None


def test_another_address_of_the_same_machine_is_no_loss():
    assert volume_diff(address="192.0.2.2").refused is None


def run(folder: Path, id: str, *, is_copy: bool) -> str:
    """What the node's script prints."""
    inputs = dataclasses.replace(
        VOLUME, volume_id=id, path=str(folder), uid=os.getuid(), is_copy=is_copy
    )
    command = ["sh", "-c", _make(inputs)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_former_copy_is_moved_aside_and_nothing_else_ever_is(tmp_path):
    """A standby that is turned off and on again gets another volume on the same node."""
    folder, former, next = tmp_path / "postgres", "database-2-00000001", "database-2-00000002"
    assert run(folder, former, is_copy=True) == former
    (folder / "15").touch()
    assert run(folder, former, is_copy=True) == former
    assert run(folder, next, is_copy=False) == former
    with (folder / ".lock").open("w") as used:
        fcntl.flock(used, fcntl.LOCK_EX)
        assert run(folder, next, is_copy=True) == former
    assert (folder / "15").exists()
    assert run(folder, next, is_copy=True) == next
    assert not (folder / "15").exists()
    assert (tmp_path / f"postgres.{former}" / "15").exists()

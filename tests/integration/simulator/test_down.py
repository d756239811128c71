"""`down` removes everything, whatever happened to the state folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulator import cloud, images, process, registry, settings
from simulator.docker import docker
from simulator.exceptions import StateDamaged

pytestmark = [pytest.mark.containers, pytest.mark.slow]
ROOT = Path(__file__).parents[3]


def simulator(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator", command, "--state", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with a simulator in it, its machines left out: they carry the same label."""
    made = tmp_path / "state"
    shown = simulator("up", made)
    assert shown.returncode == 0, shown.stderr
    yield made
    simulator("down", made)


def damage(folder: Path) -> None:
    for name in ("settings.json", "state.json"):
        (folder / name).write_text('{"half of')


def empty(folder: Path) -> None:
    (folder / "settings.json").write_text("{}")


@pytest.mark.parametrize("harm", [lambda folder: None, damage, empty, shutil.rmtree])
def test_nothing_is_left(folder, harm, left):
    identity = settings.identity(folder)
    docker("create", "--name", f"{identity}-stray", "--label", f"sophia.simulator={identity}",
           "--network", identity, images.REGISTRY.tag, "true")  # fmt: skip
    assert left(identity)["networks"] == [identity]
    assert process.find(folder)
    assert list(registry.TRUSTED.glob(f"*/{registry.MARK}"))
    harm(folder)
    done = simulator("down", folder)
    assert done.returncode == 0, done.stderr
    assert left(identity) == {"containers": [], "volumes": [], "networks": []}
    assert process.find(folder) == []
    marks = [mark.read_text() for mark in registry.TRUSTED.glob(f"*/{registry.MARK}")]
    assert identity not in marks
    assert not folder.exists()
    assert simulator("down", folder).returncode == 0


def test_up_after_damage_says_what_to_do(folder):
    damage(folder)
    with pytest.raises(StateDamaged, match="down"):
        cloud.find(folder)
    done = simulator("up", folder)
    assert done.returncode == 1
    assert "settings.json" in done.stderr
    assert "`python -m simulator down`" in done.stderr
    assert "Traceback" not in done.stderr


def test_up_after_the_folder_was_lost_starts_afresh(folder, left):
    identity = settings.identity(folder)
    before = cloud.find(folder)
    shutil.rmtree(folder)
    assert simulator("up", folder).returncode == 0
    after = cloud.find(folder)
    assert after.api_key != before.api_key
    assert after.control("GET", "/status") == {"instances": 0}
    assert len(process.find(folder)) == 1
    assert len(left(identity)["networks"]) == 1

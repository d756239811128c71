"""What `make down` lists and `make purge` removes, and what they leave alone."""

import contextlib
import json
from pathlib import Path

import pytest

from ops import leftovers
from simulator import engine, packages, process
from simulator.exceptions import DockerError
from toolchain import places

FILES = (
    "cache/toolchain/pulumi",
    "cache/image-packages/a.py",
    "state/passphrase",
    "dockerd.log",
    "locks/image.lock",
    "checkout/.venv/python",
    "checkout/README.md",
)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A machine of the test's own, with everything on it that a run leaves."""
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SOPHIA_TOOLCHAIN", str(tmp_path / "cache" / "toolchain"))
    monkeypatch.setattr(leftovers, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(places, "ROOT", tmp_path / "checkout")
    monkeypatch.setattr(engine, "LOG_FILE", tmp_path / "dockerd.log")
    monkeypatch.setattr(engine, "is_installed", lambda: False)
    monkeypatch.setattr(process, "locks", lambda: tmp_path / "locks")
    monkeypatch.setattr(packages, "RECORD", tmp_path / "packages")
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x" * 5000)
    (tmp_path / "packages").write_text("mmdebstrap\ndocker.io\n")
    return tmp_path


def rent_machines(home: Path) -> Path:
    state = places.state() / "pulumi/.pulumi/stacks/sophia/prod.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    return state


def test_all_of_it_is_listed(home):
    lines = leftovers.listed(3)
    assert [line.split()[0] for line in lines] == [
        f"{home}/cache", f"{home}/dockerd.log", f"{home}/locks", f"{home}/state",
        f"{home}/checkout/.venv", "images", "Debian",
    ]  # fmt: skip
    assert "docker.io mmdebstrap" in lines[-1]
    assert "0.0 GiB" not in lines[0]


def test_all_of_it_is_removed(home, capsys):
    leftovers.remove()
    left = [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]
    assert sorted(left) == ["checkout/README.md", "packages"]
    assert "apt-get purge docker.io mmdebstrap" in capsys.readouterr().out
    assert leftovers.listed(None) == [
        "Debian packages: docker.io mmdebstrap (apt-get purge removes them)"
    ]


def test_nothing_is_called_removed_that_is_still_there(home, monkeypatch, capsys):
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(leftovers.shutil, "rmtree", refuse)
    with pytest.raises(PermissionError):
        leftovers.remove()
    assert f"removed {home}" not in capsys.readouterr().out


def test_the_state_of_another_stack_stays_with_its_passphrase(home, capsys):
    state = rent_machines(home)
    assert any("sophia/prod" in line for line in leftovers.listed(0))
    leftovers.remove()
    assert state.exists()
    assert (places.state() / "passphrase").exists()
    assert "kept" in capsys.readouterr().out
    assert not (home / "cache").exists()


def test_an_image_that_is_removed_meanwhile_is_no_error(monkeypatch):
    def docker(*words):
        if words[0] == "images":
            return "sha256:gone"
        raise DockerError(f"`docker image inspect …` failed (1): No such image: {words[-1]}")

    monkeypatch.setattr(leftovers, "docker", docker)
    monkeypatch.setattr(engine, "answers", lambda: True)
    assert leftovers.image_names() == []


IMAGES = {
    "sha256:a": (["sophia-base:1", "foreign:1"], "sophia-base"),
    "sha256:b": (["192.0.2.2:5000/sophia/ai-memory:2"], "ai_memory"),
    "sha256:c": (["built-on-ours:3"], "base"),
    "sha256:d": ([], "gateway"),
    "sha256:e": (["192.0.2.2:5000/gateway:4"], "gateway"),
}


def test_only_images_of_this_project_are_removed(home, monkeypatch, capsys):
    """In somebody else's Docker; images in use stay, and are reported."""
    removed = []

    def docker(*words):
        if words[0] == "images":
            assert "label=sophia.image" in words
            return "\n".join([*IMAGES, "sha256:a"])
        if words[1] == "inspect":
            tags, label = IMAGES[words[-1]]
            return json.dumps({"RepoTags": tags, "Config": {"Labels": {"sophia.image": label}}})
        if words[-1] == "192.0.2.2:5000/gateway:4":
            raise DockerError("`docker image rm …` failed (1): conflict - container x is using it")
        removed.append(words)
        return ""

    monkeypatch.setattr(leftovers, "docker", docker)
    monkeypatch.setattr(engine, "is_installed", lambda: True)
    monkeypatch.setattr(engine, "answers", lambda: True)
    monkeypatch.setattr(engine, "kept", lambda progress: contextlib.nullcontext())
    leftovers.remove()
    assert removed == [
        ("image", "rm", "sophia-base:1"),
        ("image", "rm", "192.0.2.2:5000/sophia/ai-memory:2"),
        ("image", "rm", "sha256:d"),
    ]
    assert (
        "kept: image 192.0.2.2:5000/gateway:4: container x is using it" in capsys.readouterr().out
    )
    assert not (home / "cache").exists()

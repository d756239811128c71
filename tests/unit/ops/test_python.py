"""Which Python is used, and what is installed if there is none: the scripts that `make` runs
before it has one. Stand-ins for every command on PATH."""

import subprocess
from pathlib import Path

import pytest

OPS = Path(__file__).parents[3] / "ops"


class Path_:
    """A PATH of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sh", "dirname", "date", "mkdir", "touch"):
            (folder / name).symlink_to(f"/usr/bin/{name}")

    def command(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def python(self, name: str, version: str, *, venv: bool = True) -> None:
        """A Python that judges the scripts' question as that version would."""
        minor = int(version.split(".")[1])
        whole = 11 <= minor < 14
        answer = f'case "$2" in *ensurepip*) exit {0 if whole and venv else 1};; esac'
        self.command(name, f"{answer}\nexit {0 if whole else 1}")

    def run(self, script: str, *arguments: str, **environment: str):
        return subprocess.run(
            [OPS / script, *arguments],
            env={"PATH": str(self.folder), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def doctor(self):
        return subprocess.run(
            ["/usr/bin/make", "--silent", "-C", OPS.parent, "doctor"],
            env={"PATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def path(tmp_path) -> Path_:
    return Path_(tmp_path / "bin")


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        ({"python3": "3.11"}, "python3"),
        ({"python3": "3.13"}, "python3"),
        ({"python3": "3.10", "python3.12": "3.12"}, "python3.12"),
        ({"python3": "3.14", "python3.11": "3.11"}, "python3.11"),
        ({"python3": "3.10"}, ""),
        ({}, ""),
    ],
)
def test_a_python_of_a_tried_version_is_found(path, pythons, expected):
    for name, version in pythons.items():
        path.python(name, version)
    done = path.run("find-python")
    assert done.stdout.strip() == (f"{path.folder}/{expected}" if expected else "")
    assert (done.returncode == 0) == bool(expected)


def test_the_users_choice_comes_first(path):
    path.python("python3", "3.11")
    path.python("mine", "3.12")
    assert path.run("find-python", PYTHON="mine").stdout.strip() == f"{path.folder}/mine"


def test_one_without_venv_is_none(path):
    path.python("python3", "3.11", venv=False)
    assert path.run("find-python").returncode == 1
    assert path.run("python-package").stdout.strip() == "python3-venv"


OFFERS = """
case $3 in
  python3-venv) printf 'Package: python3-venv\\nVersion: {}\\n' ;;
  python3.11-venv) printf 'Package: python3.11-venv\\nVersion: 3.11.0~rc1-1\\n' ;;
  *) exit 100 ;;
esac
"""
"""What `apt-cache show` says on a distribution, by the version of its own Python."""


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("3.10.6-1~22.04", "python3.11-venv"),
        ("3.11.2-1+b1", "python3-venv"),
        ("3.12.3-0ubuntu2.1", "python3-venv"),
        ("3.13.5-1", "python3-venv"),
        ("3.14.1-1", "python3.11-venv"),
    ],
)
def test_the_distributions_own_python_is_installed_unless_it_is_unsuitable(path, own, expected):
    path.command("apt-cache", OFFERS.format(own))
    assert path.run("python-package").stdout.strip() == expected


def test_without_root_the_command_is_told(path, tmp_path):
    path.command("id", "echo 1000")
    done = path.run("make-venv", str(tmp_path / "venv"))
    assert done.returncode == 1
    assert "run: sudo apt-get update && sudo apt-get install -y python3-venv\n" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_without_any_python_make_doctor_names_what_brings_one(path):
    path.command("id", "echo 0")
    done = path.doctor()
    assert done.returncode != 0
    told = (
        "error: no Python on this machine; run: apt-get update && apt-get install -y python3-venv"
    )
    assert told in done.stdout


def test_a_python_below_a_folder_with_a_space_is_one(tmp_path):
    """As that of a checkout in such a folder, once its `.venv` is active."""
    path = Path_(tmp_path / "a folder")
    path.command("python3", 'case "$*" in *ops.doctor*) echo "asked: $*" ;; esac')
    done = path.doctor()
    assert done.stdout == "asked: -S -m ops.doctor\n"

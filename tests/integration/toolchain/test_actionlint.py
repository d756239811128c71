"""The checker of workflow files finds an error, and none in ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from toolchain import places

pytestmark = pytest.mark.slow

WRONG = """\
on: push
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - run: echo "${{ github.event.pull_request.title }}"
"""


def actionlint(*files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toolchain", "actionlint", *files]
    return subprocess.run(command, cwd=places.ROOT, capture_output=True, text=True, check=False)


def test_our_workflows_are_clean():
    done = actionlint()
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_error_is_told_with_its_place(tmp_path: Path):
    (tmp_path / "wrong.yml").write_text(WRONG)
    done = actionlint(str(tmp_path / "wrong.yml"))
    assert done.returncode == 1
    untrusted = 'wrong.yml:6:24: "github.event.pull_request.title" is potentially untrusted'
    assert untrusted in done.stdout

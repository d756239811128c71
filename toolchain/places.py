"""Folders outside the tree, named by the environment."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout that this toolchain belongs to."""
HERE = ROOT / "toolchain"


def cache() -> Path:
    """For what can be rebuilt: `SOPHIA_TOOLCHAIN`, by default under `~/.cache`."""
    return _named("SOPHIA_TOOLCHAIN", "XDG_CACHE_HOME", ".cache", "sophia/toolchain")


def state() -> Path:
    """For what must not be lost: `SOPHIA_HOME`, by default under `~/.local/state`."""
    return _named("SOPHIA_HOME", "XDG_STATE_HOME", ".local/state", "sophia")


def _named(own: str, standard: str, default: str, below: str) -> Path:
    if given := os.environ.get(own):
        return Path(given).expanduser().absolute()
    base = os.environ.get(standard)
    return (Path(base) if base else Path.home() / default) / below

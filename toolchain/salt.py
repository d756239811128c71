"""Keeps the salt of this machine's stack out of git.

The engine writes `encryptionsalt` into Pulumi.dev.yaml, and that file is tracked. The salt belongs
to one machine's passphrase: committed, it would lock every other machine out. A clean filter of git
drops the line (.gitattributes), so that neither a diff nor a commit ever has it.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from toolchain import places

PROJECT, STACK = "sophia", "dev"
_FILTER = "filter.encryptionsalt.clean"
_CLEAN = "sed /^encryptionsalt:/d"


def settle(root: Path = places.ROOT) -> None:
    """Leaves the salt in Pulumi.dev.yaml and the working tree clean; does nothing outside git.

    Call it after the stack was made. In another clone it puts the state's salt into the file, so
    that the engine has nothing to write. A user's own edits stay as they are, visible to git.
    """
    file = root / f"Pulumi.{STACK}.yaml"
    if not file.is_file() or not (root / ".git").exists():
        return
    text, salt = file.read_text(), _recorded()
    if salt and "\nencryptionsalt:" not in text:
        file.write_text(f"{text.rstrip()}\nencryptionsalt: {salt}\n")
    _git(root, "config", _FILTER, _CLEAN)
    # git compares sizes before it asks the filter: the index must learn the file's new size.
    if _git(root, "diff", "--quiet", "--", file.name) == 0:
        _git(root, "update-index", file.name)


def _recorded() -> str | None:
    """The salt in the local state; None where there is no such stack yet."""
    state = places.state() / "pulumi" / ".pulumi" / "stacks" / PROJECT / f"{STACK}.json"
    try:
        latest = json.loads(state.read_text())["checkpoint"]["latest"]
        salt = latest["secrets_providers"]["state"]["salt"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(salt)


def _git(root: Path, *arguments: str) -> int:
    return subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, check=False
    ).returncode

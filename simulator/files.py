"""Files of the state folder: JSON, written whole or not at all, readable by their owner only."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from simulator.exceptions import StateDamaged


def write(path: Path, data: bytes) -> None:
    """Replace the file's content atomically: after a crash it has the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    write(path, json.dumps(value, indent=1).encode())


def read_json(path: Path) -> Any:
    """The file's value, None if it doesn't exist. Raises StateDamaged."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise StateDamaged(
            f"{path}: expected JSON that the simulator wrote, got: {error}; "
            "`python -m simulator down` clears what is left, then `up` starts afresh"
        ) from error

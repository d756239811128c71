"""Files on a node: parts of scripts that write them and find what differs. Pure."""

from __future__ import annotations

import base64
import hashlib
import shlex

PUT = (
    'put() { umask 022; mkdir -p "$(dirname "$1")"; echo "$2" | base64 -d >"$1.new";'
    ' if cmp -s "$1.new" "$1"; then rm "$1.new"; else chmod 0644 "$1.new"; sync "$1.new";'
    ' mv "$1.new" "$1"; fi; }'
)
"""Shell function `put PATH BASE64`: writes the file in one step, if it differs."""


def put(path: str, content: str) -> str:
    """The call of PUT's function that writes this file."""
    return f"put {shlex.quote(path)} {base64.b64encode(content.encode()).decode()}"


def differs(path: str, content: str) -> str:
    """A command that prints the path if the file is missing or different."""
    sum, name = hashlib.sha256(content.encode()).hexdigest(), shlex.quote(path)
    return f"echo {sum} {name} | sha256sum -c --status || echo {name}"

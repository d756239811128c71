"""
ToolchainError
├── Unavailable   one way to an engine that cannot be taken here; the next one is tried
├── NoEngine      none of the ways can be taken
└── BuildFailed   a command that builds or installs a part failed
"""

from __future__ import annotations


class ToolchainError(Exception):
    """Something prevents a working engine; the message is for the user."""


class Unavailable(ToolchainError):
    """Why one way to an engine cannot be taken, as the end of a sentence."""


class NoEngine(ToolchainError):
    """No way to an engine is left."""


class BuildFailed(ToolchainError):
    """A command of the build failed; the message has its last lines."""

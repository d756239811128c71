"""
ToolchainError
├── Unavailable   one way to an engine that cannot be taken here; the next one is tried
├── NoEngine      none of the ways can be taken
└── BuildFailed   a command that builds or installs a part ended with an error
"""

from __future__ import annotations


class ToolchainError(Exception):
    """Something in the way of a working engine, in words for who runs it."""


class Unavailable(ToolchainError):
    """Why one way to an engine cannot be taken, as the end of a sentence."""


class NoEngine(ToolchainError):
    """No way to an engine is left."""


class BuildFailed(ToolchainError):
    """A command of the build ended with an error; the message has its last lines."""

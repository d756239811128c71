"""The Pulumi engine, its Python language host and its plugins, from whichever source works."""

from toolchain.errors import NoEngine, ToolchainError
from toolchain.provide import Toolchain, ensure, environment

__all__ = ["NoEngine", "Toolchain", "ToolchainError", "ensure", "environment"]

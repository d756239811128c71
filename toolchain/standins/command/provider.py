"""Local and remote commands as the vendor's SDK pulumi-command 1.2.1 uses them."""

from __future__ import annotations

from dataclasses import dataclass

from providers.runtime.declare import Provider
from toolchain.standins.command import local, remote


@dataclass(frozen=True)
class NoConfig:
    """The provider has no configuration."""


class Standin(Provider):
    """The part of pulumi-command that this project uses."""

    name = "command"
    version = "1.2.1"
    Config = NoConfig
    lifecycles = (local.Command, remote.Command)

    def configure(self, config: NoConfig) -> object:
        return config

"""Values of the settings as the engine's outputs."""

from __future__ import annotations

import pulumi

from components.settings_model import Sensitive


def secret(value: Sensitive) -> pulumi.Output[str]:
    """Encrypted in the state, hidden in what the engine prints."""
    return pulumi.Output.secret(value.reveal())

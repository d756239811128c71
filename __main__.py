"""The program: reads the settings, declares the platform, exports its outputs."""

import sys
from pathlib import Path

import pulumi

from components import settings
from components.catalog import loader
from components.platform_stack import PlatformStack
from components.settings_model import SettingsError

EXPLAINED = 32
"""Exit status that tells the engine: the user has been told, add nothing."""

try:
    values = settings.load(loader.load(Path(__file__).parent / "mcp_catalog"))
except SettingsError as faults:
    pulumi.log.error(str(faults))
    sys.exit(EXPLAINED)

for name, value in PlatformStack("platform", values).exports.items():
    pulumi.export(name, value)

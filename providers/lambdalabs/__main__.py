"""Started by the Pulumi engine (PulumiPlugin.yaml) with its address as the argument."""

import sys
from pathlib import Path

sys.path.pop(0)  # this folder: its modules would shadow the standard library's
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from providers.lambdalabs.provider import LambdaLabs
from providers.runtime.serve import serve

serve(LambdaLabs())

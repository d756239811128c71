"""The plugin's entry point: the Pulumi engine runs this folder."""

import sys
from pathlib import Path

sys.path.pop(0)  # this folder: its modules would shadow the standard library's
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from providers.runtime.serve import serve
from providers.swarm.provider import Swarm

if __name__ == "__main__":
    serve(Swarm())

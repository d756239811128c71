"""What a plugin imports before it serves."""

import subprocess
import sys

import pytest

from tests.support.checkout import ROOT

SERVES = "import providers.runtime.serve"
SDK = "import pulumi.runtime.proto.provider_pb2 as sdk"


@pytest.mark.parametrize("package", ["lambdalabs", "swarm"])
def test_a_plugin_does_not_import_the_sdk(package):
    program = f"{SERVES}, providers.{package}.provider, sys; sys.exit('pulumi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("imports", [(SERVES, SDK), (SDK, SERVES)])
def test_both_in_one_process_are_the_same_messages(imports):
    ours = "from providers.runtime.proto import provider_pb2 as ours"
    same = "assert ours.DiffRequest is sdk.DiffRequest"
    program = "\n".join((*imports, ours, same))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

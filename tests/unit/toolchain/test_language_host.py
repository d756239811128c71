"""The language host's children end with it."""

import signal
import subprocess
import sys

from toolchain.language_host import host

DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(flush=True)
time.sleep(60)
"""


async def test_a_child_that_takes_no_interrupt_is_gone_when_the_host_is(monkeypatch):
    """asyncio prints a warning into the run's diagnostics about one that outlives the loop."""
    monkeypatch.setattr(host, "GRACE", 0.3)
    one = host.Host()
    child = await one._start(sys.executable, "-c", DEAF, stdout=subprocess.PIPE)
    assert child.stdout is not None
    await child.stdout.readline()
    await one.close()
    assert child.returncode == -signal.SIGKILL

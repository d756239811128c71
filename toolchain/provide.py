"""`ensure` and `environment`: a working engine, and a shell's variables for using it by hand."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from toolchain import build, home, places
from toolchain.choice import choose
from toolchain.commands import Say
from toolchain.ways import ways

PARALLEL = "64"
"""Operations at once: most of them wait, and a wait must not prevent others from starting."""


@dataclass(frozen=True)
class Toolchain:
    """A working engine.

    bin: the folder of `pulumi`. home: PULUMI_HOME, never the user's own.
    offline: the plugins exist, and the engine must not look for others.
    reason: how it was found and why, in one line.
    """

    bin: Path
    home: Path
    offline: bool
    reason: str


def ensure(say: Say | None = None) -> Toolchain:
    """Finds or makes an engine, and the state folder with its passphrase; prints which in one line.

    say: gets that line and the progress of long steps; standard error by default.
    Raises NoEngine if there is no way to one, BuildFailed if making it failed.
    """
    say = say or _stderr
    found = _find(say)
    say(found.reason)
    return found


def environment(toolchain: Toolchain | None = None) -> dict[str, str]:
    """The variables that make `pulumi` work in a shell; without an argument, those of `ensure`."""
    found = toolchain or _find(_stderr)
    state = places.state()
    variables = {
        "PATH": _path(found.bin, home.venv()),
        "PULUMI_HOME": str(found.home),
        # Without the `.attrs` beside each file (gocloud.dev/blob/fileblob): they are not written
        # atomically, and an engine killed at that moment leaves an empty one, which makes the
        # state unreadable ("failed to load checkpoint: EOF").
        "PULUMI_BACKEND_URL": f"file://{state / 'pulumi'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(state / "passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_PARALLEL": PARALLEL,
        # A clone whose configuration has no salt yet uses the state's, not a new one.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
    }
    if urllib.request.getproxies():
        variables["no_proxy"] = _not_by_proxy()
    if found.offline:
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return variables


def _not_by_proxy() -> str:
    """The hosts of this shell's `no_proxy` and this machine itself: gRPC asks a proxy even for
    that, and the engine speaks to the program and its plugins by gRPC."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [*(host for host in given.split(",") if host), "localhost", "127.0.0.1"]
    return ",".join(dict.fromkeys(hosts))


def _find(say: Say) -> Toolchain:
    choice = choose(ways(say))
    engine = choice.got
    if engine.ours:
        folder = home.furnish(engine.bin, say)
        build.tidy()
        programs, pulumi_home = folder / "bin", folder / "pulumi"
    else:
        programs, pulumi_home = engine.bin, places.cache() / "vendor-home"
        pulumi_home.mkdir(parents=True, exist_ok=True)
    _prepare_state(places.state())
    reason = f"Pulumi {engine.version} in {programs}: {choice.reason}"
    return Toolchain(programs, pulumi_home, engine.ours, reason)


def _prepare_state(state: Path) -> None:
    """The file backend's folder, and its secrets' passphrase: created once, never changed."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "pulumi").mkdir(mode=0o700, exist_ok=True)
    passphrase = state / "passphrase"
    if passphrase.exists():
        return
    # Written under a temporary name first: two concurrent first runs agree on one passphrase.
    draft = state / f".passphrase-{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    with contextlib.suppress(FileExistsError):
        os.link(draft, passphrase)
    draft.unlink()


def _path(*first: Path) -> str:
    """PATH with `first` in front, without duplicates or other programs of this cache."""
    added = [str(folder) for folder in first]
    rest = [
        entry
        for entry in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if entry not in added and not Path(entry).is_relative_to(places.cache())
    ]
    return os.pathsep.join([*added, *rest])


def _stderr(line: str) -> None:
    print(f"toolchain: {line}", file=sys.stderr, flush=True)

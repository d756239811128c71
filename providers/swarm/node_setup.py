"""The setup of one node, both on a machine that has just booted and on one in service."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

import asyncssh

from providers.runtime.declare import (
    Context,
    Created,
    Fault,
    Found,
    Lifecycle,
    ResourceFailure,
    prop,
)
from providers.runtime.private_keys import separate
from providers.swarm import docker_config, node_files
from providers.swarm.cluster import patient_info
from providers.swarm.docker_config import DAEMON, Step
from providers.swarm.engine import Endpoint, Engine
from providers.swarm.entry import Entry
from providers.swarm.errors import (
    ConnectionFailed,
    LockedOut,
    NotFound,
    NotSettled,
    SwarmError,
    Unanswered,
    WrongHostKey,
)
from providers.swarm.keypair import public_line
from providers.swarm.maintenance import drained
from providers.swarm.pool import Pool

_BOOT = 90.0
"""Seconds for one check of the first boot. It waits for up to 20 by itself, and a machine that
boots is busy."""
_SILENCE = 20.0
"""Seconds for a booting machine to accept logins again."""
_DOCKER = 150.0
"""Seconds for Docker to stop, start and, if it refuses, start as before."""
_LOOK = 0.5
_UNITS = "/etc/systemd/system/"


@dataclass(frozen=True)
class SetupFile:
    """A file that root owns and everybody may read."""

    path: str = prop(doc="Absolute.")
    content: str = prop(doc="Text of the file.")


@dataclass(frozen=True)
class NodeSetupInputs:
    node: str = prop(doc="The node's name, for messages.")
    instance_id: str = prop(replace=True, doc="The machine: another one is set up from scratch.")
    address: str = prop(doc="Where its sshd is.")
    host_key: str = prop(doc='"ssh-ed25519 AAAA…"')
    user: str = prop(doc="The owner of these authorized keys.")
    authorized_keys: list[str] = prop(
        doc="Public lines, including the provider's own key. Its former ones are revoked; other"
        " people's keys stay."
    )
    files: list[SetupFile] = prop(
        default_factory=list,
        doc=f"{DAEMON} makes Docker reload or restart, as far as it differs from what Docker runs"
        f" with; {docker_config.GPUS} in its node-generic-resources stands for the node's GPUs."
        f" sshd reads its files again. What {_UNITS}NAME.service describes starts now and at each"
        " boot.",
    )


@dataclass(frozen=True)
class NodeSetupOutputs:
    differs: list[str] = prop(
        default_factory=list,
        volatile=True,
        doc="Paths that somebody else has changed, as `pulumi refresh` saw it.",
    )


class NodeSetup(Lifecycle[NodeSetupInputs, NodeSetupOutputs]):
    """Converges: it touches only what differs, and no change replaces a machine.

    If Docker has to restart, a node in a swarm is drained before, and its availability is restored
    once it is ready; one node at a time. Configuration that Docker refuses is reverted. A new key
    is tried before a revoked one is removed. Deleting this resource does nothing.
    """

    token = "swarm:index:NodeSetup"
    Inputs, Outputs = NodeSetupInputs, NodeSetupOutputs
    # Not read before each run, which would need a login to each node for what hardly ever changes:
    # # `pulumi refresh` finds changes.
    refresh = False
    timeout = 900.0

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @staticmethod
    def check(inputs: NodeSetupInputs) -> list[Fault]:
        faults = []
        if not re.fullmatch("[a-z_][a-z0-9_-]{0,31}", inputs.user):
            faults.append(Fault("user", f"got {inputs.user!r}, expected a Linux user's name"))
        if not inputs.authorized_keys:
            faults.append(Fault("authorizedKeys", "got none, expected the provider's own key"))
        for index, key in enumerate(inputs.authorized_keys):
            try:
                asyncssh.import_public_key(key)
            except asyncssh.KeyImportError:
                reason = 'expected a public key line, "ssh-ed25519 AAAA…"'
                faults.append(Fault(f"authorizedKeys[{index}]", reason))
        for index, file in enumerate(inputs.files):
            path = f"files[{index}].path"
            if not re.fullmatch(r"(/[A-Za-z0-9_:.-]+)+", file.path) or "/../" in file.path:
                faults.append(Fault(path, f"got {file.path!r}, expected an absolute path"))
            if file.path == DAEMON and (fault := docker_config.fault(file.content)):
                faults.append(Fault(f"files[{index}].content", fault))
        return faults

    @staticmethod
    def drifted(inputs: NodeSetupInputs, outputs: NodeSetupOutputs) -> str | None:
        if not outputs.differs:
            return None
        return f"{', '.join(outputs.differs)} on {inputs.node} was changed since it was set up"

    async def create(self, context: Context, inputs: NodeSetupInputs) -> Created[NodeSetupOutputs]:
        await self._booted(context, inputs)
        await self._converge(context, inputs, frozenset())
        return Created(inputs.instance_id, NodeSetupOutputs())

    async def read(
        self, context: Context, id: str, inputs: NodeSetupInputs, outputs: NodeSetupOutputs
    ) -> Found[NodeSetupInputs, NodeSetupOutputs]:
        """A node that can't be checked counts as unchanged."""
        files = {file.path: file.content for file in inputs.files}
        try:
            if DAEMON in files:
                files[DAEMON] = await _with_gpus(self._node(inputs), files[DAEMON])
            script = _differing(inputs.user, inputs.authorized_keys, self._revoked(inputs), files)
            said = await self._node(inputs).run(script)
        except SwarmError as error:
            context.warn(f"{context.name}: not checked, its recorded state is assumed: {error}")
            return Found(inputs, outputs)
        return Found(inputs, NodeSetupOutputs(said.split()))

    async def update(
        self,
        context: Context,
        id: str,
        old: NodeSetupInputs,
        outputs: NodeSetupOutputs,
        new: NodeSetupInputs,
    ) -> NodeSetupOutputs:
        paths = {file.path for file in new.files}
        gone = frozenset(file.path for file in old.files if file.path not in paths)
        await self._converge(context, new, gone)
        return NodeSetupOutputs()

    async def delete(
        self, context: Context, id: str, inputs: NodeSetupInputs, outputs: NodeSetupOutputs
    ) -> None:
        """The machine keeps its setup as long as it exists."""

    def _node(self, inputs: NodeSetupInputs) -> Engine:
        return self._pool.node(inputs.address, inputs.host_key)

    def _revoked(self, inputs: NodeSetupInputs) -> list[str]:
        """Public lines of the provider's former keys."""
        former = separate(self._pool.config.private_key)[1:]
        lines = [public_line(key) for key in former]
        return [line for line in lines if _blob(line) not in map(_blob, inputs.authorized_keys)]

    async def _booted(self, context: Context, inputs: NodeSetupInputs) -> None:
        """Waits for the end of the first boot, and checks that Docker answers."""
        node = self._node(inputs)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + context.timeout
        heard = loop.time()
        while True:
            try:
                if await node.run(_BOOTED, within=_BOOT) == "ended":
                    break
                heard = loop.time()
            except (WrongHostKey, LockedOut):
                raise
            except Unanswered:  # it accepted the login
                heard = loop.time()
                await node.close()
            except ConnectionFailed:  # an installation may restart sshd
                if loop.time() - heard > _SILENCE:
                    raise
            context.progress("cloud-init is running")
            if loop.time() > deadline:
                raise NotSettled(
                    f"{inputs.node}: its first boot has not ended after {context.timeout:.0f} s:"
                    " see /var/log/cloud-init-output.log there"
                )
            await context.sleep(_LOOK)
        await node.close()  # groups are set at login, and cloud-init added some
        await patient_info(context, node)

    async def _converge(
        self, context: Context, inputs: NodeSetupInputs, gone: frozenset[str]
    ) -> None:
        node = self._node(inputs)
        await node.run(_authorize(inputs.user, inputs.authorized_keys))
        if revoked := self._revoked(inputs):
            await self._try_new_key(inputs)
            await node.run(_revoke(inputs.user, revoked))
        others = {f.path: f.content for f in inputs.files if f.path != DAEMON}
        await node.run(_write(others, gone - {DAEMON}))
        wanted = next((file.content for file in inputs.files if file.path == DAEMON), None)
        if wanted is not None:
            wanted = await _with_gpus(node, wanted)
            await self._configure_docker(context, inputs, node, wanted)

    async def _try_new_key(self, inputs: NodeSetupInputs) -> None:
        """Revokes nothing before the key that stays has been seen to work."""
        config = self._pool.config
        newest = separate(config.private_key)[0]
        probe = Engine(Endpoint(inputs.address, inputs.host_key), config.user, newest)
        try:
            await probe.run("true")
        except ConnectionFailed as error:
            raise LockedOut(
                f"{inputs.node}: the keys to be revoked stay, since it could not be logged in to"
                f" with the provider's own key alone: {error}"
            ) from None
        finally:
            await probe.close()

    async def _configure_docker(
        self, context: Context, inputs: NodeSetupInputs, node: Engine, wanted: str
    ) -> None:
        step = docker_config.step(await node.run(docker_config.LOADED), wanted)
        entry = await self._entry(context, inputs, node) if step is Step.RESTART else None
        if entry is None:
            await node.run(docker_config.apply(wanted, step), within=_DOCKER)
            return
        async with self._pool.turn:
            if self._pool.broken:
                raise NotSettled(
                    f"{inputs.node}: Docker was not restarted, since {self._pool.broken} has failed"
                )
            try:
                async with drained(context, entry):
                    context.progress(f"{inputs.node}: Docker restarts")
                    await node.run(docker_config.apply(wanted, step), within=_DOCKER)
            except ResourceFailure:  # an interruption, too
                self._pool.broken = f"the same on {inputs.node}"
                raise

    async def _entry(self, context: Context, inputs: NodeSetupInputs, node: Engine) -> Entry | None:
        """The node's entry in the swarm, or None if it has none: then no tasks run there."""
        swarm = (await patient_info(context, node))["Swarm"]
        if swarm["LocalNodeState"] == "inactive" or not swarm["NodeID"]:
            return None
        # The managers are the provider's, pinned: it doesn't matter which cluster it is.
        entry = Entry(self._pool, "", swarm["NodeID"], inputs.node)
        try:
            await entry.read(context)
        except NotFound:  # it was removed, but doesn't know it
            return None
        return entry


async def _with_gpus(node: Engine, daemon: str) -> str:
    """The configuration with the GPUs that the node has, which its runtime then assigns."""
    if docker_config.GPUS not in daemon:
        return daemon
    uuids = (await node.run(docker_config.FIND_GPUS)).split()
    if uuids:
        await node.run(docker_config.HAND_OUT_GPUS)
    return docker_config.with_gpus(daemon, uuids)


_BOOTED = (
    "said=$(timeout 20 cloud-init status --wait --long 2>&1) && code=0 || code=$?;"
    # 2: warnings that it recovered from; 124: timeout's own.
    " case $code in 0|2) echo ended;; 124) echo running;;"
    ' *) echo "cloud-init failed: $(echo $said)" >&2; exit $code;; esac'
)


def _blob(key: str) -> str:
    """The part by which two public lines are the same key."""
    return key.split()[1]


def _authorize(user: str, keys: list[str]) -> str:
    """A script that authorizes these keys. Pure."""
    return _edited(
        user,
        "".join(
            f'grep -qF -e {shlex.quote(_blob(key))} "$new" || echo {shlex.quote(key)} >>"$new"; '
            for key in keys
        ),
    )


def _revoke(user: str, keys: list[str]) -> str:
    """A script that revokes these keys. Pure."""
    patterns = " ".join(f"-e {shlex.quote(_blob(key))}" for key in keys)
    return _edited(user, f'grep -vF {patterns} "$file" >"$new" || [ $? -eq 1 ]; ')


def _edited(user: str, change: str) -> str:
    """A script that changes a copy of the user's authorized keys, then replaces them with it."""
    return (
        f"set -eu; umask 077; home=$(getent passwd {user} | cut -d: -f6); group=$(id -gn {user});"
        f' install -d -m 0700 -o {user} -g "$group" "$home/.ssh";'
        ' file="$home/.ssh/authorized_keys"; new="$file.new"; touch "$file"; awk 1 "$file" >"$new";'
        f' {change}chown {user}:"$group" "$new"; sync "$new"; mv "$new" "$file"'
    )


def _write(files: dict[str, str], gone: frozenset[str]) -> str:
    """A script that writes what differs, each file in one step, and removes dropped files. Pure."""
    lines = ["set -eu", node_files.PUT]
    lines += [f"systemctl disable --quiet --now {unit}" for unit in _units(sorted(gone))]
    lines += [f"rm -f {shlex.quote(path)}" for path in sorted(gone)]
    lines += [node_files.put(path, text) for path, text in files.items()]
    # Each time: a run may have ended between the write and this. It ends no connections.
    lines += ["systemctl try-reload-or-restart ssh"]
    if units := _units(files):
        names = " ".join(units)
        lines += [f"systemctl enable --quiet {names}", f"systemctl restart {names}"]
    return "\n".join(lines)


def _units(paths: Iterable[str]) -> list[str]:
    """The systemd services among these files."""
    names = [path.removeprefix(_UNITS) for path in paths if path.startswith(_UNITS)]
    return [name for name in names if name.endswith(".service") and "/" not in name]


def _differing(user: str, keys: list[str], revoked: list[str], files: dict[str, str]) -> str:
    """A script that prints the paths of what differs. Pure."""
    lines = [f'keys="$(getent passwd {user} | cut -d: -f6)/.ssh/authorized_keys"']
    for wanted, sign in ((keys, "||"), (revoked, "&&")):
        lines += [
            f'grep -qsF -e {shlex.quote(_blob(k))} "$keys" {sign} echo "$keys"' for k in wanted
        ]
    lines += [node_files.differs(path, text) for path, text in files.items()]
    lines += [
        f"systemctl is-active --quiet {unit} || echo {_UNITS}{unit}" for unit in _units(files)
    ]
    return f"{{ {'; '.join(lines)}; }} 2>/dev/null | sort -u"

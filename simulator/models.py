"""The account: its SSH keys and instances, and the rules by which they change.

Knows nothing of HTTP. Machines are someone else's (see `Machines`); what the account knows is
saved after every change, before the answer is given.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from simulator import exceptions, offers
from simulator.knobs import Knobs
from simulator.records import Instance, SshKey, State
from simulator.validation import Launch

FIRST_HOST, LAST_HOST = 10, 250
"""The part of the subnet that instances' addresses come from."""


class Machines(Protocol):
    """Who makes the machines. Each call returns when it is done, and may take seconds."""

    def start(self, instance: Instance) -> None: ...

    def restart(self, instance: Instance) -> None: ...

    def power_on(self, instance: Instance) -> None: ...

    def kill(self, instance: Instance) -> None: ...

    def remove(self, instance: Instance) -> None: ...

    def states(self) -> dict[str, str] | None:
        """Docker's state by instance id; None where there are no machines to look at."""


class Account:
    """One account of the simulated cloud. Safe to use from many threads."""

    def __init__(
        self,
        state: State,
        save: Callable[[State], None],
        machines: Machines,
        subnet: IPv4Network,
        knobs: Knobs,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._save = save
        self._machines = machines
        self._subnet = subnet
        self._knobs = knobs
        self._log = log
        self._clock = clock
        self._lock = threading.RLock()
        self._work = ThreadPoolExecutor(8, "machines")
        # Booting takes a core: more starts at once would all be slower, none sooner.
        self._starts = ThreadPoolExecutor(os.cpu_count(), "starts")
        self._capacity: dict[tuple[str, str], int] = {}
        self._turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    # SSH keys

    def ssh_keys(self) -> list[SshKey]:
        with self._lock:
            return list(self._state.keys)

    def add_ssh_key(self, name: str, public: str | None) -> tuple[SshKey, str | None]:
        """Register a key; without a public half make a pair and give out the private one."""
        private = None
        if public is None:
            pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = pair.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            private = pem.decode()
            openssh = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            public = openssh.decode()
        with self._lock:
            if any(key.name == name for key in self._state.keys):
                raise exceptions.duplicate(f"An SSH key named {name!r} already exists.")
            key = SshKey(uuid.uuid4().hex, name, public.strip())
            self._state.keys.append(key)
            self._saved()
        return key, private

    def delete_ssh_key(self, key_id: str) -> None:
        with self._lock:
            key = next((key for key in self._state.keys if key.id == key_id), None)
            if key is None:
                raise exceptions.not_found("Specified SSH key does not exist.", status=400)
            if any(key.name in instance.ssh_key_names for instance in self._present()):
                raise exceptions.key_in_use(key.name)
            self._state.keys.remove(key)
            self._saved()

    # Offers

    def regions_with_capacity(self, instance_type: str) -> list[str]:
        """Where an instance type can be launched now."""
        with self._lock:
            return [region for region in offers.REGIONS if self._room(instance_type, region) > 0]

    def set_capacity(self, instance_type: str, region: str, count: int) -> None:
        """From now on `count` more instances of the type can be launched in the region."""
        if instance_type not in offers.OFFERS or region not in offers.REGIONS:
            raise exceptions.invalid_parameters(f"no {instance_type!r} in {region!r}")
        with self._lock:
            self._capacity[instance_type, region] = count

    def _room(self, instance_type: str, region: str) -> float:
        usual = float("inf") if region in offers.OFFERS[instance_type].regions else 0
        return self._capacity.get((instance_type, region), usual)

    # Instances

    def launch(self, request: Launch) -> Instance:
        """Take the machine into the books and have it made; it boots while this returns."""
        with self._lock:
            if request.instance_type not in offers.OFFERS:
                raise exceptions.not_found("Specified instance type does not exist.", status=400)
            key = next((key for key in self._state.keys if key.name == request.ssh_key), None)
            if key is None:
                raise exceptions.not_found(f"SSH key {request.ssh_key!r} does not exist.")
            if request.file_systems:
                raise exceptions.not_found(
                    f"Filesystem {request.file_systems[0]!r} does not exist."
                )
            if request.firewall_rulesets:
                name = request.firewall_rulesets[0]
                raise exceptions.not_found(f"Firewall ruleset {name!r} does not exist.")
            image = _image(request)
            if 0 < self._knobs.quota <= len(list(self._present())):
                raise exceptions.quota_exceeded()
            if self._room(request.instance_type, request.region) <= 0:
                raise exceptions.insufficient_capacity()
            identity = uuid.uuid4().hex
            hostname = request.hostname or _hostname(request.name) or f"instance-{identity[:12]}"
            repeated = any(hostname == other.title for other in self._present())
            instance = Instance(
                id=identity,
                name=request.name or None,
                hostname=hostname,
                title=f"{hostname}-{identity[:6]}" if repeated else hostname,
                region=request.region,
                instance_type=request.instance_type,
                image=image,
                ssh_key_names=[key.name],
                public_keys=[key.public_key],
                tags=request.tags,
                user_data=request.user_data,
                ip=self._address(),
                launched=self._clock(),
            )
            place = request.instance_type, request.region
            if place in self._capacity:
                self._capacity[place] -= 1
            self._state.instances.append(instance)
            self._saved()
        self._starts.submit(self._make, instance)
        return instance

    def instances(self) -> list[Instance]:
        """All but the terminated ones."""
        with self._lock:
            return list(self._present())

    def known(self) -> list[Instance]:
        """All, terminated ones too."""
        with self._lock:
            return list(self._state.instances)

    def instance(self, instance_id: str) -> Instance:
        """One instance, a terminated one for a while too."""
        with self._lock:
            self._forget()
            for instance in self._state.instances:
                if instance.id == instance_id:
                    return instance
        raise exceptions.not_found("Specified instance does not exist.")

    def rename(self, instance_id: str, name: str | None) -> Instance:
        with self._lock:
            instance = self._living([instance_id])[0]
            instance.name = instance.name if name is None else name or None
            self._saved()
            return instance

    def restart(self, instance_ids: Iterable[str]) -> list[Instance]:
        with self._lock:
            chosen = self._living(instance_ids)
            for instance in chosen:
                instance.powered_off = False
                if instance.machine == "made":
                    instance.machine = "off"
            self._saved()
        for instance in chosen:
            self._starts.submit(self._bring_up, "restart", self._machines.restart, instance)
        return chosen

    def terminate(self, instance_ids: Iterable[str]) -> list[Instance]:
        """All of them or, if one doesn't exist, none. Once more for one on its way is harmless."""
        with self._lock:
            chosen = self._living(instance_ids)
            fresh = [instance for instance in chosen if instance.phase == "running"]
            for instance in fresh:
                instance.phase, instance.ended = "terminating", self._clock()
            self._saved()
        for instance in fresh:
            self._work.submit(self._end, instance)
        return chosen

    def statuses(self, instances: Iterable[Instance]) -> list[str]:
        """Each instance's status as the API words it."""
        instances = list(instances)
        with self._lock:
            # Asked before Docker is: one that is made or restarted meanwhile isn't called broken.
            settled = {one.id for one in instances if one.machine == "made"}
        states = self._machines.states()
        return [self._status(one, states, one.id in settled) for one in instances]

    def _status(self, instance: Instance, states: dict[str, str] | None, settled: bool) -> str:
        if instance.phase != "running":
            return instance.phase
        if instance.fault is not None:
            return instance.fault
        if instance.machine == "none" or (states is None and instance.powered_off):
            return "unhealthy"
        if not settled:
            return "booting"
        if states is not None and states.get(instance.id) != "running":
            return "unhealthy"
        return "booting" if self._age(instance) < self._knobs.boot_seconds else "active"

    def address(self, instance: Instance) -> str | None:
        """The instance's address once it has one."""
        known = (
            instance.machine in ("made", "off")
            and self._age(instance) >= self._knobs.boot_seconds / 2
        )
        return instance.ip if known and instance.phase != "terminated" else None

    # For tests

    def set_fault(self, instance_id: str, fault: str | None, reason: str) -> None:
        with self._lock:
            instance = self._living([instance_id])[0]
            instance.fault, instance.failure = fault, reason
            self._saved()

    def power_off(self, instance_id: str) -> None:
        with self._lock:
            instance = self._living([instance_id])[0]
            instance.powered_off = True
            self._saved()
        self._do("kill", self._machines.kill, instance)

    # Machines

    def resume(self, power: str) -> None:
        """Go on after a crash: make what was wanted, end what was ending.

        Where `power` is another than before, the host was rebooted: machines that should run are
        switched on.
        """
        with self._lock:
            rebooted, self._state.power = power != self._state.power, power
            for instance in self._state.instances:
                if rebooted and instance.machine == "made" and not instance.powered_off:
                    instance.machine = "off"
            self._saved()
            for instance in self._state.instances:
                if instance.phase == "terminating":
                    self._work.submit(self._end, instance)
                elif instance.phase == "running" and instance.machine == "wanted":
                    self._starts.submit(self._make, instance)
                elif instance.phase == "running" and instance.machine == "off":
                    self._starts.submit(
                        self._bring_up, "power on", self._machines.power_on, instance
                    )

    def close(self) -> None:
        """Wait for the work that is under way."""
        for work in (self._starts, self._work):
            work.shutdown(wait=True)

    def _make(self, instance: Instance) -> None:
        with self._turns[instance.id]:
            if instance.phase != "running":
                return  # terminated before its turn came
            failure = self._do("start", self._machines.start, instance)
            with self._lock:
                instance.machine, instance.failure = "none" if failure else "made", failure
                self._saved()

    def _bring_up(self, verb: str, action: Callable[[Instance], None], instance: Instance) -> None:
        self._do(verb, action, instance)
        with self._lock:
            if instance.machine == "off":
                instance.machine = "made"
            self._saved()

    def _end(self, instance: Instance) -> None:
        wait = self._knobs.terminate_seconds - (self._clock() - (instance.ended or 0))
        time.sleep(max(0.0, wait))
        if not self._do("remove", self._machines.remove, instance):
            with self._lock:
                instance.phase, instance.ended = "terminated", self._clock()
                instance.user_data = ""
                self._saved()

    def _do(self, verb: str, action: Callable[[Instance], None], instance: Instance) -> str:
        """Has it done, and logged; what went wrong, "" if nothing did."""
        title = f"{verb} {instance.id} ({instance.hostname}, {instance.ip})"
        began = self._clock()
        try:
            with self._turns[instance.id]:
                action(instance)
        except Exception as error:
            self._log(f"{title}: failed: {error}")
            return str(error) or repr(error)
        self._log(f"{title}: done in {self._clock() - began:.1f} s")
        return ""

    # Helpers, called with the lock held

    def _saved(self) -> None:
        self._save(self._state)

    def _present(self) -> Iterable[Instance]:
        return (one for one in self._state.instances if one.phase != "terminated")

    def _living(self, instance_ids: Iterable[str]) -> list[Instance]:
        present = {instance.id: instance for instance in self._present()}
        chosen = list(dict.fromkeys(instance_ids))
        if any(instance_id not in present for instance_id in chosen):
            raise exceptions.not_found("Specified instance does not exist.")
        return [present[instance_id] for instance_id in chosen]

    def _forget(self) -> None:
        oldest = self._clock() - self._knobs.remember_seconds
        self._state.instances = [
            one
            for one in self._state.instances
            if one.phase != "terminated" or (one.ended or 0) >= oldest
        ]

    def _address(self) -> str:
        """The next address in turn: one is used again only when all others were."""
        used = {instance.ip for instance in self._present()}
        span = LAST_HOST - FIRST_HOST + 1
        for step in range(1, span + 1):
            last = max(self._state.last_host, FIRST_HOST - 1)
            host = FIRST_HOST + (last - FIRST_HOST + step) % span
            address = str(self._subnet[host])
            if address not in used:
                self._state.last_host = host
                return address
        raise exceptions.insufficient_capacity()

    def _age(self, instance: Instance) -> float:
        return self._clock() - instance.launched


def _image(request: Launch) -> str:
    """The id of the image to boot. Raises ApiError when the region has no such image."""
    family = request.image_family
    if request.image_id is None and family is None:
        family = offers.default_family(request.region)
    architecture = offers.OFFERS[request.instance_type].architecture
    for image in offers.images():
        fits = (image.region, image.architecture) == (request.region, architecture)
        if fits and (image.id == request.image_id or image.family == family):
            return image.id
    raise exceptions.not_found(
        f"Image {request.image_id or family!r} does not exist in {request.region} "
        f"for {request.instance_type}."
    )


def _hostname(name: str | None) -> str:
    """A host name made of an instance's name."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in (name or "").lower())
    return letters.encode("ascii", "ignore").decode()[:63].strip("-")

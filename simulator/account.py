"""The account: its instances, and the rules by which they change.

It knows nothing of HTTP. Machines are made elsewhere (see `work`). The account is saved after every
change, before the answer.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Network

from simulator import exceptions, network, offers
from simulator.firewalls import Firewalls
from simulator.keys import Keys
from simulator.knobs import Knobs
from simulator.records import FirewallRule, Instance, State
from simulator.store import Store
from simulator.validation import Launch
from simulator.work import Machines, Work

FIRST_HOST, LAST_HOST = 10, 250
"""The part of the subnet for instances' addresses."""


class Account:
    """One account of the simulated cloud. Thread-safe."""

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
        self._store = Store(state, save)
        self._lock = self._store.lock
        self._machines = machines
        self._subnet = subnet
        self.knobs = knobs
        self._clock = clock
        self._work = Work(log)
        self._capacity: dict[tuple[str, str], int] = {}
        self.keys = Keys(self._store)
        self.firewalls = Firewalls(self._store, self._protect_all)
        self._protected: dict[str, tuple[list[FirewallRule] | None]] = {}
        """By id: the rules last applied to a machine."""

    # Offers

    def regions_with_capacity(self, instance_type: str) -> list[str]:
        """Where an instance type can be launched now."""
        with self._lock:
            return [region for region in offers.REGIONS if self._room(instance_type, region) > 0]

    def set_capacity(self, instance_type: str, region: str, count: int) -> None:
        """Lets `count` more instances of the type be launched in the region."""
        if instance_type not in offers.OFFERS or region not in offers.REGIONS:
            raise exceptions.invalid_parameters(f"no {instance_type!r} in {region!r}")
        with self._lock:
            self._capacity[instance_type, region] = count

    def _room(self, instance_type: str, region: str) -> float:
        usual = float("inf") if region in offers.OFFERS[instance_type].regions else 0
        return self._capacity.get((instance_type, region), usual)

    # Instances

    def launch(self, request: Launch) -> Instance:
        """Record the machine and have it made; returns while it boots."""
        with self._store.change() as state:
            if request.instance_type not in offers.OFFERS:
                raise exceptions.not_found("Specified instance type does not exist.", status=400)
            key = self.keys.named(request.ssh_key)
            if request.file_systems:
                raise exceptions.not_found(
                    f"Filesystem {request.file_systems[0]!r} does not exist."
                )
            rulesets = self.firewalls.check(request.firewall_rulesets, request.region)
            image = _image(request)
            if 0 < self.knobs.quota <= len(self._store.present()):
                raise exceptions.quota_exceeded()
            if self._room(request.instance_type, request.region) <= 0:
                raise exceptions.insufficient_capacity()
            identity = uuid.uuid4().hex
            hostname = request.hostname or _hostname(request.name) or f"instance-{identity[:12]}"
            address = self._address()
            repeated = any(hostname == other.title for other in self._store.present())
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
                ip=address,
                private_ip=network.private(address),
                launched=self._clock(),
                firewall_rulesets=rulesets,
            )
            place = request.instance_type, request.region
            if place in self._capacity:
                self._capacity[place] -= 1
            state.instances.append(instance)
        self._work.submit_start(self._make, instance)
        return instance

    def instances(self) -> list[Instance]:
        """All except terminated ones."""
        return self._store.present()

    def known(self) -> list[Instance]:
        """All, including terminated ones."""
        with self._lock:
            return list(self._store.state.instances)

    def instance(self, instance_id: str) -> Instance:
        """One instance; a terminated one is found for a while, too."""
        with self._lock:
            self._forget()
            for instance in self._store.state.instances:
                if instance.id == instance_id:
                    return instance
        raise exceptions.not_found("Specified instance does not exist.")

    def rename(self, instance_id: str, name: str | None) -> Instance:
        with self._store.change():
            instance = self._living([instance_id])[0]
            instance.name = instance.name if name is None else name or None
            return instance

    def restart(self, instance_ids: Iterable[str]) -> list[Instance]:
        """Restarts all, or none if one can't be restarted now."""
        with self._lock:
            chosen = self._living(instance_ids)
        for instance, status in zip(chosen, self.statuses(chosen), strict=True):
            reason = blocked(status, instance.failure)
            if reason is not None:
                raise exceptions.invalid_parameters(
                    f"instance_ids: {instance.id} can't be restarted: {reason[1]}"
                )
        with self._store.change():
            for instance in chosen:
                instance.powered_off = False
                if instance.machine == "made":
                    instance.machine = "off"
        for instance in chosen:
            bring_up = partial(self._bring_up, "restart", self._machines.restart)
            self._work.submit_start(bring_up, instance)
        return chosen

    def terminate(self, instance_ids: Iterable[str]) -> list[Instance]:
        """Terminates all, or none if one doesn't exist. Repeating it is harmless."""
        with self._store.change():
            chosen = self._living(instance_ids)
            fresh = [instance for instance in chosen if instance.phase == "running"]
            for instance in fresh:
                instance.phase, instance.ended = "terminating", self._clock()
        for instance in fresh:
            self._work.submit(self._end, instance)
        return chosen

    def statuses(self, instances: Iterable[Instance]) -> list[str]:
        """Each instance's status in the API's terms."""
        instances = list(instances)
        with self._lock:
            # Ask before Docker: one that is made or restarted in between doesn't count as broken.
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
        return "booting" if self._age(instance) < self.knobs.boot_seconds else "active"

    def address(self, instance: Instance) -> str | None:
        """The instance's address once it has one."""
        known = (
            instance.machine in ("made", "off")
            and self._age(instance) >= self.knobs.boot_seconds / 2
        )
        return instance.ip if known and instance.phase != "terminated" else None

    # For tests

    def set_fault(self, instance_id: str, fault: str | None, reason: str) -> None:
        with self._store.change():
            instance = self._living([instance_id])[0]
            instance.fault, instance.failure = fault, reason

    def power_off(self, instance_id: str) -> None:
        with self._store.change():
            instance = self._living([instance_id])[0]
            instance.powered_off = True
        self._work.do("kill", self._machines.kill, instance)

    # Machines

    def resume(self, power: str) -> None:
        """Continue after a crash: make what was wanted, end what was ending.

        If `power` has changed, the host was rebooted: machines that should run are switched on.
        """
        power_on = partial(self._bring_up, "power on", self._machines.power_on)
        with self._store.change() as state:
            rebooted, state.power = power != state.power, power
            for instance in state.instances:
                if rebooted and instance.machine == "made" and not instance.powered_off:
                    instance.machine = "off"
        for instance in self._store.present():
            if instance.phase == "terminating":
                self._work.submit(self._end, instance)
            elif instance.machine == "wanted":
                self._work.submit_start(self._make, instance)
            elif instance.machine == "off":
                self._work.submit_start(power_on, instance)
            elif instance.machine == "made":
                self._work.submit(self._protect_again, instance)

    def close(self) -> None:
        """Wait for the work in progress."""
        self._work.close()

    def _make(self, instance: Instance) -> None:
        with self._work.turn(instance):
            if instance.phase != "running":
                return  # terminated before its turn came
            failure = self._work.do("start", self._machines.start, instance)
            if not failure:
                with self._store.change():
                    instance.machine = "off"  # gets changes of rules from now on
                failure = self._work.do("protect", self._protect, instance)
            with self._store.change():
                instance.machine = "none" if failure else "made"
                instance.failure = failure or instance.failure

    def _bring_up(self, verb: str, action: Callable[[Instance], None], instance: Instance) -> None:
        with self._work.turn(instance):
            self._work.do(verb, action, instance)
            self._work.do("protect", self._protect, instance)
        with self._store.change():
            if instance.machine == "off":
                instance.machine = "made"

    def _end(self, instance: Instance) -> None:
        wait = self.knobs.terminate_seconds - (self._clock() - (instance.ended or 0))
        time.sleep(max(0.0, wait))
        if not self._work.do("remove", self._machines.remove, instance):
            with self._store.change():
                instance.phase, instance.ended = "terminated", self._clock()
                instance.user_data = ""

    def _protect(self, instance: Instance) -> None:
        rules = self.firewalls.rules_for(instance)
        self._machines.protect(instance, rules)
        self._protected[instance.id] = (rules,)

    def _protect_all(self, instances: list[Instance]) -> None:
        """Rules have changed. Machines apply the new ones before the answer, unless they are
        slow."""
        there = [one for one in instances if one.machine in ("made", "off")]
        self._work.all(self._protect_again, [one for one in there if one.phase == "running"])

    def _protect_again(self, instance: Instance) -> None:
        with self._work.turn(instance):
            if self._protected.get(instance.id) != (self.firewalls.rules_for(instance),):
                self._work.do("protect", self._protect, instance)

    # Helpers

    def _living(self, instance_ids: Iterable[str]) -> list[Instance]:
        present = {instance.id: instance for instance in self._store.present()}
        chosen = list(dict.fromkeys(instance_ids))
        if any(instance_id not in present for instance_id in chosen):
            raise exceptions.not_found("Specified instance does not exist.")
        return [present[instance_id] for instance_id in chosen]

    def _forget(self) -> None:
        oldest = self._clock() - self.knobs.remember_seconds
        self._store.state.instances = [
            one
            for one in self._store.state.instances
            if one.phase != "terminated" or (one.ended or 0) >= oldest
        ]

    def _address(self) -> str:
        """The next address in turn: one is reused only after all others."""
        used = {instance.ip for instance in self._store.present()}
        span = LAST_HOST - FIRST_HOST + 1
        for step in range(1, span + 1):
            last = max(self._store.state.last_host, FIRST_HOST - 1)
            host = FIRST_HOST + (last - FIRST_HOST + step) % span
            address = str(self._subnet[host])
            if address not in used:
                self._store.state.last_host = host
                return address
        raise exceptions.insufficient_capacity()

    def _age(self, instance: Instance) -> float:
        return self._clock() - instance.launched


def blocked(status: str, failure: str) -> tuple[str, str] | None:
    """Why an instance can't be restarted now: the API's code and a sentence. Pure.

    failure: why its machine could not be made; the API has no other place for a reason.
    """
    if failure and status in ("unhealthy", "preempted"):
        return "vm-has-not-launched", failure
    return {
        "booting": ("vm-has-not-launched", "The instance is still booting."),
        "terminating": ("vm-is-terminating", "The instance is terminating."),
        "terminated": ("vm-is-terminating", "The instance was terminated."),
    }.get(status)


def _image(request: Launch) -> str:
    """The id of the image to boot. Raises ApiError if the region has no such image."""
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
    """A host name made from an instance's name."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in (name or "").lower())
    return letters.encode("ascii", "ignore").decode()[:63].strip("-")

"""Machines that fail, and machines that are slow: the account with stand-ins for Docker."""

import ipaddress
import os
import threading

import jsonschema

from simulator import validation, work
from simulator.account import Account
from simulator.exceptions import SimulatorError
from simulator.knobs import Knobs
from simulator.records import FirewallRule, State
from simulator.responses import rendered
from tests.support.polling import until


class Failing:
    """Machines of which none starts."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def start(self, instance) -> None:
        raise SimulatorError("`docker start sim-1-node …` failed (1): no space left on device")

    def remove(self, instance) -> None:
        self.removed.append(instance.id)

    def protect(self, instance, rules) -> None: ...

    def states(self) -> dict[str, str]:
        return {}


def account(machines, **knobs) -> Account:
    subnet = ipaddress.IPv4Network("198.51.100.0/24")
    made = Account(State(), lambda state: None, machines, subnet, Knobs(**knobs), print)
    made.keys.add("key", "ssh-ed25519 AAAA me@example")
    return made


REQUEST = validation.launch(
    {
        "region_name": "us-east-1",
        "instance_type_name": "cpu_4x_general",
        "ssh_key_names": ["key"],
    }
)


def test_why_a_machine_never_came_to_be_is_told_by_the_api(document):
    failing = account(Failing(), boot_seconds=0)
    identity = failing.launch(REQUEST).id
    shown = until(
        lambda: rendered(failing, [failing.instance(identity)])[0],
        lambda one: one["status"] == "unhealthy",
        "unhealthy",
    )
    schema = {"$ref": "#/components/schemas/Instance", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(shown)
    assert shown["actions"]["restart"]["reason_code"] == "vm-has-not-launched"
    assert "no space left on device" in shown["actions"]["restart"]["reason_description"]
    assert shown["actions"]["terminate"] == {"available": True}
    failing.close()


class Slow(Failing):
    """Machines whose start takes as long as a test wants; counts those that start at once."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.starting = 0
        self.most = 0
        self._lock = threading.Lock()

    def start(self, instance) -> None:
        with self._lock:
            self.starting += 1
            self.most = max(self.most, self.starting)
        assert self.go_on.wait(30)
        with self._lock:
            self.starting -= 1

    def states(self) -> dict[str, str]:
        return {one.id: "running" for one in self.made}


def test_a_slow_machine_is_booting_and_no_more_start_at_once_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    slow = Slow()
    slowly = account(slow, boot_seconds=0)
    slow.made = [slowly.launch(REQUEST) for _ in range(5)]
    until(lambda: slow.starting, lambda count: count == 2, "two that start")
    assert set(slowly.statuses(slow.made)) == {"booting"}
    # One that waits for its turn can be terminated.
    slowly.terminate([slow.made[4].id])
    until(lambda: slow.removed, lambda ids: ids == [slow.made[4].id], "its end")
    slow.go_on.set()
    until(
        lambda: slowly.statuses(slow.made[:4]), lambda all: set(all) == {"active"}, "all are active"
    )
    assert slow.most == 2
    slowly.close()


class Protected(Failing):
    """Machines that take rules in as slowly as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.quick = threading.Event()
        self.quick.set()
        self.given: list[list[str]] = []

    def start(self, instance) -> None: ...

    def protect(self, instance, rules) -> None:
        self.quick.wait(30)
        self.given.append([rule.source_network for rule in rules])


def rule(source):
    return FirewallRule("tcp", source, "", [22, 22])


def test_rules_reach_slow_machines_after_the_answer_and_each_of_them_once(monkeypatch):
    monkeypatch.setattr(work, "PATIENCE", 0.1)
    slow = Protected()
    cloud = account(slow, boot_seconds=0)
    cloud.launch(REQUEST)
    until(lambda: len(slow.given), lambda count: count == 1, "the first rules")
    slow.quick.clear()
    for source in ("192.0.2.1", "192.0.2.2", "192.0.2.2"):
        cloud.firewalls.set_global_rules([rule(source)])
    assert len(slow.given) == 1
    slow.quick.set()
    cloud.close()
    # The second change may have come before the first one started.
    assert slow.given[1:] in ([["192.0.2.1"], ["192.0.2.2"]], [["192.0.2.2"]])

"""Which machines count as orphans, and what is reported about them."""

import pytest

from ops.orphans import Recorded, lines, orphans
from providers.lambdalabs.models import Machine

URL = "https://cloud.example/api/v1"
STATES = {
    "dev": Recorded(frozenset({"known"}), frozenset({"sophia-dev-manager-1-aa"})),
    "prod": Recorded(frozenset(), frozenset()),
}


def machine(id: str, stack: str = "dev", name: str = "", **others: object) -> Machine:
    tags = {"project": "sophia", "stack": stack}
    return Machine(**{"id": id, "status": "active", "name": name, "tags": tags, **others})


def found(*machines: Machine) -> dict[str, tuple[str, str]]:
    return {
        one.machine.id: (one.why, one.command) for one in orphans(machines, "sophia", STATES, URL)
    }


def test_what_a_state_knows_is_none_whatever_its_tags_say():
    assert found(machine("known", stack="prod")) == {}


def test_what_is_not_the_platforms_or_ends_already_is_none():
    assert not found(
        machine("a", tags={}),
        machine("b", tags={"project": "other", "stack": "dev"}),
        machine("c", tags={"project": "sophia"}),
        machine("d", status="terminating"),
    )


def test_an_unhealthy_machine_is_one_since_it_is_paid_for():
    assert list(found(machine("a", status="unhealthy"))) == ["a"]


@pytest.mark.parametrize("tagged", ["dev", "its-name-before-it-was-renamed"])
def test_a_launch_that_was_interrupted_is_left_to_the_next_run(tagged):
    name = "sophia-dev-manager-1-aa"
    why, command = found(machine("a", tagged, name=name, recorded=False))["a"]
    assert "interrupted" in why
    assert command == "pulumi up --stack dev"


def test_a_machine_that_was_taken_out_of_the_state_is_told_apart_from_a_lost_launch():
    why, command = found(machine("a", name="sophia-dev-manager-1-aa"))["a"]
    assert "removed from the state" in why
    assert command == "pulumi up --stack dev"


def test_a_stack_that_this_backend_lacks_is_told_apart():
    why, _ = found(machine("a", stack="alice"))["a"]
    assert "no stack alice" in why
    assert "look there before you terminate it" in why


def test_prices_are_summed_and_an_unknown_one_is_no_zero():
    listed = orphans(
        [
            machine("a", price_cents_per_hour=129, instance_type="gpu_1x_a10", region="us-east-1"),
            machine("b", price_cents_per_hour=2392),
            machine("c"),
        ],
        "sophia",
        STATES,
        URL,
    )
    told = list(lines(listed))
    assert told[0].endswith("a  gpu_1x_a10  us-east-1  active  $1.29 an hour, $30.96 a day")
    assert told[6].endswith("price unknown")
    assert told[-1].startswith("3 in no state, $25.21 an hour, $605.04 a day")
    assert list(lines([])) == ["no orphans"]


def test_an_odd_id_can_not_leave_its_quotes():
    _, command = found(machine("x'; reboot '"))["x'; reboot '"]
    assert "reboot '\"'\"'" in command

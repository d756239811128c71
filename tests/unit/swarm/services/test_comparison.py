"""A wanted spec against a live one: as the Engine gives it back, and as somebody has changed it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from providers.swarm.services.comparison import differences
from providers.swarm.services.model import Health, Mount, ServiceInputs
from providers.swarm.services.render import render
from tests.unit.swarm.services.test_render import FULL, PLAIN, URN


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["TaskTemplate", "ContainerSpec", "Image"], "other", "TaskTemplate.ContainerSpec.Image"),
        (["TaskTemplate", "ContainerSpec", "Env"], ["A=1"], "TaskTemplate.ContainerSpec.Env"),
        (
            ["TaskTemplate", "ContainerSpec", "ReadOnly"],
            None,
            "TaskTemplate.ContainerSpec.ReadOnly",
        ),
        (["Mode", "Replicated", "Replicas"], 9, "Mode.Replicated.Replicas"),
        (["Labels", "added"], "by hand", "Labels.added"),
        (
            ["TaskTemplate", "LogDriver", "Options", "tag"],
            "x",
            "TaskTemplate.LogDriver.Options.tag",
        ),
    ],
)
def test_a_change_by_hand_is_named_by_its_path(path: list[str], value: Any, told: str) -> None:
    live = render(FULL, URN)
    place = live
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert differences(render(FULL, URN), live) == [told]


def test_secrets_added_by_hand_are_a_difference() -> None:
    live = render(PLAIN, URN)
    live["TaskTemplate"]["ContainerSpec"]["Secrets"] = [{"SecretID": "x"}]
    assert differences(render(PLAIN, URN), live) == ["TaskTemplate.ContainerSpec.Secrets"]


def test_a_health_check_by_hand_where_we_want_none_is_a_difference() -> None:
    live = render(PLAIN, URN)
    live["TaskTemplate"]["ContainerSpec"]["Healthcheck"] = {"Test": ["CMD", "true"]}
    assert differences(render(PLAIN, URN), live) == ["TaskTemplate.ContainerSpec.Healthcheck.Test"]


BY_HAND = {
    # As `docker service update` of 28 can set them (its flags).
    "ContainerSpec.Hosts": ["192.0.2.1 api.example"],
    "ContainerSpec.DNSConfig": {"Nameservers": ["192.0.2.53"], "Search": ["a"], "Options": ["b"]},
    "ContainerSpec.Sysctls": {"net.core.somaxconn": "1"},
    "ContainerSpec.Groups": ["docker"],
    "ContainerSpec.TTY": True,
    "ContainerSpec.OpenStdin": True,
    "ContainerSpec.Dir": "/tmp",
    "ContainerSpec.StopSignal": "SIGKILL",
    "ContainerSpec.Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
    "ContainerSpec.OomScoreAdj": -500,
    "ContainerSpec.Isolation": "hyperv",
    "ContainerSpec.Privileges": {
        "NoNewPrivileges": True,
        "Seccomp": {"Mode": "unconfined"},
        "AppArmor": {"Mode": "disabled"},
        "SELinuxContext": {"Disable": True},
        "CredentialSpec": {"File": "x"},
    },
    "ContainerSpec.Healthcheck": {"Test": ["NONE"]},
    "Placement": {"MaxReplicas": 1, "Platforms": [{"OS": "windows"}]},
    "Resources": {
        "Reservations": {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "a", "Value": 1}}]}
    },
    "Runtime": "plugin",
}


def leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    else:
        yield path


def merge(live: Any, added: dict[str, Any]) -> None:
    for key, value in added.items():
        if isinstance(value, dict) and isinstance(live.get(key), dict):
            merge(live[key], value)
        else:
            live[key] = value


@pytest.mark.parametrize("path", BY_HAND)
def test_what_we_never_write_is_a_difference_all_the_same(path: str) -> None:
    live = filled_in(without_empty(render(FULL, URN)))
    *above, last = path.split(".")
    place = live["TaskTemplate"]
    for key in above:
        place = place[key]
    merge(place, {last: copy.deepcopy(BY_HAND[path])})
    told = set(leaves(BY_HAND[path], f"TaskTemplate.{path}"))
    told -= {"TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges"}
    assert set(differences(render(FULL, URN), live)) == told


def places(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings of a spec."""
    if isinstance(value, dict):
        yield value
    inside = value.values() if isinstance(value, dict) else value
    for inner in inside if isinstance(value, (dict, list)) else ():
        yield from places(inner)


@given(st.data())
def test_a_key_more_anywhere_is_a_difference(data: st.DataObject) -> None:
    wanted = render(data.draw(inputs), URN)
    live = filled_in(copy.deepcopy(wanted))
    place = data.draw(st.sampled_from(list(places(live))))
    value = data.draw(st.sampled_from(["x", 1, True, ["x"], {"a": {"b": [0]}}]))
    place["added"] = value
    (told,) = differences(wanted, live)
    assert "added" in told
    users = told.rpartition(".")[0].endswith(("Labels", "Options"))
    assert differences(wanted, live, ours=True) == ([told] if users else [])


def test_an_engine_that_drops_no_new_privileges_is_no_difference() -> None:
    live = render(PLAIN, URN)
    live["TaskTemplate"]["ContainerSpec"]["Privileges"] = {"CredentialSpec": None}
    assert differences(render(PLAIN, URN), live) == []


names = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6)
inputs = st.builds(
    ServiceInputs,
    name=names,
    image=names,
    command=st.lists(names, max_size=2),
    env=st.dictionaries(names, st.text(max_size=4), max_size=3),
    mode=st.sampled_from(["replicated", "global"]),
    replicas=st.integers(0, 5),
    networks=st.lists(names, max_size=2),
    mounts=st.lists(st.builds(Mount, st.just("volume"), names, names), max_size=2),
    health=st.none() | st.builds(Health, st.just(["CMD", "x"])),
    labels=st.dictionaries(names, names, max_size=2),
    read_only_root=st.booleans(),
    init=st.booleans(),
)


def without_empty(value: Any) -> Any:
    """As the Engine answers: without empty values."""
    if isinstance(value, dict):
        kept = {key: without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", 0, [], {})}
    return [without_empty(inner) for inner in value] if isinstance(value, list) else value


def filled_in(live: Any) -> Any:
    """With the Engine's additions."""
    live["TaskTemplate"] |= {"ForceUpdate": 3, "Runtime": "container"}
    container = live["TaskTemplate"]["ContainerSpec"]
    container |= {"Isolation": "default", "DNSConfig": {}, "Ulimits": []}
    container["Privileges"] |= {"CredentialSpec": None, "Seccomp": {"Mode": "default"}}
    live["TaskTemplate"].setdefault("Placement", {})["Platforms"] = []
    return live


@given(inputs)
def test_a_spec_never_differs_from_itself_as_the_engine_gives_it_back(one: ServiceInputs) -> None:
    wanted = render(one, URN)
    live = without_empty(copy.deepcopy(wanted))
    filled_in(live)
    assert differences(wanted, live) == []
    assert render(one, URN) == wanted


@given(inputs, inputs)
def test_two_specs_differ_exactly_when_the_inputs_do(
    one: ServiceInputs, two: ServiceInputs
) -> None:
    assume(one.mode == two.mode)  # no update changes it
    if one.mode == "global":
        two = dataclasses.replace(two, replicas=one.replicas)
    same = not differences(render(one, URN), without_empty(render(two, URN)))
    assert same == (render(one, URN) == render(two, URN))

"""Names, machines and services as pure arithmetic."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.catalog.model import Deploy, Health, Resources, Server, Variable
from components.plan import names, volumes
from components.plan.mcp_service import mcp_service
from components.plan.nodes import NodeGroup, nodes
from components.plan.workload import service_inputs
from providers.swarm.services.patience import watched_s


def group(name="manager", count=3, role="manager", tier="primary", types=("cpu_4x_general",)):
    return NodeGroup(name, count, role, tier, types, ("us-east-1",), "lambda-stack-24-04", "1")


def server(tier=1, replicas=2) -> Server:
    deploy = Deploy(tier, replicas, Resources(0.5, 256, 128), Health(3, 3, 3, 30))
    return Server(
        "ai_memory",
        deploy,
        env={"POOL": "8", "LAMBDA_API_URL": "https://x"},
        variables=(Variable("LAMBDA_API_URL", "", "", False),),
    )


def test_nodes_are_numbered():
    groups = [group(), group("worker", 2, "worker", "secondary", ("gpu_1x_a10",))]
    planned = nodes(groups)
    assert [node.name for node in planned] == [
        *("manager-1", "manager-2", "manager-3"),
        *("worker-1", "worker-2"),
    ]
    assert [node.gpu for node in planned] == [False, False, False, True, True]
    assert {node.labels["tier"] for node in planned[3:]} == {"secondary"}


def test_volumes_are_on_primary_nodes_where_there_are_any():
    groups = [group("w", 1, "worker", "secondary"), group("m", 1)]
    assert [node["name"] for node in volumes.candidates(nodes(groups))] == ["m-1"]
    assert [node["name"] for node in volumes.candidates(nodes(groups[:1]))] == ["w-1"]


def planned(server, secrets=()):
    return service_inputs(mcp_service(server, "sophia-dev", secrets), "sophia-dev")


def test_a_service_of_tier_one_is_pinned_to_primary_nodes_and_starts_first():
    inputs = planned(server())
    assert inputs.name == "sophia-dev-ai_memory"
    assert inputs.replicas == 2
    assert inputs.placement.constraints == ["node.labels.tier == primary"]
    assert inputs.update.order == "start-first"
    assert inputs.env == {
        "POOL": "8",
        "LAMBDA_API_URL": "https://x",
        "PORT": "8000",
        "MCP_ALLOWED_HOSTS": "sophia-dev-ai_memory,tasks.sophia-dev-ai_memory",
        "DRAIN_SECONDS": "5",
        "GRACE_SECONDS": "20",
    }
    assert inputs.user == "10001:10001"


def test_a_gpu_is_given_back_before_it_is_taken_again():
    one = server()
    deploy = replace(one.deploy, resources=replace(one.deploy.resources, gpus=1))
    inputs = planned(replace(one, deploy=deploy))
    assert (inputs.resources.gpus, inputs.update.order) == (1, "stop-first")


def test_tier_two_runs_anywhere():
    assert planned(server(tier=2)).placement.constraints == []


def test_it_is_stopped_no_sooner_than_it_ends_and_watched_longer_than_a_failing_check():
    patient = replace(server().deploy, grace_s=65)
    inputs = planned(replace(server(), deploy=patient))
    assert inputs.env["GRACE_SECONDS"] == "65"
    assert inputs.stop_grace_s > int(inputs.env["DRAIN_SECONDS"]) + int(inputs.env["GRACE_SECONDS"])
    health = inputs.health
    assert inputs.update.monitor_s == watched_s(health) > health.retries * health.interval_s


def test_its_credentials_are_files_of_its_user():
    (file,) = planned(server(), secrets=["API_KEY"]).secrets
    assert (file.target, file.uid, file.gid) == ("API_KEY", 10001, 10001)


def test_a_name_may_have_63_characters_and_no_more():
    assert names.physical("p", "n" * 61)
    with pytest.raises(ValueError, match="64 characters, at most 63"):
        names.physical("p", "n" * 62)


TEXT = st.text(alphabet="abcXYZ_-019", min_size=1, max_size=60)


@given(TEXT, TEXT, TEXT)
def test_names_of_secrets_leave_room_for_a_hash(prefix, owner, name):
    result = names.file_prefix(prefix, owner, name)
    assert len(result) + 1 + 10 <= 64
    assert result == names.file_prefix(prefix, owner, name)


@given(st.text(alphabet="ab", min_size=40, max_size=60), st.text(alphabet="ab", min_size=40))
def test_shortened_names_stay_different(one, other):
    same = names.file_prefix("p", one, "x") == names.file_prefix("p", other, "x")
    assert same == (one == other)

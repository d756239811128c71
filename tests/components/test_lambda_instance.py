"""A machine: its resources, their order, and which values are secret."""

import pulumi

from components.lambda_instance import LambdaInstance, LambdaInstanceArgs
from components.plan.nodes import NodePlan
from providers.lambdalabs import resources as lambdalabs

PLAN = NodePlan(
    name="manager-1",
    role="manager",
    tier="primary",
    instance_types=("gpu_1x_a10", "gpu_1x_h100_pcie"),
    regions=("us-east-1",),
    image_family="lambda-stack-24-04",
    generation="1",
    labels={"tier": "primary"},
)


def machine(handles=None):
    account = lambdalabs.Provider("account", api_url="https://api.example", api_key="k")
    made = LambdaInstance(
        "manager-1",
        LambdaInstanceArgs(
            plan=PLAN,
            project="sophia",
            stack="dev",
            user="ubuntu",
            ssh_key_name="sophia-dev",
            ssh_key_id="key-1",
            private_key=pulumi.Output.secret("the private key"),
            registry_server="registry.example:5000",
            registry_ca="",
            gpu_probe=True,
            volumes=["database-0a1b2c3d"],
            confirm_data_loss="",
        ),
        pulumi.ResourceOptions(providers=[account]),
    )
    if handles is not None:
        handles.append(made.handle)


def test_its_parts_are_its_children_and_use_the_accounts_provider(registered):
    seen = registered(machine)
    parts = {name for name, resource in seen.items() if resource.parent == "manager-1"}
    assert parts == {
        f"manager-1-{part}" for part in ("host-key", "nonce", "name", "instance", "ready")
    }
    assert seen["manager-1"].type == "sophia:index:LambdaInstance"
    assert {seen["manager-1-instance"].provider, seen["manager-1-ready"].provider} == {"account"}


def test_each_part_waits_for_the_one_before(registered):
    seen = registered(machine)
    assert set(seen["manager-1-name"].dependencies) == {"manager-1-nonce"}
    assert set(seen["manager-1-instance"].dependencies) == {"manager-1-host-key", "manager-1-name"}
    assert "manager-1-instance" in seen["manager-1-ready"].dependencies


def test_keys_and_user_data_are_secret(registered, preview):
    seen = registered(machine)
    assert "privateKey" in seen["manager-1-ready"].secrets
    if not preview:  # neither unknown values nor their secret marks are sent
        assert "userData" in seen["manager-1-instance"].secrets


def test_only_a_new_image_or_generation_makes_a_new_nonce(registered):
    """Types and regions are launch preferences; the machine's own token is part of the
    generation."""
    seen = registered(machine)
    assert seen["manager-1-nonce"].inputs["keepers"] == {
        "image": "lambda-stack-24-04",
        "generation": "1",
    }


def test_its_name_ends_with_the_nonce_once_that_is_known(registered, preview):
    name = registered(machine)["manager-1-instance"].inputs.get("name")
    assert name == (None if preview else "sophia-dev-manager-1-0011aabb")


def test_the_handle_says_what_the_swarm_needs(registered):
    handles = []
    registered(lambda: machine(handles))
    (handle,) = handles
    assert (handle.name, handle.physical_name) == ("manager-1", "sophia-dev-manager-1")
    assert handle.labels == {"tier": "primary"}
    assert "nvidia" in handle.files["/etc/docker/daemon.json"]


def test_settings_of_a_node_are_not_part_of_what_it_boots_with(registered, preview):
    """Or a living machine would never get them."""
    if not preview:
        text = registered(machine)["manager-1-instance"].inputs["userData"]
        assert "daemon.json" not in text
        assert "registry.example" not in text

"""The Swarm: one identity, its members, and providers that speak to the managers."""

import itertools
import json

import pulumi

from components.handles import LoginHandle, NodeHandle
from components.swarm_cluster import SwarmCluster, SwarmClusterArgs
from providers.swarm import resources as swarm


def login():
    return LoginHandle(
        public_key="ssh-ed25519 login",
        private_key=pulumi.Output.secret("the private key"),
        private_keys=pulumi.Output.secret("the private key and a former one"),
        is_first=False,
    )


def node(name, role, tier):
    key = swarm.KeyPair(f"{name}-host-key")
    return NodeHandle(
        name=name,
        physical_name=f"sophia-dev-{name}",
        role=role,
        tier=tier,
        instance_id=pulumi.Output.from_input(f"{name}-id"),
        address=pulumi.Output.from_input(f"{name}.example"),
        private_address=pulumi.Output.from_input(f"{name}.internal"),
        host_key=key.public_key,
        ready=key,
        files={"/etc/docker/daemon.json": "{}"},
        labels={"tier": tier},
    )


def cluster(handles=None):
    nodes = [
        node("worker-1", "worker", "secondary"),
        node("manager-1", "manager", "primary"),
        node("manager-2", "manager", "primary"),
        node("manager-3", "manager", "primary"),
        node("worker-2", "worker", "secondary"),
    ]
    made = SwarmCluster(
        "swarm",
        SwarmClusterArgs(
            nodes=nodes,
            user="ubuntu",
            login=login(),
            address_pools=["10.200.0.0/16"],
            subnet_size=24,
        ),
    )
    if handles is not None:
        handles.append(made.handle)


def test_managers_form_a_chain_and_workers_follow_the_last_of_them(registered):
    seen = registered(cluster)
    managers = ["swarm-manager-1", "swarm-manager-2", "swarm-manager-3"]
    workers = ["swarm-worker-1", "swarm-worker-2"]
    for worker in workers:
        for earlier, later in itertools.pairwise([*managers, worker]):
            assert earlier in seen[later].dependencies
            assert later not in seen[earlier].dependencies
    # One by one, 1,000 of them would be more than the SDK's recursion follows.
    assert not set(workers) & {*seen[workers[0]].dependencies, *seen[workers[1]].dependencies}
    assert {seen[name].parent for name in (*managers, *workers)} == {"swarm"}


def test_every_member_waits_for_its_own_machine_and_for_the_cluster(registered):
    seen = registered(cluster)
    for name in ("manager-1", "worker-1"):
        assert f"swarm-{name}-setup" in seen[f"swarm-{name}"].dependencies
        assert f"{name}-host-key" in seen[f"swarm-{name}-setup"].dependencies
        assert "swarm-identity" in seen[f"swarm-{name}"].dependencies


def test_the_cluster_waits_for_every_manager_since_each_is_asked(registered):
    """A slow machine's Docker doesn't answer yet when the founder's has for minutes."""
    needed = registered(cluster)["swarm-identity"].dependencies
    assert {f"swarm-manager-{number}-setup" for number in (1, 2, 3)} <= set(needed)
    assert "swarm-worker-1-setup" not in needed


def test_a_node_is_set_up_over_ssh_with_the_login_key_and_its_files(registered, preview):
    seen = registered(cluster)
    setups = {name: one for name, one in seen.items() if one.type == "swarm:index:NodeSetup"}
    assert len(setups) == 5
    for name, setup in setups.items():
        assert setup.provider == "swarm-machines"
        others = set(setups) - {name}
        assert not others & set(setup.dependencies), "they start at once; restarts take turns"
    inputs = setups["swarm-worker-1-setup"].inputs
    assert inputs["authorizedKeys"] == ["ssh-ed25519 login"]
    assert seen["swarm-machines"].inputs["privateKey"] == "the private key and a former one"
    assert "privateKey" in seen["swarm-machines"].secrets
    assert inputs["files"] == [{"path": "/etc/docker/daemon.json", "content": "{}"}]


def test_the_founder_is_a_manager_wherever_it_stands(registered, preview):
    founder = registered(cluster)["swarm-identity"].inputs.get("founder")
    if not preview:
        assert founder["address"] == "manager-1.example"


def test_members_carry_their_role_and_labels(registered):
    seen = registered(cluster)
    assert seen["swarm-worker-1"].inputs["role"] == "worker"
    assert seen["swarm-worker-1"].inputs["labels"] == {"tier": "secondary"}
    assert seen["swarm-manager-2"].inputs["nodeName"] == "sophia-dev-manager-2"


def test_services_get_a_provider_that_believes_this_cluster_only(registered, preview):
    handles = []
    seen = registered(lambda: cluster(handles))
    services, machines = seen["swarm-services"], seen["swarm-machines"]
    assert "privateKey" in services.secrets
    assert seen["swarm-identity"].provider == "swarm-machines"
    if not preview:
        assert services.inputs["clusterId"] == "the-cluster"
        assert "clusterId" not in machines.inputs
        managers = json.loads(services.inputs["managers"])
        assert [manager["address"] for manager in managers] == [
            *("manager-1.example", "manager-2.example", "manager-3.example")
        ]
    (handle,) = handles
    assert [manager.name for manager in handle.managers] == ["manager-1", "manager-2", "manager-3"]
    assert len(handle.members) == 5


def test_what_is_in_the_cluster_ends_with_it(registered):
    """One by one, its deletion would wait for managers that may be dead, and for tasks to move."""

    def program():
        handles = []
        cluster(handles)
        through = pulumi.ResourceOptions(provider=handles[0].provider)
        swarm.Network("a-network", name_prefix="n", opts=through)
        swarm.Secret("a-secret", name_prefix="s", data="d", opts=through)
        swarm.Config("a-config", name_prefix="c", data="d", opts=through)
        swarm.Service("a-service", name="web", image="i", opts=through)

    seen = registered(program)
    inside = [*(f"a-{kind}" for kind in ("network", "secret", "config", "service"))]
    for name in ("swarm-manager-1", "swarm-worker-1", *inside):
        assert seen[name].deleted_with == "swarm-identity", name
    assert seen["swarm-identity"].deleted_with == ""


def test_recovery_is_wished_by_a_managers_name_and_done_at_its_address(registered, preview):
    def program():
        nodes = [node(f"manager-{number}", "manager", "primary") for number in (1, 2, 3)]
        SwarmCluster(
            "swarm",
            SwarmClusterArgs(
                nodes, "ubuntu", login(), ["10.200.0.0/16"], 24, recover_on="manager-2"
            ),
        )

    inputs = registered(program)["swarm-identity"].inputs
    if not preview:
        assert inputs["recoverOn"] == "manager-2.example"

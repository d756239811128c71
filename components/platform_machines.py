"""The platform's machines: the login key, the account, the firewall, and an instance per node."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components import volumes
from components.firewall import Firewall, FirewallArgs
from components.handles import LoginHandle, NodeHandle
from components.lambda_instance import LambdaInstance, LambdaInstanceArgs
from components.plan import names
from components.plan.firewall import Sources
from components.plan.nodes import NodePlan
from components.sensitive import secret
from components.settings_model import Settings
from providers.lambdalabs import resources as lambdalabs
from providers.swarm import resources as swarm


def login(settings: Settings, opts: pulumi.ResourceOptions) -> LoginHandle:
    """The key pair that the operator and the providers log in with."""
    former = settings.former_login.reveal()

    def with_former(keys: str) -> str:
        """After a forced replacement of the pair, machines still know the key of the last `up`."""
        return keys if former in keys else f"{keys}{former}"

    pair = swarm.KeyPair("login", generation=settings.rotation.login_key, opts=opts)
    return LoginHandle(
        public_key=pair.public_key,
        private_key=pair.newest,
        private_keys=pair.private_key.apply(with_former),
        is_first=pair.is_first,
    )


def machines(
    settings: Settings,
    planned: Sequence[NodePlan],
    login: LoginHandle,
    home: swarm.VolumeHome,
    parent: pulumi.Resource,
) -> list[NodeHandle]:
    """All machines, with one key of the account and one firewall for the stack."""
    account = lambdalabs.Provider(
        "account",
        api_url=settings.lambda_api_url,
        api_key=secret(settings.lambda_api_key),
        requests_per_second=settings.pace.requests_per_second,
        launch_interval=settings.pace.launch_interval,
        poll_seconds=settings.pace.poll_seconds,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    key = lambdalabs.SshKey(
        "login-key",
        name=pulumi.Output.all(login.public_key, login.is_first).apply(
            lambda of: names.key(names.physical(settings.prefix, "login"), of[0], is_first=of[1])
        ),
        public_key=login.public_key,
        opts=pulumi.ResourceOptions(parent=parent, provider=account),
    )
    firewall = Firewall(
        "firewall",
        FirewallArgs(
            prefix=settings.prefix,
            machines=planned,
            sources=Sources(settings.firewall.ssh_sources, settings.firewall.gateway_sources),
            gateway_port=settings.gateway.port,
            # Also for networks that are left in this run.
            encrypted=any(
                layout.encrypted for layout in (*settings.layouts, *settings.former_layouts)
            ),
            account_key=key.id,
        ),
        pulumi.ResourceOptions(parent=parent, providers=[account]),
    )
    # A change that would lose the volume is refused before any of it reaches the state.
    of_machines = pulumi.ResourceOptions(parent=parent, providers=[account], depends_on=[home])
    made = [
        LambdaInstance(
            node.name,
            LambdaInstanceArgs(
                plan=node,
                project=settings.project,
                stack=settings.stack,
                user=settings.ssh_user,
                ssh_key_name=key.name,
                ssh_key_id=key.id,
                private_key=login.private_keys,
                registry_server=settings.registry.server,
                registry_ca=settings.registry.ca,
                watched=settings.monitoring.enabled,
                gpu_probe=settings.gpu_probe,
                volumes=volumes.held_by(node.name, [home]),
                confirm_data_loss=settings.confirm_data_loss,
                firewall_rulesets=firewall.rulesets_of(node),
            ),
            of_machines,
        ).handle
        for node in planned
    ]
    return [firewall.admitted(machine) for machine in made]

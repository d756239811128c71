"""One machine of Lambda Cloud, from its host key to "ssh lets us in"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_random as random

from components.handles import NodeHandle
from components.plan import cloud_init, names, node_setup
from components.plan.nodes import NodePlan
from providers.lambdalabs import resources as lambdalabs
from providers.swarm import resources as swarm


@dataclass(frozen=True)
class LambdaInstanceArgs:
    """project, stack: become tags of the machine. user: the image's login user.

    ssh_key_name, ssh_key_id, private_key: of the key that the account and all machines have.
    registry_ca: PEM that the machine's Docker trusts for registry_server, "" for none.
    gpu_probe: use every GPU once before the machine counts as ready.
    firewall_rulesets: by region, ids of the rulesets for a machine that is launched there.
    volumes: ids of those on its disk; confirm_data_loss: the one that may be lost with it, or "".
    watched: whether the machine reports its numbers.
    """

    plan: NodePlan
    project: str
    stack: str
    user: str
    ssh_key_name: pulumi.Input[str]
    ssh_key_id: pulumi.Input[str]
    private_key: pulumi.Input[str]
    registry_server: str
    registry_ca: str
    gpu_probe: bool
    volumes: pulumi.Input[Sequence[str]]
    confirm_data_loss: str
    firewall_rulesets: Mapping[str, Sequence[pulumi.Input[str]]] = field(default_factory=dict)
    watched: bool = False


class LambdaInstance(pulumi.ComponentResource):
    """Rents a machine and waits until it lets us in.

    Pass the account's provider by `ResourceOptions(providers=[…])`. Neither sets the machine up nor
    joins it to a Swarm. With `retain_on_delete` the machine is kept.

    handle: what the Swarm is made from.
    """

    handle: NodeHandle

    def __init__(
        self, name: str, args: LambdaInstanceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:LambdaInstance", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(retain_on_delete=opts.retain_on_delete if opts else None)
        plan = args.plan
        physical = names.physical(names.prefix(args.project, args.stack), plan.name)

        host_key = swarm.KeyPair(f"{name}-host-key", opts=child)
        nonce = random.RandomId(
            f"{name}-nonce",
            byte_length=names.NONCE_BYTES,
            keepers={"image": plan.image_family, "generation": plan.generation},
            # States of the first version have these, too; changing them replaces nothing.
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["keepers.types", "keepers.regions"]
            ),
        )
        # In the state before the launch: a repeated launch has the same name, and adopts.
        launched_as = lambdalabs.InstanceName(
            f"{name}-name", name=nonce.hex.apply(lambda suffix: f"{physical}-{suffix}"), opts=child
        )
        instance = lambdalabs.Instance(
            f"{name}-instance",
            name=launched_as.name,
            instance_types=list(plan.instance_types),
            regions=list(plan.regions),
            image_family=plan.image_family,
            generation=plan.generation,
            ssh_key_name=args.ssh_key_name,
            user_data=_user_data(args, host_key),
            tags={"project": args.project, "stack": args.stack, "node": plan.name},
            account_key=args.ssh_key_id,
            firewall_rulesets={region: list(ids) for region, ids in args.firewall_rulesets.items()},
            volumes=args.volumes,
            # Only for the machine concerned: the others need no update for it.
            confirm_data_loss=pulumi.Output.from_input(args.volumes).apply(
                lambda held: args.confirm_data_loss if args.confirm_data_loss in held else ""
            ),
            opts=pulumi.ResourceOptions.merge(child, kept),
        )
        ready = lambdalabs.InstanceReady(
            f"{name}-ready",
            instance_id=instance.id,
            user=args.user,
            private_key=args.private_key,
            host_key=host_key.public_key,
            gpu_probe=args.gpu_probe and plan.gpu,
            opts=child,
        )
        self.handle = NodeHandle(
            name=plan.name,
            physical_name=physical,
            role=plan.role,
            tier=plan.tier,
            instance_id=instance.id,
            address=ready.address,
            private_address=ready.private_address,
            host_key=host_key.public_key,
            ready=ready,
            files=node_setup.files(
                gpu=plan.gpu,
                registry_server=args.registry_server,
                registry_ca=args.registry_ca,
                watched=args.watched,
            ),
            labels=plan.labels,
        )
        self.register_outputs({"address": ready.address, "instance_id": instance.id})


def _user_data(args: LambdaInstanceArgs, host_key: swarm.KeyPair) -> pulumi.Output[str]:
    def rendered(keys: list[str]) -> str:
        return cloud_init.render(
            cloud_init.FirstBoot(
                user=args.user,
                host_private_key=keys[0],
                host_public_key=keys[1],
            )
        )

    return pulumi.Output.all(host_key.private_key, host_key.public_key).apply(rendered)

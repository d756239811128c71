"""The classes of this package that Pulumi programs use."""

from __future__ import annotations

import pulumi

from providers.lambdalabs import (
    firewall_rules,
    firewall_ruleset,
    instance,
    instance_name,
    instance_ready,
    instance_types,
    provider,
    ssh_key,
)
from providers.runtime import sdk


class Provider(sdk.DeclaredProvider, provider=provider.LambdaLabs):
    """An account of Lambda Cloud, by its API's address and key."""


class SshKey(sdk.Declared, lifecycle=ssh_key.SshKey):
    """A public key that machines can be launched with."""

    name: pulumi.Output[str]
    fingerprint: pulumi.Output[str]


class FirewallRuleset(sdk.Declared, lifecycle=firewall_ruleset.FirewallRuleset):
    """What machines of one region let in; pass its `id` to an `Instance`."""


class FirewallRules(sdk.Declared, lifecycle=firewall_rules.FirewallRules):
    """Some of a ruleset's rules, beside those of other resources."""


class InstanceName(sdk.Declared, lifecycle=instance_name.InstanceName):
    """The name of one machine. Deleting it terminates any unrecorded machine with the name."""

    name: pulumi.Output[str]


class Instance(sdk.Declared, lifecycle=instance.Instance):
    """A machine that has been launched but may still be booting. Its `id` is the machine's."""

    name: pulumi.Output[str]
    status: pulumi.Output[str]
    instance_type: pulumi.Output[str]
    region: pulumi.Output[str]


class InstanceReady(sdk.Declared, lifecycle=instance_ready.InstanceReady):
    """A machine that can be used. May take 20 minutes unless `custom_timeouts` say otherwise."""

    address: pulumi.Output[str]
    private_address: pulumi.Output[str]


def get_instance_types(
    opts: pulumi.InvokeOptions | None = None,
) -> pulumi.Output[dict[str, list[dict[str, object]]]]:
    """`{"instanceTypes": [{"name", "priceCentsPerHour", "regions", …}]}` of the account."""
    return sdk.invoke(instance_types.GetInstanceTypes, opts)

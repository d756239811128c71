"""What workloads stand on in these tests."""

import pulumi

from components.handles import ClusterHandle, Ground, NetworkHandle, RegistryHandle


def ground(
    provider: pulumi.ProviderResource, networks: tuple[str, ...] = ("services", "data")
) -> Ground:
    """A cluster without machines, and networks called `id-of-<name>`."""
    return Ground(
        "sophia-dev",
        ClusterHandle(provider, pulumi.Output.from_input("c"), (), ()),
        {name: NetworkHandle(name, pulumi.Output.from_input(f"id-of-{name}")) for name in networks},
        RegistryHandle("registry.example", "", "u", pulumi.Output.secret("pw")),
    )

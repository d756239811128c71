"""What workloads stand on in these tests."""

import pulumi

from components.handles import ClusterHandle, Ground, NetworkHandle, NodeHandle, RegistryHandle

DIGEST = f"sha256:{64 * '0'}"
"""As images have it."""


def ground(
    provider: pulumi.ProviderResource,
    networks: tuple[str, ...] = ("services", "data"),
    managers: tuple[NodeHandle, ...] = (),
) -> Ground:
    """A cluster of these managers, and networks called `id-of-<name>`."""
    return Ground(
        "sophia-dev",
        ClusterHandle(provider, pulumi.Output.from_input("c"), (), managers),
        {name: NetworkHandle(name, pulumi.Output.from_input(f"id-of-{name}")) for name in networks},
        RegistryHandle("registry.example", "", "u", pulumi.Output.secret("pw")),
    )

"""The values everything is made from, valid once they exist. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from components.catalog.model import Server
from components.plan import names, networks
from components.plan.gateway import Caller
from components.plan.monitoring import Email
from components.plan.nodes import NodeGroup
from components.reading import Fault

NAMED_AFTER = "named_after"
"""Output of a stack: the name it had when it was up first, which all its objects are called after.
`pulumi stack rename` renames nothing else."""
SUBNET_SIZE = "subnet_size"
"""Output of a stack: the prefix length of its networks, which is fixed once the Swarm exists."""
LOGIN_KEY = "ssh_private_key"
"""Output of a stack: the newest private key of its machines' login."""


class Sensitive:
    """A value that cannot be printed by accident; `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for where it must be used."""
        return self._value

    def __repr__(self) -> str:
        return "Sensitive(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sensitive) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True)
class Registry:
    """Where images are pushed to and pulled from. ca: PEM that nodes trust, "" for public ones.

    repository: path below the server that images are put in, "" for none.
    """

    server: str
    username: str
    password: Sensitive
    ca: str
    repository: str


@dataclass(frozen=True)
class Overlay:
    """Addresses of the Swarm's networks. mtu: bytes, 0 for Docker's own choice."""

    address_pools: tuple[str, ...]
    subnet_size: int
    encrypted: bool
    mtu: int


@dataclass(frozen=True)
class Gateway:
    """Where MCP clients come in. port: on every manager.

    hosts: DNS names of one's own, beside the managers' addresses, the first one in clients' files.
    origins: websites whose scripts may call (`https://app.example.com`).
    callers: those with a token of their own.
    certificate: a PEM chain of one's own, "" for one of the platform's CA; private_key: its key.
    """

    port: int
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    callers: tuple[Caller, ...]
    certificate: str
    private_key: Sensitive


@dataclass(frozen=True)
class Backend:
    """What stands in the place of the platform's own backend. image: with its digest, "" for none.

    health: the command that tells whether it is well. env, secrets: what it gets, by variable.
    """

    image: str
    health: tuple[str, ...]
    env: Mapping[str, str]
    secrets: Mapping[str, Sensitive]


@dataclass(frozen=True)
class Monitoring:
    """Whether the platform is watched, and how people are told. slack: where Slack takes messages,
    "" for none. email: None for none; password: of its user.
    """

    enabled: bool
    slack: Sensitive
    email: Email | None
    password: Sensitive


@dataclass(frozen=True)
class Firewall:
    """Who may come in from outside, as IPv4 networks. unprotected_regions: those without a
    firewall in which machines are rented all the same.
    """

    ssh_sources: tuple[str, ...]
    gateway_sources: tuple[str, ...]
    unprotected_regions: tuple[str, ...]


@dataclass(frozen=True)
class Rotation:
    """Tokens; another one makes a new login key, or new join tokens."""

    login_key: str
    join_tokens: str


@dataclass(frozen=True)
class Pace:
    """How fast the account's API may be asked: requests a second, seconds between two launches,
    seconds between two looks at one machine.
    """

    requests_per_second: float
    launch_interval: float
    poll_seconds: float


@dataclass(frozen=True)
class Settings:
    """A whole platform's configuration.

    stack: the name that objects are called after, see NAMED_AFTER.
    servers: the catalog entries to deploy, with the operator's own settings. credentials: those
    that the operator gives, by server and then by environment variable.
    volumes: the node that a volume is wanted on, by the volume's name. confirm_data_loss: id of the
    volume that may be lost, or "".
    recover_on: name of the manager that goes on alone when the majority is lost, or "".
    prices: US cents an hour, by instance type, as far as the cloud tells.
    max_usd_per_hour: what all machines may cost, 0 for no limit.
    former_login: what the last `up` handed out as LOGIN_KEY, or "". former_networks: those that it
    left each workload on; former_layouts: theirs, newest first.
    """

    project: str
    stack: str
    lambda_api_url: str
    lambda_api_key: Sensitive
    pace: Pace
    ssh_user: str
    node_groups: tuple[NodeGroup, ...]
    registry: Registry
    base_image: str
    overlay: Overlay
    gateway: Gateway
    backend: Backend
    monitoring: Monitoring
    firewall: Firewall
    gpu_probe: bool
    servers: tuple[Server, ...]
    credentials: Mapping[str, Mapping[str, Sensitive]]
    volumes: Mapping[str, str]
    confirm_data_loss: str
    recover_on: str
    prices: Mapping[str, int]
    rotation: Rotation
    max_usd_per_hour: float
    former_login: Sensitive = Sensitive("")
    former_networks: Mapping[str, Collection[str]] = field(default_factory=dict)
    former_layouts: Sequence[networks.Layout] = ()

    @property
    def layouts(self) -> tuple[networks.Layout, ...]:
        """Those of this run's networks, the wanted one first."""
        return networks.layouts(self.overlay.encrypted, self.overlay.mtu, self.former_layouts)

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that each layout has."""
        return networks.needed(self.monitoring.enabled)

    @property
    def prefix(self) -> str:
        """What the physical name of everything starts with."""
        return names.prefix(self.project, self.stack)


@dataclass(frozen=True)
class Offers:
    """What the cloud rents out. prices: US cents an hour, by type. regions: every region that any
    offer or image names.
    """

    prices: Mapping[str, int]
    regions: frozenset[str]


LOST = "this stack's state is lost or in another backend"


class SettingsError(Exception):
    """Why nothing is planned: all errors, one a line.

    faults: of configuration and catalog. lost: of a state that doesn't know the stack's machines.
    """

    def __init__(self, faults: Sequence[Fault], lost: Sequence[Fault] = ()) -> None:
        self.faults, self.lost = faults, lost
        count = "1 error" if len(faults) == 1 else f"{len(faults)} errors"
        headed = {f"{count} in the configuration": faults, LOST: lost}
        texts = [_list(heading, found) for heading, found in headed.items() if found]
        super().__init__("\n".join(texts))


def _list(heading: str, faults: Sequence[Fault]) -> str:
    return "\n  ".join((f"{heading}; nothing was changed.", *map(str, faults)))

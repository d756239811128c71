"""The values from which everything is made; valid by construction. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from components.catalog.model import Server
from components.plan import names, networks
from components.plan.backup import Repository
from components.plan.gateway import Caller
from components.plan.monitoring import Email
from components.plan.nodes import NodeGroup
from components.plan.tracing import Tracing
from components.reading import Fault

NAMED_AFTER = "named_after"
"""Output of a stack: its name at the first `up`, after which all its objects are named.
`pulumi stack rename` renames none of them."""
SUBNET_SIZE = "subnet_size"
"""Output of a stack: the prefix length of its networks, which is fixed once the Swarm exists."""
TOKENS, FORMER_TOKENS = "gateway_tokens", "gateway_former_tokens"
AUTHORITY = "ca_certificate"
"""Outputs of a stack: its callers' tokens, and those before them that are still good; by name."""
LOGIN_KEY = "ssh_private_key"
"""Output of a stack: the newest private key for logging in to its machines."""


class Sensitive:
    """A value that can't be printed by accident; only `reveal` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the place that needs it."""
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

    repository: path below the server for images, "" for none.
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
    """Where MCP clients connect. port: on every manager.

    hosts: the operator's DNS names, in addition to the managers' addresses; clients' files use the
    first.
    origins: websites whose scripts may call (`https://app.example.com`).
    callers: those with their own token.
    certificate: the operator's PEM chain, "" for one of the platform's CA; private_key: its key.
    keep_former_ca: whether the platform's former CA is still the one that signs.
    """

    port: int
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    callers: tuple[Caller, ...]
    certificate: str
    private_key: Sensitive
    keep_former_ca: bool


@dataclass(frozen=True)
class Backend:
    """The operator's replacement of the platform's backend. image: with its digest, "" for none.

    health: the command that checks it. env, secrets: what it gets, by variable.
    """

    image: str
    health: tuple[str, ...]
    env: Mapping[str, str]
    secrets: Mapping[str, Sensitive]


@dataclass(frozen=True)
class Monitoring:
    """Whether the platform is watched, and how people are told. slack: where Slack takes messages,
    "" for none. heartbeat: where somebody outside waits for one each minute, "" for none. email:
    None for none; password: of its user. gpu_exporter: NVIDIA's image with its digest, "" for none.
    max_usd_per_month: what the machines may cost, 0 for no limit. runbooks: below which address
    people read this repository's files, "" for none.
    """

    enabled: bool
    gpu_exporter: str
    max_usd_per_month: float
    slack: Sensitive
    heartbeat: Sensitive
    email: Email | None
    password: Sensitive
    runbooks: str


@dataclass(frozen=True)
class Backup:
    """The database's backups. access_key, secret_key: S3's. passphrase: that they are encrypted
    with, "" for one of the stack's own.
    """

    repository: Repository
    access_key: Sensitive
    secret_key: Sensitive
    passphrase: Sensitive


@dataclass(frozen=True)
class OwnDatabase:
    """The operator's, in place of the platform's. address: for its check; url: for servers.

    backups: where these are checked if SQL doesn't tell of them, else "".
    """

    address: Sensitive
    url: Sensitive
    backups: str


@dataclass(frozen=True)
class Firewall:
    """Who may connect from outside, as IPv4 networks. unprotected_regions: regions without a
    firewall in which machines are rented anyway.
    """

    ssh_sources: tuple[str, ...]
    gateway_sources: tuple[str, ...]
    unprotected_regions: tuple[str, ...]


@dataclass(frozen=True)
class Rotation:
    """Tokens; another text makes a new login key, new join tokens, a new password of the
    database, a new CA of the gateway."""

    login_key: str
    join_tokens: str
    database: str
    gateway_ca: str


@dataclass(frozen=True)
class Pace:
    """How fast the account's API may be called: requests per second, seconds between two launches,
    seconds between two polls of one machine.
    """

    requests_per_second: float
    launch_interval: float
    poll_seconds: float


@dataclass(frozen=True)
class Settings:
    """A whole platform's configuration.

    stack: the name after which objects are named, see NAMED_AFTER.
    backup: None for no backups. database: None for the platform's own. tracing: None for no traces.
    standby: whether the database has one.
    servers: the catalog entries to deploy, with the operator's own settings. credentials: from the
    operator, by server and then by environment variable.
    refresh_images: a word; a different one rebuilds all images.
    volumes: the wanted node of a volume, by the volume's name. confirm_data_loss: id of the
    volume that may be lost, or "".
    logs: whether logs of all nodes are kept in one place.
    recover_on: name of the manager that continues alone after the majority is lost, or "".
    prices: US cents per hour, by instance type, as far as the cloud reports them.
    max_usd_per_hour: what all machines may cost, 0 for no limit.
    former_login: the last `up`'s output LOGIN_KEY, or "". last_tokens, former_tokens: what callers
    had after it, and what they had before; by name. last_authority: its output AUTHORITY.
    former_networks: where it left each workload; former_layouts: of its networks, newest first.
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
    refresh_images: str
    overlay: Overlay
    gateway: Gateway
    backend: Backend
    monitoring: Monitoring
    logs: bool
    backup: Backup | None
    database: OwnDatabase | None
    tracing: Tracing | None
    standby: bool
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
    last_tokens: Mapping[str, Sensitive] = field(default_factory=dict)
    former_tokens: Mapping[str, Sensitive] = field(default_factory=dict)
    last_authority: str = ""
    former_networks: Mapping[str, Collection[str]] = field(default_factory=dict)
    former_layouts: Sequence[networks.Layout] = ()

    @property
    def layouts(self) -> tuple[networks.Layout, ...]:
        """The layouts of this run's networks, the wanted one first."""
        return networks.layouts(self.overlay.encrypted, self.overlay.mtu, self.former_layouts)

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that each layout has."""
        return networks.needed(
            backups=self.backup is not None,
            monitored=self.monitoring.enabled,
            standby=self.standby,
            logged=self.logs,
        )

    @property
    def prefix(self) -> str:
        """The prefix of all physical names."""
        return names.prefix(self.project, self.stack)


@dataclass(frozen=True)
class Offers:
    """What the cloud offers. prices: US cents per hour, by type. regions: every region that an
    offer or image names.
    """

    prices: Mapping[str, int]
    regions: frozenset[str]


LOST = "this stack's state is lost or in another backend"


class SettingsError(Exception):
    """Why nothing is planned: all errors, one per line.

    faults: of configuration and catalog. lost: if the state doesn't know the stack's machines.
    """

    def __init__(self, faults: Sequence[Fault], lost: Sequence[Fault] = ()) -> None:
        self.faults, self.lost = faults, lost
        count = "1 error" if len(faults) == 1 else f"{len(faults)} errors"
        headed = {f"{count} in the configuration": faults, LOST: lost}
        texts = [_list(heading, found) for heading, found in headed.items() if found]
        super().__init__("\n".join(texts))


def _list(heading: str, faults: Sequence[Fault]) -> str:
    return "\n  ".join((f"{heading}; nothing was changed.", *map(str, faults)))

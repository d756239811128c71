"""The package `lambdalabs`: its configuration and its resources."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from providers.lambdalabs import slots
from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.firewall_rules import FirewallRules
from providers.lambdalabs.firewall_ruleset import FirewallRuleset
from providers.lambdalabs.instance import Instance
from providers.lambdalabs.instance_name import InstanceName
from providers.lambdalabs.instance_ready import InstanceReady
from providers.lambdalabs.instance_types import GetInstanceTypes
from providers.lambdalabs.pacer import Pacer
from providers.lambdalabs.ssh_key import SshKey
from providers.runtime.declare import Fault, Provider, prop


@dataclass(frozen=True)
class LambdaLabsConfig:
    api_key: str = prop(secret=True, doc="Lambda Cloud API key.")
    api_url: str = prop(
        default="https://cloud.lambda.ai/api/v1", doc="The API's address with its version."
    )
    requests_per_second: float = prop(default=1.0, doc="The account's limit on all requests.")
    launch_interval: float = prop(default=12.0, doc="Seconds between two launches.")
    poll_seconds: float = prop(default=5.0, doc="Seconds between two polls of one machine.")


class LambdaLabs(Provider):
    """Machines of Lambda Cloud."""

    name = "lambdalabs"
    version = "0.1.0"
    Config = LambdaLabsConfig
    lifecycles = (
        SshKey,
        FirewallRuleset,
        FirewallRules,
        InstanceName,
        Instance,
        InstanceReady,
    )
    functions = (GetInstanceTypes,)

    @staticmethod
    def check_config(config: LambdaLabsConfig) -> list[Fault]:
        faults = []
        if not config.api_key:
            faults.append(Fault("apiKey", "got an empty string, expected an API key"))
        address = urlsplit(config.api_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            faults.append(
                Fault("apiUrl", f"got {config.api_url!r}, expected http(s)://<host>/<version path>")
            )
        for path, value in (
            ("requestsPerSecond", config.requests_per_second),
            ("pollSeconds", config.poll_seconds),
        ):
            if value <= 0:
                faults.append(Fault(path, f"got {value:g}, expected more than 0"))
        if config.launch_interval < 0:
            faults.append(Fault("launchInterval", f"got {config.launch_interval:g}, expected ≥ 0"))
        return faults

    def configure(self, config: LambdaLabsConfig) -> Account:
        return Account(
            LambdaClient(config.api_url, config.api_key, _spare_key(config.api_url)),
            Pacer(
                config.requests_per_second,
                config.launch_interval,
                slots=slots.shared(
                    os.environ.get("XDG_RUNTIME_DIR", ""), config.api_url, config.api_key
                ),
            ),
            poll_seconds=config.poll_seconds,
            search_seconds=max(3.0, 2 * config.launch_interval),
        )


def _spare_key(api_url: str) -> str:
    """The environment's key, unless it is meant for another address: never send it here then."""
    address = os.environ.get("LAMBDA_API_URL", "")
    meant = not address or address.rstrip("/") == api_url.rstrip("/")
    return os.environ.get("LAMBDA_API_KEY", "") if meant else ""

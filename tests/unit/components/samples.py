"""Configuration that is good, and how the tests of its rules change, complete and read it."""

import copy

from components.catalog.loader import Catalog
from components.catalog.model import SecretVariable, Server
from components.settings_model import Offers
from components.settings_rules import read
from tests.support.catalog import FOLDER, whole

CATALOG = FOLDER
OFFERS = Offers(
    {"cpu_4x_general": 20, "gpu_1x_a10": 75, "gpu_8x_h100_sxm5": 2392, "gpu_1x_gh200": 149},
    frozenset({"us-east-1", "moon-1"}),
)
GOOD = {
    "lambdaApiKey": "key-that-nobody-may-see",
    "nodeGroups": [
        {
            "name": "manager",
            "count": 3,
            "role": "manager",
            "tier": "primary",
            "instanceTypes": ["cpu_4x_general"],
            "regions": ["us-east-1"],
        },
        {
            "name": "worker",
            "count": 1,
            "role": "worker",
            "tier": "secondary",
            "instanceTypes": ["gpu_1x_a10"],
            "regions": ["us-east-1", "moon-1"],
        },
    ],
    "servers": ["ai_memory", "lambda_labs_cli"],
    "registry": {
        "server": "registry.example:5000",
        "username": "u",
        "password": "pw-that-nobody-may-see",
    },
}

ENVIRONMENT = {
    "LAMBDA_API_URL": "http://127.0.0.1:1/api/v1",
    "LAMBDA_API_KEY": "key",
    "SOPHIA_REGISTRY_SERVER": "registry.example:5000",
    "SOPHIA_REGISTRY_USERNAME": "user",
    "SOPHIA_REGISTRY_PASSWORD": "password",
    "SOPHIA_BASE_IMAGE": "local/base:1",
}


def check(values, catalog=None, *, stack="dev", offers=OFFERS):
    catalog = catalog if catalog is not None else whole()
    settings, faults = read(values, project="sophia", stack=stack, catalog=catalog, offers=offers)
    return settings, [str(fault) for fault in faults]


def changed(**changes):
    return {**copy.deepcopy(GOOD), **changes}


def asking(*variables):
    """A catalog of one server, which asks for these credentials."""
    deploy = whole().servers[0].deploy
    secrets = tuple(SecretVariable(name, "", "", True) for name in variables)
    return Catalog((Server("a", deploy, secrets=secrets),))

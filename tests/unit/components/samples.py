"""Configuration that is good, and how the tests of its rules change and read it."""

import copy
from pathlib import Path

from components.catalog import loader
from components.settings_model import Offers
from components.settings_rules import read

CATALOG = Path(__file__).parents[3] / "mcp_catalog"
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


def check(values, catalog=None, *, stack="dev", offers=OFFERS):
    catalog = catalog if catalog is not None else loader.load(CATALOG)
    settings, faults = read(values, project="sophia", stack=stack, catalog=catalog, offers=offers)
    return settings, [str(fault) for fault in faults]


def changed(**changes):
    return {**copy.deepcopy(GOOD), **changes}

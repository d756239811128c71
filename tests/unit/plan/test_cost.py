"""The report on a platform's cost before anything is rented."""

from dataclasses import replace

import pytest

from components.plan import cost
from components.plan.nodes import NodeGroup

MANAGERS = NodeGroup(
    name="manager",
    count=3,
    role="manager",
    tier="primary",
    instance_types=("cpu_4x_general",),
    regions=("us-east-1",),
    image_family="lambda-stack-24-04",
    generation="1",
)
WORKERS = replace(MANAGERS, name="gpu", count=2, instance_types=("gpu_1x_a10", "gpu_1x_a100"))
CENTS = {"cpu_4x_general": 20, "gpu_1x_a10": 75, "gpu_1x_a100": 129}


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        ([MANAGERS], "expected cost: $0.60 an hour, $438.00 a month (3 cpu_4x_general at $0.20)"),
        (
            [MANAGERS, replace(WORKERS, count=0)],
            "expected cost: $0.60 an hour, $438.00 a month (3 cpu_4x_general at $0.20)",
        ),
        (
            [MANAGERS, WORKERS],
            "expected cost: $2.10 an hour, $1,533.00 a month (3 cpu_4x_general at $0.20,"
            " 2 gpu_1x_a10 at $0.75); at most $3.18 an hour if only dearer types of the lists"
            " are free",
        ),
        (
            [MANAGERS, replace(WORKERS, instance_types=("gpu_1x_new", "gpu_1x_a10"))],
            "expected cost: $0.60 an hour, $438.00 a month (3 cpu_4x_general at $0.20,"
            " 2 gpu_1x_new at an unknown price); at most $2.10 an hour if only dearer types of"
            " the lists are free; not counted, as the API reports no price: gpu_1x_new",
        ),
    ],
)
def test_the_first_listed_types_are_added_up(groups, line):
    assert cost.expected(groups, CENTS) == line

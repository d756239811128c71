"""What the cloud offers: regions, instance types with their price and shape, machine images.

Names, shapes and prices are from Lambda's public list; the simulator decides where capacity is.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

REGIONS: dict[str, str] = {
    "us-east-1": "Virginia, USA",
    "us-east-2": "Washington DC, USA",
    "us-east-3": "Washington DC, USA",
    "us-midwest-1": "Illinois, USA",
    "us-midwest-2": "Ohio, USA",
    "us-south-1": "Texas, USA",
    "us-south-2": "North Texas, USA",
    "us-south-3": "Central Texas, USA",
    "us-west-1": "California, USA",
    "us-west-2": "Arizona, USA",
    "us-west-3": "Utah, USA",
    "europe-central-1": "Germany",
    "asia-northeast-1": "Osaka, Japan",
    "asia-northeast-2": "Tokyo, Japan",
    "asia-south-1": "India",
    "australia-east-1": "Australia",
    "me-west-1": "Israel",
}


@dataclass(frozen=True)
class Offer:
    """An instance type, and the regions that have it by default."""

    name: str
    description: str
    gpu: str
    cents_per_hour: int
    vcpus: int
    memory_gib: int
    storage_gib: int
    gpus: int
    regions: tuple[str, ...]
    architecture: str = "x86_64"


_A10, _A6000 = "A10 (24 GB PCIe)", "A6000 (48 GB)"
_A100, _A100_80 = "A100 (40 GB SXM4)", "A100 (80 GB SXM4)"
_H100, _H100_PCIE = "H100 (80 GB SXM5)", "H100 (80 GB PCIe)"
_B200, _GH200 = "B200 (180 GB SXM6)", "GH200 (96 GB)"

OFFERS: dict[str, Offer] = {
    offer.name: offer
    for offer in (
        Offer("cpu_4x_general", "4x CPU General", "N/A", 20, 4, 16, 128, 0,
              ("us-east-1", "us-west-1", "us-south-1")),
        Offer("gpu_1x_a10", f"1x {_A10}", _A10, 75, 30, 200, 1400, 1,
              ("us-east-1", "us-west-1", "us-west-2")),
        Offer("gpu_1x_a6000", f"1x {_A6000}", _A6000, 80, 14, 100, 200, 1, ("us-south-1",)),
        Offer("gpu_2x_a6000", f"2x {_A6000}", _A6000, 160, 28, 200, 1024, 2, ("us-south-1",)),
        Offer("gpu_4x_a6000", f"4x {_A6000}", _A6000, 320, 56, 400, 1024, 4, ()),
        Offer("gpu_1x_a100_sxm4", f"1x {_A100}", _A100, 129, 30, 200, 512, 1,
              ("us-east-1", "us-west-2", "asia-northeast-1")),
        Offer("gpu_8x_a100", f"8x {_A100}", _A100, 1032, 124, 1800, 6144, 8, ("us-west-1",)),
        Offer("gpu_8x_a100_80gb_sxm4", f"8x {_A100_80}", _A100_80, 1432, 240, 1800, 20480, 8,
              ("us-midwest-1",)),
        Offer("gpu_1x_h100_pcie", f"1x {_H100_PCIE}", _H100_PCIE, 249, 26, 200, 1024, 1,
              ("us-west-3", "us-east-1")),
        Offer("gpu_1x_h100_sxm5", f"1x {_H100}", _H100, 329, 26, 225, 2816, 1,
              ("us-south-2", "us-south-3")),
        Offer("gpu_2x_h100_sxm5", f"2x {_H100}", _H100, 638, 52, 450, 5632, 2, ("us-south-2",)),
        Offer("gpu_4x_h100_sxm5", f"4x {_H100}", _H100, 1236, 104, 900, 11264, 4, ()),
        Offer("gpu_8x_h100_sxm5", f"8x {_H100}", _H100, 2392, 208, 1800, 22528, 8,
              ("us-south-2", "us-south-3", "us-east-1")),
        Offer("gpu_1x_gh200", f"1x {_GH200}", _GH200, 149, 64, 432, 4096, 1, ("us-east-3",),
              "arm64"),
        Offer("gpu_1x_b200_sxm6", f"1x {_B200}", _B200, 529, 26, 360, 2816, 1, ("us-east-1",)),
        Offer("gpu_8x_b200_sxm6", f"8x {_B200}", _B200, 3992, 208, 2900, 22528, 8, ()),
    )
}  # fmt: skip


@dataclass(frozen=True)
class MachineImage:
    """A machine image of one region; ids differ from region to region."""

    name: str
    family: str
    version: str
    description: str
    architecture: str
    region: str

    @property
    def id(self) -> str:
        """Always the same for the same image."""
        text = f"{self.name}/{self.architecture}/{self.region}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


_FAMILIES = (
    ("lambda-stack-22-04", "22.4.5", "Lambda Stack 22.04"),
    ("lambda-stack-24-04", "24.4.2", "Lambda Stack 24.04"),
    ("gpu-base-22-04", "22.4.3", "GPU Base 22.04"),
    ("gpu-base-24-04", "24.4.1", "GPU Base 24.04"),
)


def images() -> list[MachineImage]:
    """Every image of every region: arm64 ones where such machines are."""
    arm = {region for offer in OFFERS.values() if offer.architecture == "arm64"
           for region in offer.regions}  # fmt: skip
    return [
        MachineImage(f"{family}-{version}", family, version, text, architecture, region)
        for region in REGIONS
        for architecture in (("x86_64", "arm64") if region in arm else ("x86_64",))
        for family, version, text in _FAMILIES
    ]


def default_family(region: str) -> str:
    """The default family of a launch without an image; it differs by region, as in reality."""
    return "lambda-stack-24-04" if region.startswith("us-east") else "lambda-stack-22-04"

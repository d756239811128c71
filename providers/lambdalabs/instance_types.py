"""`getInstanceTypes`: what can be rented, at what price, and where it is available now."""

from __future__ import annotations

from dataclasses import dataclass

from providers.lambdalabs.account import Account
from providers.runtime.declare import Function, prop

CALL_SECONDS = 120.0


@dataclass(frozen=True)
class InstanceTypesInputs:
    pass


@dataclass(frozen=True)
class InstanceType:
    name: str = prop(doc="For example gpu_1x_a10.")
    description: str = prop(doc="As Lambda Cloud shows it.")
    price_cents_per_hour: int = prop(doc="US cents.")
    vcpus: int = prop(doc="Virtual processors.")
    memory_gib: int = prop(doc="GiB of memory.")
    storage_gib: int = prop(doc="GiB of disk.")
    gpus: int = prop(doc="GPUs of one machine.")
    regions: list[str] = prop(doc="Regions in which one is available now.")


@dataclass(frozen=True)
class InstanceTypesOutputs:
    instance_types: list[InstanceType] = prop(doc="Sorted by name.")


class GetInstanceTypes(Function[InstanceTypesInputs, InstanceTypesOutputs]):
    """Prices and available capacity of all instance types."""

    token = "lambdalabs:index:getInstanceTypes"
    Inputs, Outputs = InstanceTypesInputs, InstanceTypesOutputs

    def __init__(self, account: Account) -> None:
        self._account = account

    async def call(self, inputs: InstanceTypesInputs) -> InstanceTypesOutputs:
        offers = await self._account.calls_outside(CALL_SECONDS).offers()
        return InstanceTypesOutputs(
            [
                InstanceType(
                    name=offer.name,
                    description=offer.description,
                    price_cents_per_hour=offer.price_cents_per_hour,
                    vcpus=offer.vcpus,
                    memory_gib=offer.memory_gib,
                    storage_gib=offer.storage_gib,
                    gpus=offer.gpus,
                    regions=list(offer.regions),
                )
                for _, offer in sorted(offers.items())
            ]
        )

"""Lambda Cloud's answers, and what the tools make of them: short, without credentials.

Only the fields that are used are read (reference: the API's OpenAPI document, version 1.8.3).
"""

from pydantic import BaseModel, Field


class Region(BaseModel):
    """As the API has it."""

    name: str


class Specs(BaseModel):
    """As the API has it."""

    vcpus: int
    memory_gib: int
    storage_gib: int
    gpus: int


class ApiInstanceType(BaseModel):
    """As the API has it."""

    name: str
    description: str
    price_cents_per_hour: int
    specs: Specs


class ApiOffer(BaseModel):
    """As the API has it: a type and where it can be had now."""

    instance_type: ApiInstanceType
    regions_with_capacity_available: list[Region]


class ApiInstance(BaseModel):
    """As the API has it, without its Jupyter address and token."""

    id: str
    status: str
    region: Region
    instance_type: ApiInstanceType
    name: str | None = None
    ip: str | None = None
    private_ip: str | None = None


class InstanceType(BaseModel):
    """A machine that can be rented."""

    name: str
    description: str
    usd_per_hour: float
    gpus: int
    vcpus: int
    memory_gib: int
    storage_gib: int
    regions_with_capacity: list[str] = Field(description="Where it can be launched right now")


class InstanceTypes(BaseModel):
    """Instance types, cheapest first."""

    instance_types: list[InstanceType]


class Instance(BaseModel):
    """A rented machine."""

    id: str
    name: str | None
    status: str = Field(
        description="booting, active, unhealthy, terminating, terminated or preempted"
    )
    instance_type: str
    region: str
    ip: str | None
    private_ip: str | None
    usd_per_hour: float


class Instances(BaseModel):
    """Rented machines by name."""

    instances: list[Instance]
    usd_per_hour: float = Field(description="Of all listed together")


def instance_type(offer: ApiOffer) -> InstanceType:
    """An offer, shortened."""
    kind = offer.instance_type
    return InstanceType(
        name=kind.name,
        description=kind.description,
        usd_per_hour=kind.price_cents_per_hour / 100,
        gpus=kind.specs.gpus,
        vcpus=kind.specs.vcpus,
        memory_gib=kind.specs.memory_gib,
        storage_gib=kind.specs.storage_gib,
        regions_with_capacity=sorted(r.name for r in offer.regions_with_capacity_available),
    )


def instance(machine: ApiInstance) -> Instance:
    """A rented machine, shortened."""
    return Instance(
        id=machine.id,
        name=machine.name or None,
        status=machine.status,
        instance_type=machine.instance_type.name,
        region=machine.region.name,
        ip=machine.ip,
        private_ip=machine.private_ip,
        usd_per_hour=machine.instance_type.price_cents_per_hour / 100,
    )

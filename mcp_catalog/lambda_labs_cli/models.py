"""Lambda Cloud's answers (OpenAPI document 1.8.3), flat, and without the credentials in them."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AliasChoices, AliasPath, BaseModel, BeforeValidator, Field

T = TypeVar("T")


def _names(regions: object) -> object:
    if not isinstance(regions, list):
        return regions
    return [one.get("name") if isinstance(one, dict) else one for one in regions]


def _at(*path: str, description: str | None = None) -> Any:
    return Field(validation_alias=AliasPath(*path), description=description)


_Usd = Annotated[float, AfterValidator(lambda cents: cents / 100)]
_Names = Annotated[list[str], BeforeValidator(_names), AfterValidator(sorted)]


class Data(BaseModel, Generic[T]):
    """What every answer comes in."""

    data: T


class InstanceType(BaseModel):
    """A machine that can be rented."""

    name: str = _at("instance_type", "name")
    description: str = _at("instance_type", "description")
    usd_per_hour: _Usd = _at("instance_type", "price_cents_per_hour")
    gpus: int = _at("instance_type", "specs", "gpus")
    vcpus: int = _at("instance_type", "specs", "vcpus")
    memory_gib: int = _at("instance_type", "specs", "memory_gib")
    storage_gib: int = _at("instance_type", "specs", "storage_gib")
    regions_with_capacity: _Names = _at(
        "regions_with_capacity_available", description="Where it can be launched right now"
    )


class InstanceTypes(BaseModel):
    """Instance types, cheapest first."""

    instance_types: list[InstanceType]


class Tag(BaseModel):
    """A word on a machine."""

    key: str
    value: str


class Instance(BaseModel):
    """A rented machine."""

    id: str
    name: str | None = None
    status: str = Field(description="booting, active, unhealthy, terminating, terminated or so")
    instance_type: str = _at("instance_type", "name")
    region: str = _at("region", "name")
    ip: str | None = None
    private_ip: str | None = None
    usd_per_hour: _Usd = _at("instance_type", "price_cents_per_hour")
    tags: list[Tag] = Field(default_factory=list)


class Instances(BaseModel):
    """Rented machines by name."""

    instances: list[Instance]
    usd_per_hour: float = Field(description="Of all listed that are not ending")


class Changed(BaseModel):
    """The answer to a restart or a termination."""

    instances: list[Instance] = Field(
        validation_alias=AliasChoices("restarted_instances", "terminated_instances")
    )


class SshKey(BaseModel):
    """A public key of the account."""

    name: str
    public_key: str


class FileSystem(BaseModel):
    """A shared file system."""

    name: str
    mount_point: str
    region: str = _at("region", "name")
    is_in_use: bool


class Image(BaseModel):
    """What machines start from; a launch takes the newest of a family."""

    family: str
    name: str
    version: str
    architecture: str
    region: str = _at("region", "name")
    updated_time: datetime


class Launch(BaseModel):
    """The answer to a launch, which is of one machine."""

    instance_ids: Annotated[list[str], Field(min_length=1)]


class Launched(BaseModel):
    """A machine that costs money until it is terminated."""

    instance_id: str
    region: str
    usd_per_hour: float
    account_usd_per_hour: float = Field(description="Of all the account's machines together")

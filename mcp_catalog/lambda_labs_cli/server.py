"""What Lambda Cloud offers and what of it is rented; launches and ends machines where allowed.

Answers are those of its OpenAPI document 1.8.3, flat, and without the credentials in them.
"""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, Field
from sophia_mcp.fields import at
from sophia_mcp.policy import destroys, reads, writes
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Limits, Upstream, bearer


def _name(region: object) -> object:
    return region.get("name") if isinstance(region, dict) else region


_Name = Annotated[str, Field(min_length=1, max_length=100)]
_Region = Annotated[str | None, Field(min_length=1, max_length=100, description="Like us-west-1")]
_Ids = Annotated[list[_Name], Field(min_length=1, max_length=20, description="Instances' ids")]
_Family = Annotated[str | None, Field(max_length=100, description="Like lambda-stack-24-04")]
_ToFind = Annotated[str, Field(min_length=1, max_length=64, description="To find it again")]
_Available = Annotated[bool, Field(description="Leave out types that have no capacity there now")]
_Least = Annotated[int, Field(ge=0, le=100_000, description="At least so many")]
_Usd = Annotated[float, AfterValidator(lambda cents: cents / 100)]
_InRegion = Annotated[str, BeforeValidator(_name)]

_OPERATION = ("POST", "instance-operations")


class InstanceType(BaseModel):
    """A machine that can be rented."""

    name: str = at("instance_type", "name")
    description: str = at("instance_type", "description")
    usd_per_hour: _Usd = at("instance_type", "price_cents_per_hour")
    gpus: int = at("instance_type", "specs", "gpus")
    vcpus: int = at("instance_type", "specs", "vcpus")
    memory_gib: int = at("instance_type", "specs", "memory_gib")
    storage_gib: int = at("instance_type", "specs", "storage_gib")
    regions_with_capacity: Annotated[list[_InRegion], AfterValidator(sorted)] = at(
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
    instance_type: str = at("instance_type", "name")
    region: _InRegion
    ip: str | None = None
    private_ip: str | None = None
    usd_per_hour: _Usd = at("instance_type", "price_cents_per_hour")
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
    region: _InRegion
    is_in_use: bool


class Image(BaseModel):
    """What machines start from; a launch takes the newest of a family."""

    family: str
    name: str
    version: str
    architecture: str
    region: _InRegion
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


class LambdaCloud:
    """The tools. most_usd: what all machines of the account may cost an hour after a launch."""

    def __init__(self, api: Upstream, most_usd: int) -> None:
        self._api, self._most_usd = api, most_usd
        self._launching = asyncio.Lock()

    async def list_instance_types(
        self, region: _Region = None, available_only: _Available = False
    ) -> InstanceTypes:
        """List the machines Lambda Cloud rents: price, specs and the regions with capacity now.

        Capacity changes by the minute. With a region, regions_with_capacity tells of that one only.
        """
        types = await self._api.get(dict[str, InstanceType], "instance-types")
        found = []
        for kind in sorted(types.values(), key=lambda kind: (kind.usd_per_hour, kind.name)):
            if region is not None:
                kind.regions_with_capacity = [r for r in kind.regions_with_capacity if r == region]
            if kind.regions_with_capacity or not available_only:
                found.append(kind)
        return InstanceTypes(instance_types=found)

    async def cheapest_available_instance(
        self, gpus: _Least = 1, memory_gib: _Least = 0, region: _Region = None
    ) -> InstanceType:
        """Find the cheapest machine that can be launched right now and has what is needed."""
        for kind in (await self.list_instance_types(region, True)).instance_types:
            if kind.gpus >= gpus and kind.memory_gib >= memory_gib:
                return kind
        raise ToolError(
            f"no machine with {gpus} GPUs and {memory_gib} GiB is free in {region or 'any region'} "
            "now; ask for less, for another region, or again in some minutes"
        )

    async def list_instances(self) -> Instances:
        """List the rented machines with status, address and price; all of them cost money."""
        return _together(await self._api.get(list[Instance], "instances"))

    async def get_instance(self, instance_id: _Name) -> Instance:
        """Get one rented machine by its id, also for a while after it was terminated."""
        return await self._api.get(Instance, "instances", instance_id)

    async def list_ssh_keys(self) -> list[SshKey]:
        """List the account's ssh keys; a launch needs the name of one."""
        return await self._api.get(list[SshKey], "ssh-keys")

    async def list_file_systems(self) -> list[FileSystem]:
        """List the account's shared file systems; each can be mounted in its own region only."""
        return await self._api.get(list[FileSystem], "file-systems")

    async def list_images(self, region: _Region = None) -> list[Image]:
        """List the images that machines can start from, newest first."""
        images = await self._api.get(list[Image], "images")
        found = [image for image in images if region in (None, image.region)]
        return sorted(found, key=lambda image: image.updated_time, reverse=True)

    async def launch_instance(
        self, instance_type: _Name, ssh_key_name: _Name, name: _ToFind, region: _Region = None,
        image_family: _Family = None, file_system_names: list[_Name] | None = None,
    ) -> Launched:  # fmt: skip
        """Launch a machine. It costs money from now on, until terminate_instances ends it.

        Without a region, one with capacity is chosen. If it fails after it was sent, look for the
        name with list_instances before launching again.
        """
        body: dict[str, Any] = {
            "instance_type_name": instance_type,
            "ssh_key_names": [ssh_key_name],
            "file_system_names": file_system_names or [],
            "name": name,
            "tags": [{"key": "launched-by", "value": "lambda_labs_cli"}],
        }
        if image_family:
            body["image"] = {"family": image_family}
        async with self._launching:  # two at once would both be under the cap
            kind, body["region_name"] = await self._chosen(instance_type, region)
            total = round((await self.list_instances()).usd_per_hour + kind.usd_per_hour, 2)
            if total > self._most_usd:
                raise ToolError(
                    f"with this machine the account would cost ${total:.2f} an hour, above the cap "
                    f"of ${self._most_usd} (LAMBDA_MAX_USD_PER_HOUR); launch a cheaper one, "
                    "terminate another, or ask the operator of this server to raise it"
                )
            made = await self._api.send(Launch, *_OPERATION, "launch", body=body)
        return Launched(
            instance_id=made.instance_ids[0],
            region=body["region_name"],
            usd_per_hour=kind.usd_per_hour,
            account_usd_per_hour=total,
        )

    async def restart_instances(self, instance_ids: _Ids) -> Instances:
        """Restart machines. What runs on them ends; disks stay."""
        return await self._change("restart", instance_ids)

    async def terminate_instances(self, instance_ids: _Ids) -> Instances:
        """End machines for good, with everything on their disks; they cost nothing from then on."""
        return await self._change("terminate", instance_ids)

    async def _chosen(self, instance_type: str, region: str | None) -> tuple[InstanceType, str]:
        types = (await self.list_instance_types()).instance_types
        kinds = {kind.name: kind for kind in types}
        if (kind := kinds.get(instance_type)) is None:
            raise ToolError(f"instance_type: expected one of {', '.join(kinds)}")
        free = kind.regions_with_capacity
        place = region or next(iter(free), "")
        if place not in free:
            where = ", ".join(free) or "none now"
            raise ToolError(f"{instance_type} is not free there; regions with capacity: {where}")
        return kind, place

    async def _change(self, operation: str, ids: list[str]) -> Instances:
        """Refuses machines of a platform like the one that this server runs on."""
        for one in (await self.list_instances()).instances:
            tags = {tag.key: tag.value for tag in one.tags}
            if one.id in ids and {"stack", "node"} <= tags.keys():
                raise ToolError(
                    f"{one.id} is {tags['node']} of the platform's stack {tags['stack']}: only its "
                    "own program may do that (change nodeGroups, run `pulumi up`)"
                )
        answer = await self._api.send(Changed, *_OPERATION, operation, body={"instance_ids": ids})
        return _together(answer.instances)


def _together(machines: list[Instance]) -> Instances:
    listed = sorted(machines, key=lambda one: (one.name or "", one.id))
    paid = [one.usd_per_hour for one in listed if one.status not in ("terminating", "terminated")]
    return Instances(instances=listed, usd_per_hour=round(sum(paid), 2))


def build(settings: Settings) -> Server:
    """The server, on the account that LAMBDA_API_KEY opens at LAMBDA_API_URL."""
    api = Upstream(
        "Lambda Cloud",
        settings.url("LAMBDA_API_URL", "https://cloud.lambda.ai/api/v1"),
        auth=bearer(settings.credential("LAMBDA_API_KEY")),
        limits=Limits(at_once=1, per_second=1),  # the account's limit
        data="data",
    )
    cloud = LambdaCloud(api, settings.number("LAMBDA_MAX_USD_PER_HOUR", 0, least=0, most=100_000))
    return Server(
        settings,
        title="Lambda Cloud",
        instructions=(
            "Lambda Cloud: list_instance_types shows what can be rented, where and for how much; "
            "list_instances shows what is rented. Rented machines cost money until terminated."
        ),
        tools=[
            reads(cloud.list_instance_types),
            reads(cloud.cheapest_available_instance),
            reads(cloud.list_instances),
            reads(cloud.get_instance),
            reads(cloud.list_ssh_keys),
            reads(cloud.list_file_systems),
            reads(cloud.list_images),
            writes(cloud.launch_instance),
            destroys(cloud.restart_instances),
            destroys(cloud.terminate_instances),
        ],
        upstreams=[api],
    )

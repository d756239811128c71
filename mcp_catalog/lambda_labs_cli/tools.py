"""The tools, as the model sees them."""

from typing import Annotated, Any

from mcp.server.mcpserver.context import Context
from pydantic import Field
from sophia_mcp.policy import reads

from .api import LambdaApi
from .models import Instances, InstanceTypes, instance, instance_type

Call = Context[LambdaApi, Any]
_Region = Annotated[str | None, Field(min_length=1, max_length=100, description="Like us-west-1")]


async def list_instance_types(
    call: Call,
    region: _Region = None,
    available_only: Annotated[
        bool, Field(description="Leave out types that no region (or not this one) has now")
    ] = False,
) -> InstanceTypes:
    """List the machines Lambda Cloud rents: price, specs and the regions with capacity now.

    Capacity changes by the minute. With a region, regions_with_capacity tells of that one only.
    """
    offers = await call.request_context.lifespan_context.offers()
    types = sorted(map(instance_type, offers), key=lambda t: (t.usd_per_hour, t.name))
    if region is not None:
        for kind in types:
            kind.regions_with_capacity = [r for r in kind.regions_with_capacity if r == region]
    return InstanceTypes(
        instance_types=[t for t in types if t.regions_with_capacity or not available_only]
    )


async def list_instances(call: Call) -> Instances:
    """List the account's rented machines with status, address and price; all of them cost money."""
    machines = map(instance, await call.request_context.lifespan_context.instances())
    instances = sorted(machines, key=lambda machine: (machine.name or "", machine.id))
    return Instances(
        instances=instances,
        usd_per_hour=round(sum(machine.usd_per_hour for machine in instances), 2),
    )


TOOLS = (reads(list_instance_types), reads(list_instances))

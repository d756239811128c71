"""Values of custom fields by name, in the form that Asana takes."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

from .asana import Asana, chosen
from .models import CustomField, Named, OfProject, OfTask, One

Value = str | int | float | list[str] | None


async def of_project(asana: Asana, project: str) -> list[CustomField]:
    """Those that tasks in a project have."""
    found = (await asana.get(One[OfProject], "projects", project)).data
    return [one.field for one in found.settings]


async def of_task(asana: Asana, task: str) -> list[CustomField]:
    """Those that a task has."""
    return (await asana.get(One[OfTask], "tasks", task)).data.fields


async def values(
    asana: Asana, given: Mapping[str, Value], fields: Sequence[CustomField]
) -> dict[str, Any]:
    """By gid.

    Raises:
        ToolError: everything that is wrong, in one text.
    """
    found: dict[str, Any] = {}
    faults = []
    for name, value in given.items():
        try:
            gid = chosen("field", name, fields)
            found[gid] = await _value(asana, next(f for f in fields if f.gid == gid), value)
        except (ToolError, ValueError, OverflowError) as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise ToolError(f"custom_fields: {'; '.join(faults)}")
    return found


async def _value(asana: Asana, field: CustomField, value: Value) -> Any:
    many = value if isinstance(value, list) else [] if value is None else [str(value)]
    if field.kind == "multi_enum":
        return [chosen("option", one, field.options) for one in many]
    if field.kind == "people":
        return [await _person(asana, one) for one in many]
    if value is None:
        return None
    if len(many) != 1:
        raise ValueError(f"expected one value, got {len(many)}")
    if field.kind == "enum":
        return chosen("option", many[0], field.options)
    if field.kind == "date":
        return _date(many[0])
    if field.kind == "number":
        return _number(many[0])
    return many[0]


async def _person(asana: Asana, given: str) -> str:
    known = await asana.gid("user", given)
    return known if known.isdecimal() else (await asana.get(One[Named], "users", known)).data.gid


def _date(text: str) -> dict[str, str]:
    if len(text) == 10:
        return {"date": date.fromisoformat(text).isoformat()}
    return {"date_time": datetime.fromisoformat(text).isoformat()}


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("expected a finite number")
    return number

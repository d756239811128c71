"""Notes, tasks, calls, meetings and e-mails in the timelines of records."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AwareDatetime, Field
from sophia_mcp.arguments import given
from sophia_mcp.upstream import Upstream

from .fields import Found, Given, Id, ObjectType, Values
from .links import Links

Kind = Literal["note", "task", "call", "meeting", "email"]
_TITLES = {"task": "hs_task_subject", "call": "hs_call_title", "meeting": "hs_meeting_title",
           "email": "hs_email_subject"}  # fmt: skip
_HTML = re.compile(r"<(br|p|div|ul|ol|table)\b", re.IGNORECASE)

_Body = Annotated[str | None, Field(max_length=65_536, description="Text or HTML; e-mail: text")]
_Title = Annotated[str | None, Field(max_length=500, description="Of all kinds but notes")]
_When = "When it was, or a task is due, like 2026-11-26T09:00:00Z; a new one: now"
_Time = Annotated[AwareDatetime | None, Field(description=_When)]
_Owner = Annotated[Id | None, Field(description="Whose it is, an id of list_owners")]
_More = Annotated[Values | None, Field(description="Others, like {hs_task_status: COMPLETED}")]


class About(Given):
    """A record in whose timeline it is."""

    object_type: ObjectType
    id: Id


class Engagement(Found):
    """What was written; as object_type it is called notes, tasks, …"""

    id: str


class Timeline:
    """The tools."""

    def __init__(self, api: Upstream, links: Links) -> None:
        self._api, self._links = api, links

    async def create_engagement(
        self, kind: Kind, about: Annotated[list[About], Field(min_length=1, max_length=20)],
        body: _Body = None, title: _Title = None, time: _Time = None, owner_id: _Owner = None,
        properties: _More = None,
    ) -> Engagement:  # fmt: skip
        """Add a note, a task, or a call, meeting or e-mail that took place to records' timelines;
        it sends nothing to anybody. To read them, list_associations, then batch_read_objects with
        hs_note_body, hs_task_subject and the like."""
        values = _values(kind, body, title, time or datetime.now(UTC), owner_id)
        usual = {"hs_email_direction": "EMAIL"} if kind == "email" else {}
        types = dict.fromkeys(one.object_type for one in about)
        kinds = {one: [await self._plain(f"{kind}s", one)] for one in types}
        links = [{"to": {"id": one.id}, "types": kinds[one.object_type]} for one in about]
        content = {"properties": usual | values | (properties or {}), "associations": links}
        path = ("crm", "v3", "objects", f"{kind}s")
        return await self._api.send(Engagement, "POST", *path, body=content)

    async def update_engagement(
        self, kind: Kind, id: Id, body: _Body = None, title: _Title = None, time: _Time = None,
        owner_id: _Owner = None, properties: _More = None,
    ) -> Engagement:  # fmt: skip
        """Change a note, task, call, meeting or e-mail; what is not given stays as it is."""
        values = _values(kind, body, title, time, owner_id) | (properties or {})
        if not values:
            raise ToolError("expected something to change, such as body or properties; got nothing")
        path, content = ("crm", "v3", "objects", f"{kind}s", id), {"properties": values}
        return await self._api.send(Engagement, "PATCH", *path, body=content, repeatable=True)

    async def _plain(self, kind: str, object_type: str) -> dict[str, Any]:
        found = (await self._links.list_association_types(kind, object_type)).kinds
        plain = [one for one in found if not one.label and one.category == "HUBSPOT_DEFINED"]
        if not plain:
            raise ToolError(f"about: {kind} can't be in the timeline of {object_type}")
        return {"associationCategory": plain[0].category, "associationTypeId": plain[0].type_id}


def _values(
    kind: Kind, body: str | None, title: str | None, time: datetime | None, owner_id: str | None
) -> dict[str, Any]:
    if title is not None and kind == "note":
        raise ToolError("title: expected none for a note: begin its body with it")
    if body is not None and kind != "email" and not _HTML.search(body):
        body = body.replace("\n", "<br>")  # it is shown as HTML, where a line break is a space
    moment = f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if time else None
    every = {
        _TITLES.get(kind, ""): title,
        "hs_email_text" if kind == "email" else f"hs_{kind}_body": body,
        "hs_timestamp": moment,
        "hs_meeting_start_time": moment if kind == "meeting" else None,
        "hubspot_owner_id": owner_id,
    }
    return given(**every)

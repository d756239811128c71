"""Teams, people, states and more by their names instead of their ids."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from sophia_mcp.arguments import given
from sophia_mcp.fields import Text, at

from .linear import Linear, filter_of

NONE = "none"
"""Instead of a name: objects without one, or to remove it."""

_SHOWN = 25
"""How many an error names."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:cycle\s*)?#?([0-9]{1,6})", re.IGNORECASE)
_WORDS = {
    ("users", "me"): {"isMe": {"eq": True}},
    ("cycles", "current"): {"isActive": {"eq": True}},
    ("cycles", "next"): {"isNext": {"eq": True}},
    ("cycles", "previous"): {"isPrevious": {"eq": True}},
}


@dataclass(frozen=True)
class _Kind:
    """connection: of all of them. called: the fields that hold a name. tool: it shows them.
    of: what each belongs to, so that another elsewhere may be called the same. more: other fields.
    optional: NONE stands for none of them."""

    connection: str
    called: tuple[str, ...]
    tool: str
    of: str = ""
    more: str = ""
    optional: bool = False


_TEAM = _Kind("teams", ("key", "name"), "list_teams")
_USER = _Kind("users", ("name", "displayName", "email"), "list_users", optional=True)
_LABEL = _Kind("issueLabels", ("name",), "list_issue_labels", "team", "team{key}")
_KINDS = {
    "team": _TEAM, "teams": _TEAM,
    "user": _USER, "assignee": _USER, "creator": _USER, "lead": _USER,
    "label": _LABEL, "labels": _LABEL, "add_labels": _LABEL, "remove_labels": _LABEL,
    "state": _Kind("workflowStates", ("name",), "list_issue_statuses", "team", "team{key}"),
    "cycle": _Kind("cycles", ("name",), "list_cycles", "team", "number team{key}", True),
    "project": _Kind("projects", ("name", "slugId"), "list_projects", optional=True),
    "milestone": _Kind(
        "projectMilestones", ("name",), "get_project", "project", "project{name}", True
    ),
    "status": _Kind("projectStatuses", ("name",), "list_projects"),
}  # fmt: skip
"""By the argument of a tool."""

_INPUTS = {
    "team": "teamId", "teams": "teamIds", "assignee": "assigneeId", "lead": "leadId",
    "state": "stateId", "status": "statusId", "project": "projectId", "cycle": "cycleId",
    "milestone": "projectMilestoneId", "labels": "labelIds", "add_labels": "addedLabelIds",
    "remove_labels": "removedLabelIds",
}  # fmt: skip


class _Named(BaseModel):
    id: str
    name: Text = ""
    number: int | None = None
    key: str | None = None
    email: str | None = None
    team: str | None = at("team", "key", default=None)
    project: str | None = at("project", "name", default=None)

    @property
    def told(self) -> str:
        more = self.key or self.email or self.team or self.project
        return f"{self.name or self.number}" + (f" ({more})" if more else "")


class _Listed(BaseModel):
    nodes: list[_Named]


_NOBODY = _Listed(nodes=[])


@dataclass(frozen=True)
class _Sought:
    """place: the filter for its owner, None for anywhere."""

    argument: str
    text: str
    place: Mapping[str, Any] | None

    @property
    def kind(self) -> _Kind:
        return _KINDS[self.argument]

    @property
    def within(self) -> dict[str, Any] | None:
        """The filter for where to look. Labels may be the whole workspace's."""
        if self.place is None or not self.kind.of:
            return None
        here = {self.kind.of: self.place}
        return {"or": [{"team": {"null": True}}, here]} if self.kind is _LABEL else here

    @property
    def where(self) -> dict[str, Any]:
        """The filter for objects with this name."""
        called: dict[str, Any] = _WORDS.get((self.kind.connection, self.text.lower()), {})
        if not called:
            called = called_so(self.kind.called, self.text)
            if self.argument == "cycle" and (numbered := _NUMBERED.fullmatch(self.text)):
                called["or"].append({"number": {"eq": int(numbered[1])}})
        return {"and": [called, self.within]} if self.within else called

    def fault(self, found: list[_Named], among: list[_Named]) -> str:
        """Why the result can't be used. among: some of the existing names."""
        if found:
            several = ", ".join(f"{one.told}: {one.id}" for one in found)
            return f"{self.argument}: {self.text!r} may be several, give the id of one: {several}"
        there = ", ".join(one.told for one in among[:_SHOWN]) or "none"
        return f"{self.argument}: there is no {self.text!r} among {there}. See {self.kind.tool}"


def called_so(fields: Sequence[str], text: str) -> dict[str, Any]:
    """The filter for objects with this name or id."""
    if _UUID.fullmatch(text):
        return {"id": {"eq": text}}
    return {"or": [{field: {"eqIgnoreCase": text}} for field in fields]}


class Names:
    """Asks Linear once for all the names of a call. All arguments are names or ids."""

    def __init__(self, linear: Linear) -> None:
        self._linear = linear

    async def one(self, **given: str) -> str:
        """The id of the only one that is given."""
        ((argument, ids),) = (await self._resolve(False, given)).items()
        if not ids:
            raise ToolError(f"{argument}: expected a name or an id, got {NONE!r}")
        return ids[0]

    async def filters(self, **given: str | None) -> dict[str, Any]:
        """Filters by argument. What is of a team or a project may be several, one in each."""
        ids = await self._resolve(True, given)
        return {
            name: {"id": {"in": found}} if found else {"null": True} for name, found in ids.items()
        }

    async def inputs(self, **given: str | Sequence[str] | None) -> dict[str, Any]:
        """Ids as the input of a mutation has them; null for NONE."""
        ids = await self._resolve(False, given)
        return {
            _INPUTS[name]: found if _INPUTS[name].endswith("Ids") else next(iter(found), None)
            for name, found in ids.items()
        }

    async def _resolve(
        self, several: bool, given: Mapping[str, str | Sequence[str] | None]
    ) -> dict[str, list[str]]:
        """Ids by argument; no id for NONE.

        Raises:
            ToolError: nothing has such a name, or several do. All such names in one text.
        """
        texts = {
            argument: [value] if isinstance(value, str) else list(value)
            for argument, value in given.items()
            if value
        }
        places = {
            argument: called_so(_KINDS[argument].called, texts[argument][0])
            for argument in {"team", "project"} & texts.keys()
        }
        ids: dict[str, list[str]] = {argument: [] for argument in texts}
        named = []
        for argument, values in texts.items():
            for text in values:
                if _UUID.fullmatch(text):
                    ids[argument].append(text)
                elif not (_KINDS[argument].optional and text.lower() == NONE):
                    named.append(_Sought(argument, text, places.get(_KINDS[argument].of)))
        listed = await self._listed(named, 250 if several else 10) if named else {}
        faults = []
        for number, one in enumerate(named):
            found = listed.get(f"is{number}", _NOBODY).nodes
            if one.argument == "status":
                found = [each for each in found if each.name.lower() == one.text.lower()]
            if not found or (len(found) > 1 and not (several and one.kind.of)):
                faults.append(one.fault(found, listed.get(f"among{number}", _NOBODY).nodes))
            known = ids[one.argument]
            known += [each.id for each in found if each.id not in known]
        if faults:
            raise ToolError("\n".join(faults))
        return ids

    async def _listed(self, named: list[_Sought], most: int) -> dict[str, _Listed]:
        """The objects with this name, and some of the existing ones."""
        declared, parts, variables = [], [], {}
        for number, one in enumerate(named):
            kind = one.kind
            fields = f"{{nodes{{id {' '.join(kind.called)} {kind.more}}}}}"
            for alias, where, first in (
                (f"is{number}", one.where, most if kind.of else 10),
                (f"among{number}", one.within, _SHOWN),
            ):
                if one.argument == "status":  # they have no filter
                    parts.append(f"{alias}:{kind.connection}(first:50){fields}")
                    continue
                declared.append(f"${alias}:{filter_of(kind.connection)}")
                parts.append(f"{alias}:{kind.connection}(filter:${alias},first:{first}){fields}")
                variables[alias] = where
        head = f"query({','.join(declared)})" if declared else "query"
        query = f"{head}{{{' '.join(parts)}}}"
        return await self._linear.ask(dict[str, _Listed], query, **variables)


def emptied(**values: object) -> dict[str, Any]:
    """The given values, with null for NONE, and days as texts."""
    return {
        name: None if value == NONE else str(value) if isinstance(value, date) else value
        for name, value in given(**values).items()
    }

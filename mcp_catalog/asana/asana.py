"""Asana's API: envelopes, requested fields, and names instead of gids."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, get_args

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AliasPath, BaseModel
from sophia_mcp.errors import Refused
from sophia_mcp.remembered import Remembered
from sophia_mcp.upstream import Upstream

from .models import Named, Page

M = TypeVar("M", bound=BaseModel)

KEPT_S = 900.0
"""How long the only workspace is remembered."""

LINK_OR_GID = r"^([0-9]{1,25}|https://app\.asana\.com/\S{1,400})$"
_GID = re.compile(r"[0-9]{1,25}")
_LINKS = {
    "project": re.compile(r"https://app\.asana\.com/(?:\S*/project|0)/([0-9]{1,25})(?:[/?#]\S*)?"),
    "task": re.compile(r"https://app\.asana\.com/(?:\S*/task|0/[0-9]+)/([0-9]{1,25})(?:[/?#]\S*)?"),
}
_PAID = (
    "The plan of this Asana account does not have it. In the place of search_tasks, find_by_name, "
    "get_project_tasks and get_user_tasks work on every plan."
)


class Asana:
    """workspace: the default one, by gid or name."""

    def __init__(self, api: Upstream, workspace: str | None) -> None:
        self._api, self._workspace, self._known = api, workspace, Remembered()

    async def get(self, kind: type[M], *path: str, **params: Any) -> M:
        """An envelope: One[…] or a Page, with what its models read."""
        with _advice():
            return await self._api.get(kind, *path, params={"opt_fields": _asked(kind), **params})

    async def send(
        self, kind: type[M], method: str, *path: str, data: Any = None, repeatable: bool = False
    ) -> M:
        """A change. data: as Asana takes it; None in it empties a field."""
        params, body = {"opt_fields": _asked(kind)}, {"data": data or {}}
        with _advice():
            answer = await self._api.request(
                method, *path, params=params, body=body, repeatable=repeatable
            )
            return self._api.read(kind, answer)

    async def workspace(self, given: str | None = None) -> str:
        """The gid of a workspace, else of the default one, else of the only one."""
        given = given or self._workspace or self._known.get("workspace")
        if given and _GID.fullmatch(given):
            return given
        every = (await self.get(Page[Named], "workspaces", limit=100)).items
        if given:
            return chosen("workspace", given, every)
        if len(every) != 1:
            raise ToolError(f"workspace: expected one of {_listed(every)}, got none")
        self._known.put("workspace", every[0].gid, KEPT_S)
        return every[0].gid

    async def gid(self, kind: str, given: str, workspace: str | None = None) -> str:
        """The gid for a gid, a link or an exact name. For a user, "me" and an e-mail address stay
        unchanged: Asana accepts them."""
        if _GID.fullmatch(given) or (kind == "user" and (given == "me" or "@" in given)):
            return given
        if kind in _LINKS and (found := _LINKS[kind].fullmatch(given)):
            return found[1]
        return chosen(kind, given, (await self.alike(kind, given, workspace)).items)

    async def maybe(self, kind: str, given: str | None, workspace: str | None) -> str | None:
        """The same, for optional arguments."""
        return None if given is None else await self.gid(kind, given, workspace)

    async def alike(
        self, kind: str, text: str, workspace: str | None = None, count: int = 20
    ) -> Page[Named]:
        """What Asana's auto-completion has for a text."""
        path = ("workspaces", await self.workspace(workspace), "typeahead")
        return await self.get(Page[Named], *path, resource_type=kind, query=text, count=count)

    async def section(self, project: str, given: str) -> str:
        """The gid of a section of a project."""
        if _GID.fullmatch(given):
            return given
        return chosen("section", given, await self.sections(project))

    async def sections(self, project: str) -> list[Named]:
        """Those of a project."""
        return (await self.get(Page[Named], "projects", project, "sections", limit=100)).items


def chosen(kind: str, given: str, among: Sequence[Named]) -> str:
    """The gid of the one that has this gid or name.

    Raises:
        ToolError: there is none or several; it lists candidates.
    """
    wanted = given.strip().casefold()
    exact = [one for one in among if wanted and wanted in (one.gid, one.name.casefold())]
    if len(exact) == 1:
        return exact[0].gid
    what = f"several are called {given!r}, give a gid" if exact else f"none is called {given!r}"
    raise ToolError(f"{kind}: {what}; there is {_listed(exact or among)}")


def _listed(some: Sequence[Named]) -> str:
    return ", ".join(f"{one.name[:80]!r} ({one.gid})" for one in some[:10]) or "nothing like it"


def _asked(kind: type[BaseModel]) -> str | None:
    paths = [one.removeprefix("data.") for one in _paths(kind) if one.startswith("data.")]
    return ",".join(paths) or None


def _paths(kind: type[BaseModel]) -> Iterator[str]:
    """All fields that a model reads, in the form of opt_fields."""
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        path = ".".join(map(str, alias.path)) if isinstance(alias, AliasPath) else name
        parts = (field.annotation, *get_args(field.annotation))
        inner = [p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)]
        yield from (f"{path}.{below}" for below in _paths(inner[0])) if inner else (path,)


@contextmanager
def _advice() -> Iterator[None]:
    """What to do about errors that only Asana has."""
    try:
        yield
    except Refused as error:
        if error.status == 402:
            raise ToolError(f"{error} {_PAID}") from error
        if error.status == 400 and "pagination token" in str(error):
            expired = "cursor: it is too old, or of another call: begin again without a cursor"
            raise ToolError(expired) from error
        raise

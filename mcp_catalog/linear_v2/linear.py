"""Linear's GraphQL API: one thing, pages of lists, changes; errors as what to do next."""

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from sophia_mcp.fields import at
from sophia_mcp.pages import Following
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Limits, Upstream, bearer, header
from sophia_mcp.upstream.faults import one_line

T = TypeVar("T")

_BY_CODE = {
    "INPUT_ERROR": "Change the arguments.",
    "AUTHENTICATION_ERROR": "Ask the operator of this server for another LINEAR_API_KEY.",
    "FORBIDDEN": "LINEAR_API_KEY does not allow it: ask the operator of this server.",
    "FEATURE_NOT_ACCESSIBLE": "The workspace's plan does not have it.",
    "USAGE_LIMIT_EXCEEDED": "Ask the owner of the workspace.",
    "RATELIMITED": "Too many requests: try again in a minute, and ask for less at once.",
    "INTERNAL_SERVER_ERROR": "The fault is Linear's own. A change may have taken effect: look "
    "before you repeat it.",
}
_BY_WORDS = {
    "Entity not found": "Take an id or a name from the tools that list and search.",
    "too complex": "Ask for less: a smaller limit.",
}


class Node(BaseModel):
    """An object of Linear's. graphql: the fields that it is read from."""

    graphql: ClassVar[str]


N = TypeVar("N", bound=Node)


class Page(BaseModel, Generic[T]):
    """A part of a list, the newest first."""

    items: list[T] = at("found", "nodes")
    next_cursor: Following = at("found", "pageInfo", default=None)


class _One(BaseModel, Generic[T]):
    one: T


class _Done(BaseModel, Generic[T]):
    success: bool = at("done", "success")
    made: T | None = at("done", "made", default=None)


class Linear:
    """The API on one workspace. The names of GraphQL's types follow those of its fields."""

    def __init__(self, api: Upstream) -> None:
        self.api = api

    async def ask(self, kind: type[T], query: str, **variables: Any) -> T:
        """`data` of a query. A variable that is None is not sent."""
        return await self.api.graphql(kind, query, variables)

    async def one(self, kind: type[N], what: str, key: str) -> N:
        """The object with this id: an issue, a team and so on."""
        query = f"query($id:String!){{one:{what}(id:$id){{{kind.graphql}}}}}"
        return (await self.ask(_One[kind], query, id=key)).one  # type: ignore[valid-type]

    async def page(
        self, kind: type[N], connection: str, where: Mapping[str, Any], limit: int,
        cursor: str | None, *, archived: bool = False, order: str = "createdAt",
    ) -> Page[N]:  # fmt: skip
        """A page of a connection such as `issues`."""
        query = f"""query($filter:{filter_of(connection)},$first:Int!,$after:String,
            $archived:Boolean!,$order:PaginationOrderBy!){{found:{connection}(filter:$filter,
            includeArchived:$archived,orderBy:$order,{page_of(kind)}}}"""
        asked = {"filter": where or None, "first": limit, "after": cursor}
        found = Page[kind]  # type: ignore[valid-type]
        return await self.ask(found, query, **asked, archived=archived, order=order)

    async def change(
        self, kind: type[N], mutation: str, entry: Mapping[str, Any], key: str | None = None
    ) -> N:
        """What a mutation such as issueCreate made, or made of what has this id.

        Raises:
            ToolError: Linear says that it did not do it.
        """
        made = re.sub("(Create|Update)$", "", mutation)
        declared, known = ("$id:String!,", "id:$id,") if key else ("", "")
        query = f"""mutation({declared}$input:{mutation[0].upper()}{mutation[1:]}Input!){{
            done:{mutation}({known}input:$input){{success made:{made}{{{kind.graphql}}}}}}}"""
        done = await self.ask(_Done[kind], query, input=entry, id=key)  # type: ignore[valid-type]
        if not done.success or done.made is None:
            raise ToolError(f"Linear did not do it ({mutation}: no success): read how things are.")
        return done.made


def page_of(kind: type[Node]) -> str:
    """The end of a connection that `Page` reads."""
    inside = f"pageInfo{{hasNextPage endCursor}} nodes{{{kind.graphql}}}"
    return f"first:$first,after:$after){{{inside}}}"


def filter_of(connection: str) -> str:
    """`WorkflowStateFilter` of `workflowStates`."""
    return f"{connection[0].upper()}{connection[1:-1]}Filter"


def explain(body: bytes) -> str:
    """Linear's sentence for people, and what to do."""
    errors = json.loads(body).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    told = first.get("extensions") if isinstance(first, dict) else None
    if not isinstance(told, dict):
        return ""
    advice = [what for words, what in _BY_WORDS.items() if words in str(first)]
    advice = advice or [_BY_CODE.get(str(told.get("code")), "")]
    return one_line(f"{told.get('userPresentableMessage') or ''} {advice[0]}")


def connect(settings: Settings) -> Linear:
    """Linear with LINEAR_API_KEY: a personal key stands alone, a token of OAuth behind `Bearer`.

    2,500 requests an hour are allowed, in bursts, too (linear.app/developers/rate-limiting).
    """
    key = settings.credential("LINEAR_API_KEY")
    personal = (key.value or "").startswith("lin_api_")
    api = Upstream(
        "Linear",
        settings.url("LINEAR_API_URL", "https://api.linear.app/graphql"),
        auth=header("Authorization", key) if personal else bearer(key),
        limits=Limits(at_once=4, per_second=10),
        explain=explain,
    )
    return Linear(api)

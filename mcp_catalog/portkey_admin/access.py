"""Who may send requests, and how many: API keys, workspaces, policies and their usage."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from sophia_mcp.fields import Many, Text, at
from sophia_mcp.pages import Cursor, Limit

from .fields import Limited, Note, Search, Slug, Workspace
from .hidden import without_secrets
from .portkey import Named, Page, Portkey

_Status = Literal["active", "archived"]


class ApiKey(Named, Limited):
    """A key of Portkey, without its value.

    status: active, exhausted (its budget is) or expired.
    """

    id: str
    kind: str | None = at(
        "type", default=None,
        description="organisation-service (admin), workspace-service or workspace-user",
    )  # fmt: skip
    description: Note = ""
    user_id: str | None = None
    scopes: Many[str] = Field(default_factory=list)
    default_config: str | None = at("defaults", "config_id", default=None)
    metadata: Annotated[dict[str, Any] | None, BeforeValidator(without_secrets)] = at(
        "defaults", "metadata", default=None, description="Of each request with this key"
    )
    expires_at: str | None = None


class WorkspaceInfo(Named, Limited):
    """A workspace."""

    id: str
    description: Note = ""
    is_default: bool | None = None


class Condition(BaseModel):
    """Which requests a policy is about."""

    key: Text = Field("", description="api_key, workspace_id, organisation_id, metadata.<name>")
    value: str | None = None


class Policy(Limited):
    """A limit of many requests together: conditions say of which, group_by who has one each."""

    id: str
    name: str | None = None
    status: str | None = None
    workspace_id: str | None = None
    conditions: Many[Condition] = Field(default_factory=list)
    group_by: Many[Condition] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _limited(cls, raw: Any) -> Any:
        """A policy has its amount beside its name."""
        if not isinstance(raw, dict):
            return raw
        rates = [raw] if raw.get("value") is not None else []
        return {**raw, "usage_limits": raw, "rate_limits": rates}


class Used(BaseModel):
    """Who used how much of a budget."""

    who: str = at("value_key", description="Like metadata._user:ann")
    used: float | None = at("current_usage", default=None, description="Portkey names no unit")


class AccessTools:
    """The tools."""

    def __init__(self, portkey: Portkey) -> None:
        self._portkey = portkey

    async def list_api_keys(
        self, workspace: Workspace = None, limit: Limit = 20, cursor: Cursor = None
    ) -> Page[ApiKey]:
        """List Portkey's API keys with scopes, budgets, rate limits and expiry; never a key's
        value. An admin key sees those of all workspaces."""
        return await self._portkey.page(
            Page[ApiKey], "workspace_service_api_keys.list", "api-keys", workspace_id=workspace,
            limit=limit, cursor=cursor,
        )  # fmt: skip

    async def list_workspaces(
        self, name: Search = None, status: _Status | None = None, limit: Limit = 30,
        cursor: Cursor = None,
    ) -> Page[WorkspaceInfo]:  # fmt: skip
        """List workspaces with their budgets and rate limits. name: a part of it, upper and lower
        case as it is."""
        return await self._portkey.page(
            Page[WorkspaceInfo], "workspaces.list", "admin", "workspaces", name=name,
            status=status, limit=limit, cursor=cursor,
        )  # fmt: skip

    async def list_limit_policies(
        self, kind: Literal["usage", "rate"] = "usage", workspace: Workspace = None,
        status: _Status = "active", limit: Limit = 30, cursor: Cursor = None,
    ) -> Page[Policy]:  # fmt: skip
        """List limits that hold for many keys or users together. usage: budgets, of which
        list_policy_usage has what is used; rate: requests or tokens in a time."""
        return await self._portkey.page(
            Page[Policy], "policies.list", "policies", f"{kind}-limits", workspace_id=workspace,
            status=status, limit=limit, cursor=cursor,
        )  # fmt: skip

    async def list_policy_usage(
        self, policy_id: Slug, status: Literal["active", "exhausted"] | None = None,
        limit: Limit = 30, cursor: Cursor = None,
    ) -> Page[Used]:  # fmt: skip
        """List who used how much of a usage policy's budget since its last reset."""
        path = ("policies", "usage-limits", policy_id, "entities")
        return await self._portkey.page(
            Page[Used], "policies.read", *path, status=status, limit=limit, cursor=cursor
        )

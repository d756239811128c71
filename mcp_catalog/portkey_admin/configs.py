"""Configs: how requests are routed, retried and cached. Their secrets stay hidden."""

import json
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, BeforeValidator, Field, model_validator
from sophia_mcp.arguments import given
from sophia_mcp.pages import Cursor, Limit

from .fields import Name, Slug, Workspace
from .hidden import without_secrets
from .portkey import Named, Page, Portkey
from .shape import check

_Slug = Annotated[Slug, Field(description="Slug like pc-router-1a2b3c")]
_Sent = Annotated[
    dict[str, Any],
    Field(
        description='Like {"strategy": {"mode": "fallback"}, "targets": [{"provider": "@openai"}, '
        '{"provider": "@azure"}], "retry": {"attempts": 3}, "cache": {"mode": "simple", '
        '"max_age": 3600}}; without secrets'
    ),
]
_Status = Annotated[str | None, Field(pattern="^[a-z_]{1,30}$", description="Like active")]


def _settings(given: object) -> object:
    """Portkey gives them as a text of JSON, its documentation as an object."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except ValueError:
            raise ValueError("expected a config in JSON") from None
    return without_secrets(given if given is not None else {})


_Settings = Annotated[
    dict[str, Any], BeforeValidator(_settings), Field(description="Secrets in it are [hidden]")
]


class Config(Named):
    """A config, without what it holds."""

    is_default: bool | None = None


class _Flat(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, raw: Any) -> Any:
        """Some answers come as `{"success": true, "data": {…}}`."""
        inner = raw.get("data") if isinstance(raw, dict) else None
        return inner if isinstance(inner, dict) else raw


class WholeConfig(_Flat, Config):
    """A config."""

    version_id: str | None = None
    config: _Settings


class Version(BaseModel):
    """What a config was."""

    version_id: str | None = None
    created_at: str | None = None
    last_updated_at: str | None = None
    updated_by: str | None = Field(None, description="Id of a user")
    status: str | None = None
    config: _Settings = Field(default_factory=dict)


class Created(_Flat):
    """A new config."""

    id: str
    slug: str | None = Field(None, description="null: list_configs has it")
    version_id: str | None = None


class Updated(_Flat):
    """A config's new version."""

    slug: str = ""
    version_id: str | None = None


class ConfigTools:
    """The tools."""

    def __init__(self, portkey: Portkey) -> None:
        self._portkey = portkey

    async def list_configs(
        self, workspace: Workspace = None, limit: Limit = 30, cursor: Cursor = None
    ) -> Page[Config]:
        """List configs. get_config has what one does."""
        return await self._portkey.page(
            Page[Config], "configs.list", "configs", workspace_id=workspace, limit=limit,
            cursor=cursor,
        )  # fmt: skip

    async def get_config(self, slug: _Slug) -> WholeConfig:
        """Get a config: strategy, targets, cache, retries, guardrails. Secrets are hidden."""
        found = await self._portkey.get(WholeConfig, "configs.read", "configs", slug)
        return found.model_copy(update={"slug": found.slug or slug})

    async def list_config_versions(
        self, slug: _Slug, limit: Limit = 10, cursor: Cursor = None
    ) -> Page[Version]:
        """List what a config was before, as well as what it is."""
        path = ("configs", slug, "versions")
        return await self._portkey.page(
            Page[Version], "configs.read", *path, limit=limit, cursor=cursor
        )

    async def create_config(
        self, name: Name, config: _Sent, workspace: Workspace = None, is_default: bool = False
    ) -> Created:
        """Create a config. Requests name it by its slug. is_default: for those that name none."""
        check(config)
        body = {"name": name, "config": config, **({"isDefault": 1} if is_default else {})}
        body |= given(workspace_id=await self._portkey.workspace_id(workspace))
        return await self._portkey.send(Created, "configs.create", "POST", "configs", body=body)

    async def update_config(
        self, slug: _Slug, name: Name | None = None, config: _Sent | None = None,
        status: _Status = None,
    ) -> Updated:  # fmt: skip
        """Change a config for all requests that name it. Only what is given changes. config: the
        whole one, get_config's with the change in it. The old one stays in
        list_config_versions."""
        body = given(name=name, config=config, status=status)
        if not body:
            raise ToolError("expected a name, a config or a status to change, got none of them")
        if config is not None:
            check(config)
        done = await self._portkey.send(
            Updated, "configs.update", "PUT", "configs", slug, body=body
        )
        return done.model_copy(update={"slug": slug})

"""What requests go through: providers, integrations, models, guardrails, prompts."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field
from sophia_mcp.fields import Many, Text, at
from sophia_mcp.pages import Cursor, Limit, at_most

from .fields import Limited, Note, Search, Slug, Workspace
from .hidden import without_secrets
from .portkey import Named, Page, Portkey

_PromptId = Annotated[Slug, Field(description="Id, or slug like pp-summary-5cd6b6")]
_Word = Annotated[str | None, Field(max_length=100, pattern=r"^[\w.-]+$")]


def _names(given: object) -> list[str]:
    """Of functions that a model may call."""
    given = given if isinstance(given, list) else []
    tools = [one.get("function") or one for one in given if isinstance(one, dict)]
    return [str(one["name"]) for one in tools if isinstance(one, dict) and one.get("name")]


class Provider(Named, Limited):
    """A provider or virtual key: the access to an AI service, whose key stays in Portkey.

    status: active, exhausted (its budget is) or expired.
    """

    integration: str | None = at("integration_id", default=None)
    service: str | None = at("provider", default=None, description="Like openai")
    note: Note = ""
    expires_at: str | None = None


class Integration(Named):
    """An account at an AI service, from which workspaces have their providers."""

    service: str | None = at("ai_provider_id", default=None)
    description: Note = ""


class Model(BaseModel):
    """A model. Requests name it by its id."""

    id: str = Field(description="Like @openai-prod/gpt-5")
    canonical: str | None = at("canonical_slug", default=None)


class Guardrail(Named):
    """A check of requests or answers. Configs name it by its slug."""


class Prompt(Named):
    """A prompt."""

    id: str
    collection_id: str | None = None
    model: str | None = None


class WholePrompt(Prompt):
    """A prompt's published version."""

    version: int | None = at("prompt_version", default=None)
    version_note: Note = at("prompt_version_description", default="")
    template: Annotated[Text, at_most(20_000)] = at("string", default="")
    variables: Many[str] = at("variable_components", "variables", default_factory=list)
    virtual_key: str | None = None
    parameters: Annotated[dict[str, Any] | None, BeforeValidator(without_secrets)] = None
    tools: Annotated[list[str], BeforeValidator(_names)] = Field(default_factory=list)


class GatewayTools:
    """The tools."""

    def __init__(self, portkey: Portkey) -> None:
        self._portkey = portkey

    async def list_providers(
        self, workspace: Workspace = None, limit: Limit = 30, cursor: Cursor = None
    ) -> Page[Provider]:
        """List a workspace's providers with budgets, rate limits and whether those are used up.
        Requests and configs name one as @slug."""
        return await self._portkey.page(
            Page[Provider], "providers.list", "providers", workspace_id=workspace, limit=limit,
            cursor=cursor,
        )  # fmt: skip

    async def list_virtual_keys(
        self, workspace: Workspace = None, limit: Limit = 30, cursor: Cursor = None
    ) -> Page[Provider]:
        """List virtual keys, the older name of providers, which configs name as virtual_key. Where
        Portkey has moved them, list_providers has the same ones."""
        return await self._portkey.page(
            Page[Provider], "virtual_keys.list", "virtual-keys", workspace_id=workspace,
            limit=limit, cursor=cursor,
        )  # fmt: skip

    async def list_integrations(
        self, workspace: Workspace = None, limit: Limit = 30, cursor: Cursor = None,
    ) -> Page[Integration]:  # fmt: skip
        """List accounts at AI services, from which workspaces have their providers."""
        return await self._portkey.page(
            Page[Integration], "organisation_integrations.list", "integrations",
            workspace_id=workspace, limit=limit, cursor=cursor,
        )  # fmt: skip

    async def list_models(
        self, provider: _Word = None, service: _Word = None, limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[Model]:  # fmt: skip
        """List the models that requests may name. provider: a slug of list_providers; service:
        like openai or anthropic. Takes the key of a workspace."""
        return await self._portkey.page(
            Page[Model], "completions.write", "models", provider=provider, ai_service=service,
            limit=limit, cursor=cursor, counted=True,
        )  # fmt: skip

    async def list_guardrails(
        self, workspace: Workspace = None, limit: Limit = 30, cursor: Cursor = None
    ) -> Page[Guardrail]:
        """List guardrails, which configs name in input_guardrails and output_guardrails."""
        return await self._portkey.page(
            Page[Guardrail], "guardrails.list", "guardrails", limit=limit, cursor=cursor,
            workspace_id=await self._portkey.workspace_id(workspace),
        )  # fmt: skip

    async def list_prompts(
        self, search: Search = None, collection_id: Slug | None = None,
        workspace: Workspace = None, limit: Limit = 30, cursor: Cursor = None,
    ) -> Page[Prompt]:  # fmt: skip
        """List prompts with their models. get_prompt has the text of one."""
        return await self._portkey.page(
            Page[Prompt], "prompts.list", "prompts", search=search, collection_id=collection_id,
            workspace_id=workspace, limit=limit, cursor=cursor,
        )  # fmt: skip

    async def get_prompt(self, prompt: _PromptId) -> WholePrompt:
        """Get a prompt's published version: template, variables, model, parameters, tools."""
        return await self._portkey.get(WholePrompt, "prompts.read", "prompts", prompt)

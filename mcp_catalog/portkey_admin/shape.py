"""Pure: whether a config is one, before it is sent. Source: Portkey's gateway config object."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sophia_mcp.pages import cut

from .hidden import DEPTH, without_secrets

_Codes = list[Annotated[int, Field(ge=100, le=599)]] | None
_Guardrails = list[str | dict[str, Any]] | None


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Condition(_Strict):
    query: dict[str, Any]
    then: str


class _Strategy(_Strict):
    mode: Literal["single", "loadbalance", "fallback", "conditional"]
    on_status_codes: _Codes = None
    conditions: list[_Condition] | None = None
    default: str | None = None


class _Cache(_Strict):
    mode: Literal["simple", "semantic"]
    max_age: int | None = Field(None, ge=1)


class _Retry(_Strict):
    attempts: int = Field(ge=0, le=5)
    on_status_codes: _Codes = None


class _Config(_Strict):
    """A config, or one of its targets. What else it has, Portkey checks."""

    strategy: _Strategy | None = None
    targets: list["_Config"] | None = Field(None, min_length=1)
    name: str | None = None
    provider: str | None = None
    virtual_key: str | None = None
    cache: _Cache | None = None
    retry: _Retry | None = None
    weight: float | None = Field(None, ge=0)
    request_timeout: int | None = Field(None, ge=1)
    override_params: dict[str, Any] | None = None
    forward_headers: list[str] | None = None
    input_guardrails: _Guardrails = None
    output_guardrails: _Guardrails = None

    @model_validator(mode="after")
    def _agrees(self) -> "_Config":
        if (self.strategy is None) != (self.targets is None):
            raise ValueError("expected both strategy and targets, or neither")
        if self.strategy is None or self.strategy.mode != "conditional":
            return self
        if not self.strategy.conditions or not self.strategy.default:
            raise ValueError("expected conditions and default in a conditional strategy")
        names = {one.name for one in self.targets or [] if one.name}
        led_to = {one.then for one in self.strategy.conditions} | {self.strategy.default}
        if strange := sorted(led_to - names):
            raise ValueError(f"expected names of targets, got {', '.join(strange)}")
        return self


def check(config: dict[str, Any]) -> None:
    """Raises:
    ToolError: it isn't one, or holds secrets; all errors at once, without their values.
    """
    if not config:
        raise ToolError(
            "config: expected at least one of strategy with targets, provider, cache, retry, "
            "request_timeout, input_guardrails, output_guardrails; got an empty object"
        )
    secrets: list[str] = []
    without_secrets(config, secrets, "config")
    faults = [] if any(path.count(".") >= DEPTH for path in secrets) else _faults(config)
    if secrets:
        faults.append(
            f"{', '.join(cut(path, 100) for path in secrets[:10])}: got a secret, [hidden], or "
            f'more than {DEPTH} levels; expected none of them. Name a provider as "@slug" '
            "(list_providers) or a virtual_key, which keep their keys in Portkey; a config with "
            "keys of its own is changed in Portkey's app"
        )
    if faults:
        raise ToolError(f"{'; '.join(faults)}. Nothing was sent.")


def _faults(config: dict[str, Any]) -> list[str]:
    try:
        _Config.model_validate(config)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, ('config', *one['loc'])))}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)[:10]
        ]
    return []

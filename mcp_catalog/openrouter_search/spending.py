"""Calls that cost money: estimated, reserved, made once, and reported with their cost."""

import asyncio
import json
from contextlib import suppress
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, BeforeValidator, ValidationError
from sophia_mcp.arguments import given
from sophia_mcp.budget import Budget
from sophia_mcp.errors import Refused, UpstreamError
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import cut
from sophia_mcp.upstream import Upstream

from .budget import RESULT_TOKENS, SEARCH_USD, price_limits, prompt_tokens
from .catalogue import Catalogue
from .models import Answered, Citation, Key, Message, WholeModel

SHOWN, EXCERPT, MOST_CITATIONS = 24_000, 500, 20
"""Characters of an answer and of a citation's excerpt."""

SOON_S = 2.0
"""How long an answer waits for the rest of the key's limit."""

_NOTES = {
    "length": "It was cut at max_tokens: raise it.",
    "content_filter": "A filter of the provider's cut it: rephrase, or take another model.",
    "error": "It broke off: try again, or take another model.",
}


def _told(content: object) -> object:
    """Models may answer in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = at("completion_tokens_details", "reasoning_tokens", default=None)
    cost: float | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    error: dict[str, Any] | str | None = None
    text: Annotated[Text, BeforeValidator(_told)] = at("message", "content", default="")
    refusal: Text = at("message", "refusal", default="")
    annotations: list[dict[str, Any]] | None = at("message", "annotations", default=None)


class _Completion(BaseModel):
    id: Text = ""
    model: Text = ""
    provider: str | None = None
    error: dict[str, Any] | str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None

    @property
    def problem(self) -> dict[str, Any] | str | None:
        """An error in spite of status 200."""
        inner = next((one.error for one in self.choices or [] if one.error), None)
        return self.error or inner or (None if self.choices else "an answer without choices")

    def cost(self, estimate: float) -> float:
        """USD. OpenRouter charges for no errors."""
        if self.usage is None or self.usage.cost is None:
            return 0.0 if self.problem else estimate
        return self.usage.cost


class Spending:
    """chat: for completions. meter: for the rest of the key's limit, so its failures affect no
    other call. seconds: that a call may take."""

    def __init__(
        self, chat: Upstream, meter: Upstream, known: Catalogue, budget: Budget, seconds: float
    ) -> None:
        self._chat, self._meter, self._known = chat, meter, known
        self._budget, self._seconds = budget, seconds

    async def complete(
        self, model: str, messages: list[Message], max_tokens: int,
        routing: dict[str, Any], web: dict[str, Any] | None = None, **options: Any,
    ) -> Answered:  # fmt: skip
        """One completion. routing: OpenRouter's `provider`. web: options of a search before it.

        Raises:
            ToolError: it might cost too much, or there is no usable answer.
        """
        ends = asyncio.get_running_loop().time() + self._seconds
        found = await self._known.find(model)
        if "text" not in found.output_modalities:
            raise ToolError(f"model: {found.id} does not answer with text: take another.")
        if model.endswith(":online"):
            model, web = model.removesuffix(":online"), web or {}
        prompt, search_usd = prompt_tokens([one.content for one in messages]), 0.0
        if web is not None:
            # Of the engines, Exa has one price for all models.
            plugin = {"id": "web", "engine": "exa", "max_results": 5, **web}
            options["plugins"] = [plugin]
            prompt, search_usd = prompt + plugin["max_results"] * RESULT_TOKENS, SEARCH_USD
        completion = _longest(found, max_tokens)
        most, tokens_usd = self._budget.most() - search_usd, found.usd(prompt, completion)
        estimate = search_usd + (max(most, 0.0) if tokens_usd is None else tokens_usd)
        body = {
            "model": model,
            "messages": [one.model_dump() for one in messages],
            "max_tokens": max_tokens,
            "provider": {**routing, "max_price": price_limits(found, prompt, completion, most)},
            **given(**options),
        }
        day, cost = self._budget.hold(estimate), 0.0
        try:
            left = await self._left()
            cost = estimate  # unless the real cost becomes known
            async with asyncio.timeout_at(ends):
                answer = await self._chat.send(
                    _Completion, "POST", "chat", "completions", body=body
                )
            cost = answer.cost(estimate)
        except (UpstreamError, TimeoutError) as error:
            if isinstance(error, UpstreamError) and _is_free(error):
                cost = 0.0
                raise
            why = str(error) or f"{model} gave no answer within {self._seconds:g} s."
            raise ToolError(f"{why} It may have cost up to ${estimate:.4f}.") from None
        finally:
            self._budget.settle(day, estimate, cost)
        if problem := answer.problem:
            raise self._chat.refusal(json.dumps({"error": problem}).encode())
        return _answered(answer, estimate, self._budget.spent(), left)

    async def _left(self) -> float | None:
        with suppress(TimeoutError, ToolError):
            async with asyncio.timeout(SOON_S):
                return (await self._meter.get(Key, "key")).limit_remaining
        return None


def _longest(model: WholeModel, max_tokens: int) -> int:
    """Tokens of the longest answer: some models know no max_tokens."""
    known = model.supported_parameters
    if not known or {"max_tokens", "max_completion_tokens"} & set(known):
        return max_tokens
    return model.max_completion_tokens or model.context_length or max_tokens


def _is_free(error: UpstreamError) -> bool:
    """Whether it never arrived, or was refused before a model had it."""
    return not error.sent or (isinstance(error, Refused) and error.status < 500)


def _answered(answer: _Completion, estimate: float, spent: float, left: float | None) -> Answered:
    choice, usage = (answer.choices or [_Choice()])[0], answer.usage or _Usage()
    text = choice.text or choice.refusal
    return Answered(
        text=cut(text, SHOWN),
        note=_note(choice, bool(text)),
        citations=_citations(choice.annotations or []),
        model=answer.model,
        provider=answer.provider,
        generation_id=answer.id,
        finish_reason=choice.finish_reason,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        usd=usage.cost,
        usd_estimated=round(estimate, 6),
        server_spent_today=spent,
        key_left=None if left is None else round(left - (usage.cost or 0.0), 6),
    )


def _note(choice: _Choice, has_text: bool) -> str | None:
    if choice.finish_reason == "length" and not has_text:
        return "All of max_tokens went into thinking: raise it, or lower reasoning_effort."
    nothing = None if has_text else "The model said nothing: try again, or take another model."
    return _NOTES.get(choice.finish_reason or "", nothing)


def _citations(annotations: list[dict[str, Any]]) -> list[Citation]:
    by_url: dict[str, Citation] = {}
    for annotation in annotations:
        with suppress(ValidationError):  # files have annotations, too
            found = Citation.model_validate(annotation)
            found.excerpt = cut(found.excerpt, EXCERPT)
            by_url.setdefault(found.url, found)
    return list(by_url.values())[:MOST_CITATIONS]

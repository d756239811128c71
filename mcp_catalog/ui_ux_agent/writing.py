"""A model of OpenRouter that writes and reviews components, within the budget."""

import asyncio
import re
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.budget import Budget
from sophia_mcp.errors import Refused, UpstreamError
from sophia_mcp.fields import Many, Text, at
from sophia_mcp.upstream import Upstream


class _Choice(BaseModel):
    finish_reason: str | None = None
    text: Text = at("message", "content", default="")


class _Completion(BaseModel):
    model: Text = ""
    error: dict[str, Any] | str | None = None
    choices: Many[_Choice] = Field(default_factory=list)
    cost: float | None = at("usage", "cost", default=None)


class Written(BaseModel):
    """The model's answer. whole: it was not cut at max_tokens."""

    text: str
    whole: bool
    model: str
    usd: float | None = Field(description="What it cost; null: not told")


class Writer:
    """chat: OpenRouter. model: its id. seconds: that an answer may take."""

    def __init__(self, chat: Upstream, budget: Budget, model: str, seconds: float) -> None:
        self._chat, self._budget = chat, budget
        self._model, self._seconds = model, seconds

    async def write(self, role: str, task: str, max_tokens: int) -> Written:
        """The model's answer. It is asked once.

        Raises:
            ToolError: it might cost too much, or there is no usable answer.
        """
        # Never use a provider that charges more than the model's price.
        estimate = self._budget.per_call
        tokens = len((role + task).encode()) // 3 + 50 + max_tokens
        most = round(estimate * 1_000_000 / tokens, 6)
        body = {
            "model": self._model,
            "messages": [{"role": "system", "content": role}, {"role": "user", "content": task}],
            "max_tokens": max_tokens,
            "provider": {"max_price": {"prompt": most, "completion": most}},
        }
        day, cost = self._budget.hold(estimate), estimate
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._chat.send(
                    _Completion, "POST", "chat", "completions", body=body
                )
            cost = estimate if answer.cost is None and answer.choices else answer.cost or 0.0
        except (UpstreamError, TimeoutError) as error:
            if isinstance(error, UpstreamError) and _is_free(error):
                cost = 0.0
                raise
            why = str(error) or f"{self._model} gave no answer within {self._seconds:g} s."
            raise ToolError(f"{why} It may have cost up to ${estimate:.2f}.") from None
        finally:
            self._budget.settle(day, estimate, cost)
        choice = answer.choices[0] if answer.choices else _Choice()
        if answer.error or not choice.text:
            raise ToolError(
                f"{self._model} gave no text: {str(answer.error or choice.finish_reason)[:300]}. "
                "Raise max_tokens, ask for less, or ask the operator for another model."
            )
        return Written(
            text=choice.text,
            whole=choice.finish_reason != "length",
            model=answer.model or self._model,
            usd=answer.cost,
        )


def code_of(text: str) -> tuple[str, str]:
    """The first block of code in an answer, and what else it says."""
    block = re.search(r"```[\w+-]*\n(.*?)(?:\n```|\Z)", text, re.S)
    if block is None:
        return text.strip(), ""
    return block[1], (text[: block.start()] + text[block.end() :]).strip()


def _is_free(error: UpstreamError) -> bool:
    """Whether it never arrived, or was refused before a model had it."""
    return not error.sent or (isinstance(error, Refused) and error.status < 500)

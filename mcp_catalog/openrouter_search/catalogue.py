"""All models of OpenRouter, fetched now and then and searched here."""

import asyncio
import difflib
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Literal

from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.upstream import Upstream

from .models import WholeModel

KEPT_S = 600.0
VARIANTS = ("nitro", "floor", "exacto", "online")
"""Suffixes for how a model is run; `:free`, `:thinking` and so on are separate models."""

Order = Literal["popular", "newest", "cheapest", "context", "intelligence", "coding"]

_LAST = float("inf")
_KEYS: dict[str, Callable[[WholeModel], float]] = {
    "newest": lambda one: -one.created.timestamp() if one.created else _LAST,
    "cheapest": lambda one: _LAST if (usd := one.usd(3_000, 1_000)) is None else usd,
    "context": lambda one: -(one.context_length or 0),
    "intelligence": lambda one: -(one.intelligence or 0.0),
    "coding": lambda one: -(one.coding or 0.0),
}


class Catalogue:
    """The models, as OpenRouter listed them within KEPT_S."""

    def __init__(self, api: Upstream) -> None:
        self._api = api
        self._models: list[WholeModel] = []
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def models(self) -> list[WholeModel]:
        """The most used first."""
        async with self._asking:
            if self._until <= monotonic():
                params = {"output_modalities": "all", "sort": "most-popular"}
                self._models = await self._api.get(list[WholeModel], "models", params=params)
                self._until = monotonic() + (KEPT_S if self._models else 0.0)
        return self._models

    async def find(self, model: str) -> WholeModel:
        """The model of an id, with or without one of VARIANTS.

        Raises:
            ToolError: there is none; the text names those with a similar id.
        """
        wanted = model.strip().lower()
        base, _, variant = wanted.rpartition(":")
        by_id = {one.canonical_slug: one for one in await self.models()}
        by_id |= {one.id: one for one in self._models}
        if found := by_id.get(wanted) or (by_id.get(base) if variant in VARIANTS else None):
            return found
        near = difflib.get_close_matches(wanted, by_id, n=4) or [
            one for one in by_id if wanted.split("/")[-1] in one
        ][:4]  # fmt: skip
        hint = f": did you mean {', '.join(near)}?" if near else "."
        raise ToolError(f"model: OpenRouter has no {model!r}{hint} search_models finds ids.")


def ordered(models: Iterable[WholeModel], order: Order) -> list[WholeModel]:
    """In this order; where it leaves a choice, the most used first."""
    return sorted(models, key=_KEYS[order]) if order in _KEYS else list(models)


def matching(models: Sequence[WholeModel], query: str) -> list[WholeModel]:
    """Those that have all words, in name or id first, then those with them in the description."""
    words = query.lower().split()

    def has(one: WholeModel, *, described: bool) -> bool:
        text = f"{one.id} {one.name} {one.description if described else ''}".lower()
        return all(word in text for word in words)

    named = [one for one in models if has(one, described=False)]
    ids = {one.id for one in named}
    return named + [one for one in models if one.id not in ids and has(one, described=True)]

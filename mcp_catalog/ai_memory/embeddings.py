"""Texts as vectors, from a service that speaks OpenAI's API (POST /embeddings: OpenAI, Azure's v1,
Ollama, vLLM, LiteLLM, Text Embeddings Inference).

Shapes: https://platform.openai.com/docs/api-reference/embeddings/create
"""

import json
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel
from sophia_mcp.arguments import given
from sophia_mcp.errors import Unusable
from sophia_mcp.metrics import Metrics
from sophia_mcp.remembered import Remembered
from sophia_mcp.settings import Settings
from sophia_mcp.upstream import Limits, Upstream, bearer

MOST_CHARACTERS = 8_000
"""Of a text: no more than the 8,192 tokens that OpenAI's models take, in any language."""
MOST_DIMENSIONS = 4_096
_NAME = "The embeddings service"
_QUERY_SECONDS = 600.0
_SOMEONE_WAITS = Limits(deadline_s=3, connect_s=1, read_s=3, tries=2)
_NOBODY_WAITS = Limits(deadline_s=60, read_s=60, at_once=1)


@dataclass(frozen=True)
class Vector:
    """Of length 1. text: its numbers as JSON."""

    text: str

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Self | None:
        """None if they have no direction: NaN, infinite or all zero."""
        length = math.hypot(*numbers)
        if not math.isfinite(length) or not length:
            return None
        return cls(f"[{','.join(f'{number / length:.8f}' for number in numbers)}]")

    @property
    def array(self) -> str:
        """As Postgres reads a real[]."""
        return f"{{{self.text[1:-1]}}}"

    @property
    def signs(self) -> str:
        """A bit for each number, 1 where it is not negative."""
        return "".join("0" if number < 0 else "1" for number in json.loads(self.text))


class _Embedding(BaseModel):
    index: int
    embedding: list[float]


class _Embeddings(BaseModel):
    data: list[_Embedding]


class Embeddings:
    """One model of the service. Every call raises UpstreamError when it has no vector to give.

    dimensions: of its vectors; asked for where the operator names them, else known from the first
        answer on. Vectors of another length are refused from then on.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        key = settings.credential("EMBEDDINGS_API_KEY")
        auth = bearer(key) if key.value else None
        self._asked = Upstream(_NAME, url, auth=auth, limits=_SOMEONE_WAITS)
        self._patient = Upstream(_NAME, url, auth=auth, limits=_NOBODY_WAITS)
        self._model = settings.text("EMBEDDINGS_MODEL", "text-embedding-3-small")
        wanted = settings.number("EMBEDDINGS_DIMENSIONS", 0, least=0, most=MOST_DIMENSIONS)
        self._wanted = self.dimensions = wanted or None
        self._queries = Remembered(200)

    @asynccontextmanager
    async def opened(self, metrics: Metrics) -> AsyncIterator[None]:
        """Its connections, for as long as the context."""
        async with AsyncExitStack() as stack:
            for upstream in (self._asked, self._patient):
                await stack.enter_async_context(upstream.opened(metrics))
            yield

    async def check(self) -> None:
        """Raises DependencyError while the service is left alone."""
        await self._asked.check()

    async def space(self) -> str:
        """The name of what its vectors may be compared within: the model and the dimensions."""
        if self.dimensions is None:
            await self._vectors(["dimensions"], self._asked)
        return f"{self._model}/{self.dimensions}"

    async def of_query(self, query: str) -> Vector:
        """For a search; the same query costs nothing for ten minutes."""
        known = self._queries.get(query)
        if known is not None:
            return Vector(known)
        [vector] = await self._vectors([query], self._asked)
        self._queries.put(query, vector.text, _QUERY_SECONDS)
        return vector

    async def of_memory(self, text: str) -> Vector:
        """While somebody waits for it."""
        [vector] = await self._vectors([text], self._asked)
        return vector

    async def of_memories(self, texts: Sequence[str]) -> list[Vector]:
        """In order, in the background."""
        return await self._vectors(texts, self._patient)

    async def _vectors(self, texts: Sequence[str], upstream: Upstream) -> list[Vector]:
        body = given(model=self._model, input=list(texts), dimensions=self._wanted)
        answer = await upstream.send(_Embeddings, "POST", "embeddings", body=body, repeatable=True)
        given_back = sorted(answer.data, key=lambda one: one.index)
        if [one.index for one in given_back] != list(range(len(texts))):
            raise _useless(f"one for each of {len(texts)} texts, got {len(given_back)}")
        lengths = {len(one.embedding) for one in given_back}
        wanted = self.dimensions or max(lengths)
        if lengths != {wanted} or not 0 < wanted <= MOST_DIMENSIONS:
            most = self.dimensions or f"up to {MOST_DIMENSIONS}"
            raise _useless(f"{most} numbers, got {', '.join(map(str, sorted(lengths)))}")
        vectors = [Vector.of(one.embedding) for one in given_back]
        found = [vector for vector in vectors if vector is not None]
        if len(found) < len(vectors):
            raise _useless("finite numbers that are not all zero, got others")
        self.dimensions = wanted
        return found


def _useless(wanted: str) -> Unusable:
    return Unusable(
        f"{_NAME}: expected vectors of {wanted}. Ask the operator of this server to check "
        "EMBEDDINGS_MODEL and EMBEDDINGS_DIMENSIONS.",
        "wrong_vectors",
    )


def read_embeddings(settings: Settings) -> Embeddings | None:
    """As the settings name them; None where they don't, and search is by words.

    Raises:
        SettingError: EMBEDDINGS_URL is no address, or EMBEDDINGS_DIMENSIONS no number up to 4096.
    """
    url = settings.url("EMBEDDINGS_URL", "https://api.openai.com/v1")
    embeddings = Embeddings(url, settings)
    return embeddings if settings.text("EMBEDDINGS_URL", "") else None

"""Snowflake's models, which cost credits: search, text, sentiment, vectors, SQL from questions."""

import json
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from sophia_mcp.fields import at
from sophia_mcp.pages import PAGE_BYTES, Limit, cut
from sophia_mcp.upstream import Upstream

from .objects import Name, Objects, exact, spoken
from .statements import Statements

_Query = Annotated[str, Field(min_length=1, max_length=4_000)]
_Text = Annotated[str, Field(min_length=1, max_length=100_000)]
_Model = Annotated[str, Field(pattern=r"^[\w.:/-]{1,100}$")]
_Where = Annotated[Name | None, Field(description="The server's own, if left out")]
_Columns = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=255)]],
    Field(max_length=50, description="To show; the search column, if left out"),
]
_Filter = Annotated[
    dict[str, Any],
    Field(
        description='Like {"@and": [{"@eq": {"REGION": "EU"}}, {"@gte": {"DAY": "2026-01-01"}}]}'
    ),
]
_Semantic = Annotated[
    str,
    Field(
        min_length=3, max_length=1_000,
        description="A semantic view (DB.SCHEMA.VIEW) or a model's file (@DB.SCHEMA.STAGE/m.yaml)",
    ),
]  # fmt: skip


class Found(BaseModel):
    """What a search found, the best first. Values above 2,000 characters are cut."""

    results: list[dict[str, Any]]


class Completion(BaseModel):
    """A model's answer."""

    text: str


class Sentiment(BaseModel):
    """How a text sounds. score: from -1 (bad) to 1 (good)."""

    score: float


class Embedding(BaseModel):
    """A text as a vector."""

    dimensions: int
    vector: list[float]


class _Block(BaseModel):
    type: str
    text: str | None = None
    statement: str | None = None
    suggestions: list[str] | None = None


class _Warning(BaseModel):
    message: str = ""


class _Reply(BaseModel):
    blocks: list[_Block] = at("message", "content")
    warnings: list[_Warning] | None = None


class Analysis(BaseModel):
    """What the analyst made of a question. sql: not run yet; execute_query runs it."""

    text: str
    sql: str | None
    suggestions: list[str] = Field(description="Questions that it could answer instead")
    warnings: list[str]


class Cortex:
    """The tools."""

    def __init__(self, api: Upstream, statements: Statements, objects: Objects) -> None:
        self._api, self._statements, self._objects = api, statements, objects

    async def semantic_search(
        self, service: Name, query: _Query, columns: _Columns | None = None,
        filter: _Filter | None = None, limit: Limit = 10, database: _Where = None,
        schema: _Where = None,
    ) -> Found:  # fmt: skip
        """Search a Cortex Search service by meaning and words; list_search_services has their names
        and columns."""
        where = [spoken(name) for name in self._objects.place(database=database, schema=schema)]
        path = ("databases", where[0], "schemas", where[1], "cortex-search-services")
        body: dict[str, Any] = {"query": query, "limit": limit}
        body |= {"columns": columns} if columns else {}
        body |= {"filter": filter} if filter else {}
        found = await self._api.send(
            Found, "POST", "api", "v2", *path, f"{spoken(exact(service))}:query",
            body=body, repeatable=True,
        )  # fmt: skip
        short = [
            {key: _short(value) for key, value in one.items() if not key.startswith("@")}
            for one in found.results
        ]
        while len(short) > 1 and len(json.dumps(short, ensure_ascii=False).encode()) > PAGE_BYTES:
            short.pop()
        return Found(results=short)

    async def complete_text(self, prompt: _Text, model: _Model = "llama3.1-70b") -> Completion:
        """Let a language model that runs in Snowflake answer a prompt (AI_COMPLETE)."""
        said = str(await self._value("SELECT AI_COMPLETE(?, ?)", model, prompt))
        if said.startswith('"'):  # of VARIANT, it is JSON
            said = str(_json(said))
        return Completion(text=cut(said, 60_000))

    async def analyze_sentiment(self, text: _Text) -> Sentiment:
        """Rate how a text sounds, from -1 (bad) to 1 (good)."""
        said = await self._value("SELECT SNOWFLAKE.CORTEX.SENTIMENT(?)", text)
        return Sentiment(score=float(said))

    async def generate_embedding(
        self, text: _Text, model: _Model = "snowflake-arctic-embed-l-v2.0"
    ) -> Embedding:
        """Turn a text into a vector, of 768 or 1,024 numbers by the model (AI_EMBED). To compare
        texts within Snowflake, semantic_search needs no vectors."""
        vector = _json(str(await self._value("SELECT AI_EMBED(?, ?)::ARRAY", model, text)))
        return Embedding(dimensions=len(vector), vector=vector)

    async def cortex_analyst(self, question: _Query, semantic_model: _Semantic) -> Analysis:
        """Ask a question about data in plain words: Cortex Analyst writes the SQL for it, from a
        semantic view or model. The SQL is not run: check it and give it to execute_query."""
        kind = "semantic_model_file" if semantic_model.startswith("@") else "semantic_view"
        asked = {"role": "user", "content": [{"type": "text", "text": question}]}
        body = {"messages": [asked], kind: semantic_model, "stream": False}
        reply = await self._api.send(
            _Reply, "POST", "api", "v2", "cortex", "analyst", "message", body=body, repeatable=True
        )
        return Analysis(
            text=cut("\n".join(one.text for one in reply.blocks if one.text), 10_000),
            sql=next((one.statement for one in reply.blocks if one.statement), None),
            suggestions=[text for one in reply.blocks for text in one.suggestions or ()],
            warnings=[one.message for one in reply.warnings or ()],
        )

    async def _value(self, sql: str, *values: str) -> Any:
        found = await self._statements.run(sql, *values, limit=1)
        value = found.rows[0][0] if found.rows and found.rows[0] else None
        if value is None:
            raise ToolError(
                "Snowflake: the model gave no answer; try another model or a shorter text"
            )
        return value


def _short(value: Any) -> Any:
    return cut(value, 2_000) if isinstance(value, str) else value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ToolError("Snowflake: the model's answer can't be read; try another model") from None

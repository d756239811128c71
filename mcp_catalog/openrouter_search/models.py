"""What OpenRouter's models, providers, keys and answers are to a model. Amounts are in USD."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field
from sophia_mcp.fields import Many, Text, at
from sophia_mcp.pages import NextCursor

FEATURES = ("tools", "structured_outputs", "reasoning")


def _price(text: object) -> float | None:
    """OpenRouter writes "0.000003" for a token, and "-1" for what varies."""
    try:
        price = Decimal(str(text))
    except InvalidOperation:
        return None
    return float(price) if price.is_finite() and price >= 0 else None


def _per_million(text: object) -> float | None:
    price = _price(text)
    return None if price is None else round(price * 1_000_000, 6)


def _features(parameters: list[str] | None) -> list[str]:
    return [one for one in FEATURES if one in (parameters or [])]


_PerMillion = Annotated[float | None, BeforeValidator(_per_million)]


class _Priced(BaseModel):
    prompt_usd: _PerMillion = at(
        "pricing", "prompt", default=None, description="Per million tokens; null varies"
    )
    completion_usd: _PerMillion = at("pricing", "completion", default=None)


class Model(_Priced):
    """A model."""

    id: str
    name: Text = ""
    created: datetime | None = None
    context_length: int | None = Field(None, description="Tokens of prompt and answer together")
    input_modalities: Many[str] = at("architecture", "input_modalities", default_factory=list)
    output_modalities: Many[str] = at("architecture", "output_modalities", default_factory=list)
    features: Annotated[list[str], BeforeValidator(_features)] = at(
        "supported_parameters", default_factory=list
    )
    intelligence: float | None = at(
        "benchmarks", "artificial_analysis", "intelligence_index", default=None,
        description="Index of Artificial Analysis, as coding",
    )  # fmt: skip
    coding: float | None = at("benchmarks", "artificial_analysis", "coding_index", default=None)


class Override(BaseModel):
    """Other prices from a length of the prompt, or at a time of the day in UTC (HHMM)."""

    min_prompt_tokens: int | None = None
    utc_start: int | None = None
    utc_end: int | None = None
    prompt_usd: _PerMillion = at("prompt", default=None)
    completion_usd: _PerMillion = at("completion", default=None)


class WholeModel(Model):
    """A model with all that is known of it."""

    canonical_slug: Text = ""
    description: Text = ""
    max_completion_tokens: int | None = at("top_provider", "max_completion_tokens", default=None)
    is_moderated: bool | None = at("top_provider", "is_moderated", default=None)
    knowledge_cutoff: str | None = None
    expiration_date: str | None = None
    cache_read_usd: _PerMillion = at("pricing", "input_cache_read", default=None)
    request_usd: Annotated[float | None, BeforeValidator(_price)] = at(
        "pricing", "request", default=None, description="Per request"
    )
    price_overrides: Many[Override] = at("pricing", "overrides", default_factory=list)
    supported_parameters: Many[str] = Field(default_factory=list)

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What so many tokens cost at most, by the listed prices; None where those vary."""
        if self.prompt_usd is None or self.completion_usd is None:
            return None
        met = [o for o in self.price_overrides if (o.min_prompt_tokens or 0) < prompt_tokens]
        prompt = max([self.prompt_usd, *(o.prompt_usd or 0.0 for o in met)])
        completion = max([self.completion_usd, *(o.completion_usd or 0.0 for o in met)])
        tokens = prompt_tokens * prompt + completion_tokens * completion
        return tokens / 1_000_000 + (self.request_usd or 0.0)


class Models(BaseModel):
    """Some models, best first by the order asked for."""

    total: int
    models: list[Model]
    next_cursor: NextCursor = None


class Compared(BaseModel):
    """A model beside others."""

    model: Model
    max_completion_tokens: int | None
    example_usd: float | None = Field(description="What the call asked about costs; null varies")


class Endpoint(_Priced):
    """A provider that serves a model."""

    provider: Text = at("provider_name", default="")
    tag: Text = Field("", description="Names it in chat_completion's providers")
    context_length: int | None = None
    max_completion_tokens: int | None = None
    quantization: str | None = None
    latency_ms: float | None = at(
        "latency_last_30m", "p50", default=None, description="To the first token, median"
    )
    tokens_per_second: float | None = at("throughput_last_30m", "p50", default=None)
    uptime_30m: float | None = at("uptime_last_30m", default=None, description="Percent")
    uptime_1d: float | None = at("uptime_last_1d", default=None)


class Endpoints(BaseModel):
    """OpenRouter's answer about who serves a model."""

    endpoints: list[Endpoint]


class Provider(BaseModel):
    """A company whose machines run models."""

    name: str
    slug: str
    headquarters: str | None = Field(None, description="Country, like US")
    datacenters: Many[str] = Field(default_factory=list)
    status_page_url: str | None = None
    privacy_policy_url: str | None = None


class Generation(BaseModel):
    """What one answer was and cost."""

    id: str
    model: str
    provider: str | None = at("provider_name", default=None)
    created_at: datetime | None = None
    finish_reason: str | None = None
    usd: float | None = at("total_cost", default=None)
    prompt_tokens: int | None = at("native_tokens_prompt", default=None)
    completion_tokens: int | None = at("native_tokens_completion", default=None)
    reasoning_tokens: int | None = at("native_tokens_reasoning", default=None)
    latency_ms: float | None = at("latency", default=None)
    generation_ms: float | None = at("generation_time", default=None)


class Key(BaseModel):
    """The key of this server."""

    limit: float | None = Field(None, description="null: none but the account's credit")
    limit_remaining: float | None = None
    limit_reset: str | None = Field(None, description="daily, weekly or monthly; null: never")
    usage: float | None = None
    usage_daily: float | None = None
    usage_monthly: float | None = None
    is_free_tier: bool | None = None
    expires_at: datetime | None = None


class Account(BaseModel):
    """Of the whole account."""

    total_credits: float
    total_usage: float


class Credits(BaseModel):
    """What may still be spent."""

    account: Account | None = Field(description="null: only a management key may see it")
    key: Key
    server_spent_today: float = Field(
        description="By this replica since midnight UTC or its start, with what it may have cost"
    )
    server_max_per_day: float
    server_max_per_call: float


class Message(BaseModel):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(min_length=1, max_length=200_000)]


class Citation(BaseModel):
    """A web page that an answer rests on."""

    url: str = at("url_citation", "url")
    title: Text = at("url_citation", "title", default="")
    excerpt: Text = at("url_citation", "content", default="")


class Answered(BaseModel):
    """What a model said and what it cost."""

    text: str
    note: str | None = Field(description="What is odd about the answer, and what to do")
    citations: list[Citation]
    model: str = Field(description="The one that answered")
    provider: str | None
    generation_id: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    usd: float | None = Field(description="null: not told; get_generation may know it")
    usd_estimated: float = Field(description="What it might have cost, as estimated before")
    server_spent_today: float
    key_left: float | None = Field(description="Of the key's limit; null: no limit, or not known")

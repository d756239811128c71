"""A service's answer, parsed as the kind that a tool asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from . import faults, retry
from .wording import Wording

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A service's answer. size: bytes of the whole; `content` may be only its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    size: int = 0


@dataclass(frozen=True)
class Answers:
    """Parses the answers of one service. data, ok: see Upstream. Raises UpstreamError."""

    wording: Wording
    data: str | None
    ok: str | None

    def read(self, kind: type[T], answer: Answer) -> T:
        """The result, as a `kind` that pydantic parses."""
        if self.data is None and self.ok is None:
            return self._from_json(kind, answer)
        inner: Any = self._from_json(dict[str, Any], answer)
        if self.ok is not None and not inner.get(self.ok):
            raise self.wording.refused_though_200(answer.content)
        if self.data is not None:
            if self.data not in inner:
                raise self.wording.not_the_api(f"one without {self.data!r}")
            inner = inner[self.data]
        return self._validated(kind, TypeAdapter(kind).validate_python, inner)

    def graphql(self, kind: type[T], answer: Answer) -> T:
        """The `data` of an answer to a GraphQL query."""
        envelope = self._from_json(dict[str, Any], answer)
        if envelope.get("errors") or envelope.get("data") is None:
            wait = retry.retry_after(answer.headers, datetime.now(UTC))
            if faults.is_limit(answer.status, wait, answer.content):
                raise self.wording.refusal(429, wait, answer.content, doubtful=False)
            raise self.wording.refused_though_200(answer.content)
        return self._validated(kind, TypeAdapter(kind).validate_python, envelope["data"])

    def _from_json(self, kind: type[T], answer: Answer) -> T:
        if page := faults.html_title(answer.content):
            raise self.wording.not_the_api(page)
        return self._validated(kind, TypeAdapter(kind).validate_json, answer.content)

    def _validated(self, kind: type[T], validate: Any, content: object) -> T:
        try:
            read: T = validate(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "its start"
            raise self.wording.not_the_api(f"at {where}: {first['msg']}") from None
        return read

"""Lambda Cloud's API, as far as it is read."""

import asyncio
import logging
import random
from time import monotonic
from typing import TypeVar

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from .errors import LambdaError, Refused, Unreachable
from .models import ApiInstance, ApiOffer

logger = logging.getLogger(__name__)

T = TypeVar("T")
_OFFERS = TypeAdapter(dict[str, ApiOffer])
_INSTANCES = TypeAdapter(list[ApiInstance])


class _Envelope(BaseModel):
    """What every answer comes in."""

    data: object


class _Fault(BaseModel):
    code: str
    message: str
    suggestion: str | None = None


class _FaultEnvelope(BaseModel):
    """What every error comes in."""

    error: _Fault


class LambdaApi:
    """Reads the account. `http` has the base address and the key, and is shared by all calls.

    A rate limit, a fault of the server's and a broken connection are tried again for up to
    `patience` seconds; any other error is raised at once.
    """

    def __init__(self, http: httpx2.AsyncClient, patience: float = 15.0) -> None:
        self._http = http
        self._patience = patience

    async def offers(self) -> list[ApiOffer]:
        """All instance types with the regions that have capacity. Raises LambdaError."""
        return list((await self._get("instance-types", _OFFERS)).values())

    async def instances(self) -> list[ApiInstance]:
        """The account's machines, without terminated ones. Raises LambdaError."""
        return await self._get("instances", _INSTANCES)

    async def _get(self, path: str, kind: TypeAdapter[T]) -> T:
        deadline = monotonic() + self._patience
        pause = 1.0
        while True:
            retry_after: float | None = None
            try:
                response = await self._http.get(path)
                if response.is_success:
                    return _content(response, kind)
                error = _refusal(response)
                retry_after = _retry_after(response)
            except httpx2.TransportError as failure:
                error = Unreachable(
                    f"Lambda Cloud at {self._http.base_url} does not answer: "
                    f"{str(failure) or type(failure).__name__}"
                )
            wait = pause * random.uniform(0.8, 1.2) if retry_after is None else retry_after
            if not _may_pass(error) or monotonic() + wait > deadline:
                raise error
            logger.info("trying again", extra={"path": path, "reason": str(error), "in_s": wait})
            await asyncio.sleep(wait)
            pause *= 2


def _may_pass(error: LambdaError) -> bool:
    return isinstance(error, Unreachable) or (
        isinstance(error, Refused) and (error.status == 429 or error.status >= 500)
    )


def _content(response: httpx2.Response, kind: TypeAdapter[T]) -> T:
    try:
        return kind.validate_python(_Envelope.model_validate_json(response.content).data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Unreachable(
            f"{response.url.path}: expected an answer of Lambda Cloud's API, got at "
            f"{where or 'its start'}: {first['msg']}; is LAMBDA_API_URL its address?"
        ) from None


def _refusal(response: httpx2.Response) -> LambdaError:
    try:
        fault = _FaultEnvelope.model_validate_json(response.content).error
    except ValidationError:
        # A rate limit's body is undocumented; a proxy's error page is not the API's either.
        fault = _Fault(code="(no code)", message=f"{response.text[:200]!r}")
    return Refused(response.status_code, fault.code, fault.message, fault.suggestion)


def _retry_after(response: httpx2.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None

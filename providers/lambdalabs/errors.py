"""What can go wrong with Lambda Cloud.

    LambdaError
    ├── ApiError                  it answered with an error: code, message, suggestion, HTTP status
    │   ├── InvalidKey            global/invalid-api-key
    │   ├── Forbidden             global/account-inactive, global/invalid-address
    │   ├── InvalidParameters     global/invalid-parameters
    │   ├── NotFound              global/object-does-not-exist
    │   ├── Duplicate             global/duplicate
    │   ├── KeyInUse              ssh-keys/key-in-use
    │   ├── RulesetInUse          firewall-rulesets/firewall-ruleset-in-use
    │   ├── InsufficientCapacity  instance-operations/launch/insufficient-capacity
    │   ├── QuotaExceeded         global/quota-exceeded
    │   ├── RateLimited           429: refused before anything happened
    │   └── ServerFault           5xx, global/internal-error: it may have happened
    ├── Blocked                   403 without the API's own text: something on the way refused
    ├── Moved                     a redirect: the API is elsewhere
    ├── Unreachable               no connection: nothing was sent
    ├── LostAnswer                sent, but cut off, timed out or unreadable: it may have happened
    ├── OtherAccount              the key is of another account than the stack's machines
    ├── KeyConflict               the name of an SSH key is taken by another key
    ├── RulesetConflict           the name of a firewall ruleset is taken by another one
    ├── NoMachine                 every candidate type and region was tried
    ├── NotReady                  a machine that failed to become usable
    ├── NotReached                an active machine that was not reached from here; it is kept
    └── NotGone                   a machine that is still there after it was terminated

RateLimited, ServerFault, Unreachable and LostAnswer are worth a retry, the others never.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.runtime.declare import ResourceFailure


class LambdaError(ResourceFailure):
    """Something about Lambda Cloud, in one line a user can act on.

    code: the API's, or None if it gave none. status: HTTP status, or None without an answer.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        suggestion: str | None = None,
        status: int | None = None,
    ) -> None:
        self.message = message
        self.code = code
        self.suggestion = suggestion
        self.status = status
        super().__init__(message)

    def __str__(self) -> str:
        facts = ", ".join(str(fact) for fact in (self.code, self.status) if fact is not None)
        text = f"{self.message} ({facts})" if facts else self.message
        return f"{text}. {self.suggestion}" if self.suggestion else text


class ApiError(LambdaError):
    """The API answered with an error. Branch on the class or the code, never on the message."""


class InvalidKey(ApiError):
    """The API key is wrong, expired or deleted."""


class Forbidden(ApiError):
    """The account is inactive or has no valid billing address."""


class InvalidParameters(ApiError):
    """The request is wrong; the message says how."""


class NotFound(ApiError):
    """No such object, says the API. For an unknown key, image or type a launch answers so, with 404
    or 400."""


class Duplicate(ApiError):
    """The name is taken."""


class KeyInUse(ApiError):
    """The SSH key can't be deleted while machines use it."""


class RulesetInUse(ApiError):
    """The firewall ruleset can't be deleted while machines have it."""


class InsufficientCapacity(ApiError):
    """No such machine is available in that region now. Happens even right after capacity was
    listed."""


class QuotaExceeded(ApiError):
    """The account has as many machines as it is allowed."""


class RateLimited(ApiError):
    """Too many requests. retry_after: seconds the API asks to wait, or None."""

    retry_after: float | None = None


class ServerFault(ApiError):
    """The API failed internally. Whether the request took effect is unknown."""

    retry_after: float | None = None


class Blocked(LambdaError):
    """A 403 that is not Lambda's (a proxy, the edge): it says nothing about key or account."""


class Moved(LambdaError):
    """The API's address redirects elsewhere. Nothing happened."""


class Unreachable(LambdaError):
    """No connection to the API; the request was never sent."""


class LostAnswer(LambdaError):
    """The request was sent and no usable answer came. Whether it took effect is unknown."""


class OtherAccount(LambdaError):
    """The API key works, but belongs to another account than the machines."""


class KeyConflict(LambdaError):
    """Another SSH key has the name."""


class RulesetConflict(LambdaError):
    """Another firewall ruleset in the region has the name, and machines use it."""


class NoMachine(LambdaError):
    """No candidate could be launched; the message lists each with its reason."""


class NotReady(LambdaError):
    """The machine did not become usable; the message says whether it was terminated."""


class NotReached(LambdaError):
    """The API calls the machine active, but it didn't answer over ssh. It is kept."""


class NotGone(LambdaError):
    """The machine is still there, and billed, although it was terminated."""


OUTCOME_UNKNOWN = (ServerFault, LostAnswer)
"""Errors after which a request that must not be made twice may have taken effect: look first."""

UNSEEN = (InvalidKey, Forbidden, Blocked, Moved)
"""After these errors nothing is known about the account's content."""

NOT_LOOKED_AT = "{}: not checked, its recorded state is assumed: {}"
"""A read's warning after one of `UNSEEN`, with the resource's name and the error."""

TRANSIENT = (RateLimited, Unreachable, *OUTCOME_UNKNOWN)
"""Errors after which a repeatable request is worth a retry."""

_BY_CODE: dict[str, type[ApiError]] = {
    "global/invalid-api-key": InvalidKey,
    "global/account-inactive": Forbidden,
    "global/invalid-address": Forbidden,
    "global/invalid-parameters": InvalidParameters,
    "global/object-does-not-exist": NotFound,
    "global/duplicate": Duplicate,
    "ssh-keys/key-in-use": KeyInUse,
    "firewall-rulesets/firewall-ruleset-in-use": RulesetInUse,
    "instance-operations/launch/insufficient-capacity": InsufficientCapacity,
    "global/quota-exceeded": QuotaExceeded,
    # Documented with status 409, but its suggestion is to try again later.
    "global/internal-error": ServerFault,
    "provider/internal-unavailable": ServerFault,
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidParameters,
    401: InvalidKey,
    403: Forbidden,
    # Not 404: without the API's own code it may be a proxy's page, or a wrong address.
    429: RateLimited,
}


NEW_KEY = "Set LAMBDA_API_KEY, or lambdaApiKey, to a valid key of the same account"


def error_from(
    status: int, body: object, retry_after: float | None = None, content_type: str = ""
) -> ApiError | Blocked:
    """The error in an answer that is not a success. Pure.

    body: the decoded JSON, or None if it wasn't JSON (a proxy's page): then the status decides.
    retry_after: seconds of the Retry-After header. content_type: that header.
    """
    error = body.get("error") if isinstance(body, Mapping) else None
    fields: Mapping[str, object] = error if isinstance(error, Mapping) else {}
    code, message = _text(fields.get("code")), _text(fields.get("message"))
    if status == 403 and code is None:
        return Blocked(
            "something between here and Lambda Cloud refused the request, with"
            f" {content_type or 'nothing'} instead of the API's answer",
            status=status,
            suggestion="Check the proxy, VPN and firewall of this network; the API key was not"
            " checked",
        )
    if status == 429 or status >= 500:
        kind: type[ApiError] = RateLimited if status == 429 else ServerFault
    else:
        kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status, ApiError)
    suggestion = _text(fields.get("suggestion"))
    if kind is InvalidKey:
        suggestion = " ".join(filter(None, (suggestion, NEW_KEY)))
    found = kind(
        (message or f"Lambda Cloud answered with HTTP status {status}").rstrip("."),
        code=code,
        suggestion=suggestion,
        status=status,
    )
    if isinstance(found, RateLimited | ServerFault):
        found.retry_after = retry_after
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

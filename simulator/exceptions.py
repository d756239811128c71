"""The simulator's errors.

SimulatorError              the simulator itself can't do its work
├── DockerError             a docker command failed
│   └── DockerMissing       there is no engine, and it can't be installed or started
├── NoFreeSubnet            every candidate subnet is taken
├── StateDamaged            a file of the state folder can't be read
└── NotAnswering            the server did not come up
ApiError                    an error answer of the API
└── RateLimited             too many calls (HTTP 429)
"""

from __future__ import annotations


class SimulatorError(Exception):
    """The simulator can't do its work; the message says why and what to do."""


class DockerError(SimulatorError):
    """A docker command failed."""


class DockerMissing(DockerError):
    """No Docker engine answers, and none can be installed or started."""


class NoFreeSubnet(SimulatorError):
    """No subnet is left for the simulator's network."""


class StateDamaged(SimulatorError):
    """A file in the state folder can't be read."""


class NotAnswering(SimulatorError):
    """The server was started but does not answer."""


class ApiError(Exception):
    """An error as the API reports it: HTTP status, code, message and perhaps a suggestion."""

    def __init__(self, status: int, code: str, message: str, suggestion: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.suggestion = suggestion

    def body(self) -> dict[str, dict[str, str]]:
        """The error's envelope."""
        error = {"code": self.code, "message": self.message}
        if self.suggestion is not None:
            error["suggestion"] = self.suggestion
        return {"error": error}


class RateLimited(Exception):
    """Too many calls; `retry_after` is in seconds, None if the answer doesn't say."""

    def __init__(self, retry_after: int | None) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after


def invalid_api_key() -> ApiError:
    return ApiError(
        401,
        "global/invalid-api-key",
        "API key was invalid, expired, or deleted.",
        "Check your API key or create a new one, then try again.",
    )


def invalid_parameters(message: str) -> ApiError:
    return ApiError(400, "global/invalid-parameters", message)


def not_found(message: str, *, status: int = 404) -> ApiError:
    return ApiError(
        status, "global/object-does-not-exist", message, "Check the name or id, then try again."
    )


def no_such_address(path: str) -> ApiError:
    """Not the code of a missing object: it says nothing about any object."""
    return ApiError(404, "simulator/no-such-address", f"The API has no address {path}.")


def not_implemented(operation: str) -> ApiError:
    return ApiError(
        501,
        "simulator/not-implemented",
        f"Lambda Cloud has {operation}; the simulated cloud does not.",
    )


def duplicate(message: str) -> ApiError:
    return ApiError(400, "global/duplicate", message)


def key_in_use(name: str) -> ApiError:
    return ApiError(
        400,
        "ssh-keys/key-in-use",
        f"SSH key {name!r} is used by an instance.",
        "Terminate the instances that use it, then try again.",
    )


def ruleset_not_found() -> ApiError:
    return ApiError(
        404,
        "global/object-does-not-exist",
        "Firewall ruleset does not exist or you do not have permission to access it.",
        "Check your firewall ruleset ID and try again.",
    )


def ruleset_in_use() -> ApiError:
    return ApiError(
        400,
        "firewall-rulesets/firewall-ruleset-in-use",
        "Firewall ruleset is in use by one or more instances.",
        "Terminate all instances that are using the ruleset before deleting it.",
    )


def insufficient_capacity() -> ApiError:
    return ApiError(
        400,
        "instance-operations/launch/insufficient-capacity",
        "Not enough capacity to fulfill launch request.",
        "Choose an instance type with more availability, or try again later.",
    )


def quota_exceeded() -> ApiError:
    return ApiError(
        400,
        "global/quota-exceeded",
        "Quota exceeded.",
        "Contact Support to increase your quota.",
    )

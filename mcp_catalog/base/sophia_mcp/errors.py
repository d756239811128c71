"""Errors of the runtime.

RuntimeFault                 the process can't start as it was told to
└── SettingError             an environment variable or a secret file has a wrong value
DependencyError              what the server needs does not answer; /health says so
ToolError                    (the SDK's: its text reaches the model)
├── NotConfigured            a credential was not given; the server runs without it
└── UpstreamError            a service did not give an answer that can be used
    ├── Refused              it answered with an error; has its status
    ├── Unreachable          no answer, or none in time
    └── Unusable             an answer that is too large, or not one of its API
"""

from mcp.server.mcpserver.exceptions import ToolError


class RuntimeFault(Exception):
    """The process can't start as it was told to: one line in the log, exit status 2."""


class SettingError(RuntimeFault):
    """An environment variable or a secret file has a wrong value."""


class DependencyError(Exception):
    """Something the server needs does not answer; the text goes into /health."""


class NotConfigured(ToolError):
    """A credential was not given. Tools that need it say so; everything else works.

    what: the service that it opens. missing: names of the credentials.
    """

    reason = "not_configured"

    def __init__(self, what: str, missing: tuple[str, ...]) -> None:
        names = " and ".join(missing)
        super().__init__(
            f"{what} is not configured: {names} is not set. Ask the operator of this server to "
            "set it; calling again changes nothing until then."
        )


class UpstreamError(ToolError):
    """A service did not give an answer that can be used.

    reason: a word for the log, free of anybody's data.
    transient: the same call may succeed in a moment.
    sent: it may have reached the service, and so may have taken effect.
    wait: seconds that the service asked to be left alone for.
    """

    def __init__(
        self,
        text: str,
        reason: str,
        *,
        transient: bool = False,
        sent: bool = True,
        wait: float | None = None,
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.transient = transient
        self.sent = sent
        self.wait = wait


class Refused(UpstreamError):
    """The service answered with an error. status: of HTTP; 200 for an error of GraphQL."""

    def __init__(
        self, text: str, status: int, *, transient: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(text, f"status_{status}", transient=transient, wait=wait)
        self.status = status


class Unreachable(UpstreamError):
    """No answer, or none in time."""


class Unusable(UpstreamError):
    """An answer that is too large, or not one of the service's API."""

"""Errors of the runtime.

RuntimeFault                 the process can't start as configured
└── SettingError             an environment variable or a secret file has a wrong value
DependencyError              something the server needs doesn't answer; /health says so
ToolError                    (the SDK's: its text reaches the model)
├── NotConfigured            a credential or setting was not given; the server runs without it
└── UpstreamError            a service gave no usable answer
    ├── Refused              it answered with an error; has its status
    ├── Unreachable          no answer, or none in time
    └── Unusable             an answer that is too large, or not one of its API
"""

from mcp.server.mcpserver.exceptions import ToolError


class RuntimeFault(Exception):
    """The process can't start as configured: one line in the log, exit status 2."""


class SettingError(RuntimeFault):
    """An environment variable or a secret file has a wrong value."""


class DependencyError(Exception):
    """Something the server needs does not answer; the text goes into /health."""


class NotConfigured(ToolError):
    """A credential or setting was not given. Tools that need it say so; everything else works.

    what: the service that needs it. missing: names of the missing settings.
    """

    reason = "not_configured"

    def __init__(self, what: str, missing: tuple[str, ...]) -> None:
        names, verb = " and ".join(missing), "is" if len(missing) == 1 else "are"
        super().__init__(
            f"{what} is not configured: {names} {verb} not set. Ask the operator of this server "
            "for it; calling again changes nothing until then."
        )


class UpstreamError(ToolError):
    """A service gave no usable answer.

    reason: a word for the log, without callers' data.
    transient: the same call may succeed in a moment.
    sent: it may have reached the service, and so may have taken effect.
    wait: seconds that the service asked us to wait.
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
    """The service answered with an error. status: of HTTP; 200 if only the answer says so."""

    def __init__(
        self, text: str, status: int, *, transient: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(text, f"status_{status}", transient=transient, wait=wait)
        self.status = status


class Unreachable(UpstreamError):
    """No answer, or none in time."""


class Unusable(UpstreamError):
    """An answer that is too large, or not one of the service's API."""

"""Errors of Lambda Cloud's API.

ToolError                    (the SDK's: its text reaches the model)
└── LambdaError              Lambda Cloud did not give an answer we can use
    ├── Refused              it answered with an error; has its status, code and suggestion
    └── Unreachable          no answer in time, or one that is not from its API
"""

from mcp.server.mcpserver.exceptions import ToolError


class LambdaError(ToolError):
    """Lambda Cloud did not give an answer we can use."""


class Refused(LambdaError):
    """The API's own error: its code is stable, its message is for people."""

    def __init__(self, status: int, code: str, message: str, suggestion: str | None) -> None:
        text = f"Lambda Cloud refused ({status} {code}): {message}"
        super().__init__(f"{text} Suggestion: {suggestion}" if suggestion else text)
        self.status = status
        self.code = code
        self.suggestion = suggestion


class Unreachable(LambdaError):
    """No answer in time, or one that is not from the API."""

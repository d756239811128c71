"""Which answers of an Engine mean "ask another manager", and which are final."""

import pytest

from providers.swarm.engine import _refusal
from providers.swarm.errors import EngineError, Leaderless, NotFound, OutOfSequence, Unanswered


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (503, "The swarm does not have a leader. It's possible that too few …", Leaderless),
        (503, "This node is not a swarm manager. Use …", Leaderless),
        (500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded", Unanswered),
        (500, "rpc error: code = Unavailable desc = transport is closing", Unanswered),
        (
            500,
            "rpc error: code = Canceled desc = grpc: the client connection is closing",
            Unanswered,
        ),
        (500, "rpc error: code = Unknown desc = update out of sequence", OutOfSequence),
        (404, "service x not found", NotFound),
        (400, "rpc error: code = InvalidArgument desc = name must be valid", EngineError),
    ],
)
def test_refusal(status, message, kind):
    assert type(_refusal("GET /nodes", status, {"message": message})) is kind

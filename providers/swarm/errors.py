"""What can go wrong with a Swarm. None of these messages holds a token, a key or a request's body.

ResourceFailure
└── SwarmError
    ├── ConnectionFailed     a node can't be reached by ssh, or its Engine's socket can't be opened
    │   ├── WrongHostKey     something answers there that is not the pinned machine
    │   └── LockedOut        its sshd knows none of our keys
    ├── Unanswered           a call was sent, its answer is missing: it may have taken effect
    ├── NoManager            no manager of the cluster answers, even after waiting
    ├── EngineError          the Engine answered with an error (status, message)
    │   ├── NotFound         404
    │   ├── Conflict         409: the name is taken
    │   ├── OutOfSequence    the object changed since it was read: read again, then repeat
    │   └── Leaderless       not a manager (any more), or no leader now: nothing was done
    ├── ScriptFailed         a script on a node failed
    ├── ForeignSwarm         the node belongs to a swarm that is not provably ours
    ├── ForeignVolume        the directory belongs to another volume
    ├── QuorumAtRisk         the step would leave the managers without a majority
    └── NotSettled           a change was accepted, but did not come about in time
"""

from __future__ import annotations

from providers.runtime.declare import ResourceFailure


class SwarmError(ResourceFailure):
    """The root of this package's errors."""


class ConnectionFailed(SwarmError):
    """Nothing was sent: repeating is safe."""


class WrongHostKey(ConnectionFailed):
    """Never repeated: another machine answers at the address."""


class LockedOut(ConnectionFailed):
    """The keys were rotated or removed in a way that this stack does not know of."""


class Unanswered(SwarmError):
    """Look at the live state before repeating a call that changes something."""


class NoManager(SwarmError):
    """Lists each manager's last answer.

    dissolved: the cluster is gone. All managers answered and none is in any swarm, or this
    process has ended it.
    """

    def __init__(self, message: str, dissolved: bool = False) -> None:
        super().__init__(message)
        self.dissolved = dissolved


class EngineError(SwarmError):
    """The Engine refused. `status` is HTTP's, `message` the Engine's."""

    def __init__(self, where: str, status: int, message: str) -> None:
        super().__init__(f"{where}: {message} (HTTP {status})")
        self.status = status
        self.message = message


class NotFound(EngineError):
    """No such object."""


class Conflict(EngineError):
    """Another object has the name."""


class OutOfSequence(EngineError):
    """`update out of sequence`: a stale Version.Index (status changes increment it, too)."""


class Leaderless(EngineError):
    """Ask another manager, or this one later: nothing was done."""


class ScriptFailed(SwarmError):
    """Its exit status and last output; what it did before stays done."""


class ForeignVolume(SwarmError):
    """Nothing in the directory was touched."""


class ForeignSwarm(SwarmError):
    """Adopting it would mean taking over, or destroying, what somebody else runs."""


class QuorumAtRisk(SwarmError):
    """Nothing was changed."""


class NotSettled(SwarmError):
    """The next `up` continues from where this stopped."""

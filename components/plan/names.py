"""Physical names: what people see in Lambda Cloud's console and in `docker service ls`."""

from __future__ import annotations

import hashlib

from providers.swarm.naming import LONGEST_HASHED

LONGEST = 63
"""Characters a name may have: the limit of DNS labels (RFC 1035) and Swarm service names."""


def prefix(project: str, stack: str) -> str:
    """What every physical name of a stack starts with, so that stacks can share an account."""
    return f"{project}-{stack}"


def physical(prefix: str, name: str) -> str:
    """The physical name of something called `name` in the program.

    Raises ValueError above 63 characters. Settings report that before anything is planned.
    """
    result = f"{prefix}-{name}"
    if len(result) > LONGEST:
        raise ValueError(f"{result!r} has {len(result)} characters, at most {LONGEST} are allowed")
    return result


def key(base: str, public_key: str, *, is_first: bool) -> str:
    """A login key's name in the account: `base` for the first one, with six digits of its hash for
    the following ones, since all exist as long as machines use them.
    """
    if is_first:
        return base
    return f"{base}-{hashlib.sha256(public_key.encode()).hexdigest()[:6]}"


NONCE_BYTES = 4
"""Random bytes at the end of a machine's name, written in hexadecimal after a hyphen."""

LONGEST_NODE = LONGEST - 1 - 2 * NONCE_BYTES
"""Characters a machine's physical name may have, so that its nonce still fits."""


def file_prefix(prefix: str, owner: str, name: str) -> str:
    """What the names of a service's secrets and configs begin with, short enough and unique."""
    full = f"{prefix}-{owner}-{name.lower()}"
    if len(full) <= LONGEST_HASHED:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:8]
    return f"{full[: LONGEST_HASHED - 9]}-{digest}"

"""Reads answers: limited in bytes, or only the end of a long text, which may be elsewhere."""

import httpx2

from .answers import Answer
from .wording import Wording

_LONGEST_TEXT = 50_000_000
"""Bytes of a text of which only the end is kept."""
_REDIRECTS = (301, 302, 303, 307, 308)


def elsewhere(response: httpx2.Response, home: httpx2.URL) -> httpx2.URL | None:
    """A redirect's target, within `home` or by https; None if there is none, or any other
    target."""
    if response.status_code not in _REDIRECTS:
        return None
    try:
        target = response.url.join(response.headers.get("location", ""))
    except httpx2.InvalidURL:
        return None
    at_home = (target.scheme, target.netloc) == (home.scheme, home.netloc)
    return target if target.scheme == "https" or at_home else None


async def received(
    response: httpx2.Response, wording: Wording, most: int, last: int | None
) -> Answer:
    """The answer. most: bytes; if only the last bytes are kept, more may be read.

    Raises:
        Unusable: it is longer, and was abandoned.
    """
    most = most if last is None else _LONGEST_TEXT
    content, size = bytearray(), 0
    async for chunk in response.aiter_bytes():
        content += chunk
        size += len(chunk)
        if size > most:
            raise wording.too_long(most)
        if last is not None:
            del content[:-last]
    return Answer(response.status_code, response.headers, bytes(content), size)

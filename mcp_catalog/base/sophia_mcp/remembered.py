"""Texts that a server fetched once and needs again, such as names of ids."""

from time import monotonic


class Remembered:
    """By key, each for some time, within one process. most: above it, the oldest are dropped."""

    def __init__(self, most: int = 5_000) -> None:
        self._most = most
        self._texts: dict[str, tuple[str, float]] = {}

    def get(self, key: str) -> str | None:
        """None if it was never stored, or too long ago."""
        text, until = self._texts.get(key, ("", 0.0))
        return text if until > monotonic() else None

    def put(self, key: str, text: str, seconds: float) -> None:
        """Replaces what was there."""
        self._texts.pop(key, None)
        self._texts[key] = text, monotonic() + seconds
        if len(self._texts) > self._most:
            del self._texts[next(iter(self._texts))]

    def keys(self) -> list[str]:
        """All stored texts, the oldest first."""
        return list(self._texts)

"""Pure: secrets in what people configured, found by the names of keys and by how texts look."""

import re
from typing import Any

MARK = "[hidden]"
DEPTH = 40

_KEY = re.compile(
    r"(?<!virtual)(?<!cache)key$|apikey|accesskey|privatekey|token$|secret|passw|credential|cookie"
    r"|authorization|auth$|signature$|serviceaccount|(?<!forward)headers?$"
)
# Each part is limited, so no text takes long.
_IN_TEXT = re.compile(
    r"(?<=://)[^/\s@]+(?=@)"
    r"|(?<=[?&])[\w.-]{0,40}(?:key|token|secret|sig|passw|code)[\w.-]{0,40}=[^&\s\"']+"
    r"|\b(?:sk|pk|rk|gsk|hf|ghp|xox[abp])[-_][\w-]{16,}|\bAKIA[0-9A-Z]{12,}|\bAIza[\w-]{20,}"
    r"|\bya29\.[\w-]+|\beyJ[\w-]{10,500}\.[\w.-]+|\b(?:[Bb]earer|[Bb]asic) [\w.=+/-]{8,}"
    r"|(?:key|secret|token|password|authorization)[\"']?\s*[:=]\s*[\"'][^\"']+"
    r"|-----BEGIN [\s\S]+|\[hidden\]"
)


def in_text(text: str) -> str:
    """The text without what looks like a key, a token or a password."""
    return _IN_TEXT.sub(MARK, text)


def without_secrets(value: Any, found: list[str] | None = None, path: str = "") -> Any:
    """A copy of JSON with MARK instead of them, and of anything nested deeper than DEPTH.
    found: gets the paths of everything hidden."""
    return _hidden(value, [] if found is None else found, path, DEPTH, secret=False)


def _hidden(value: Any, found: list[str], path: str, depth: int, secret: bool) -> Any:
    below = f"{path}." if path else ""
    if isinstance(value, dict) and depth:
        return {
            name: _hidden(inner, found, f"{below}{name}", depth - 1, secret or _is_secret(name))
            for name, inner in value.items()
        }
    if isinstance(value, list) and depth:
        return [
            _hidden(one, found, f"{below}{n}", depth - 1, secret) for n, one in enumerate(value)
        ]
    if not value or not isinstance(value, str | dict | list):
        return value
    shown = MARK if secret or not isinstance(value, str) else in_text(value)
    if shown != value or MARK in value:
        found.append(path)
    return shown


def _is_secret(name: str) -> bool:
    return bool(_KEY.search(re.sub(r"[^a-z]", "", name.lower())))

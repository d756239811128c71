"""Pure: OpenRouter's errors as what to do next."""

import json
from typing import Any

from sophia_mcp.upstream.faults import one_line

_ADVICE = {
    400: "Change the arguments: get_model has what the model takes.",
    402: "The account or the key has too little credit left: lower max_tokens, take a free model "
    "(search_models with free_only), or ask the operator of this server to add credit.",
    403: "A rule of the account or the model's moderation forbids it: rephrase it, or take another "
    "model (get_model tells is_moderated).",
    404: "Check the id with search_models; list_model_endpoints has who serves it.",
    408: "It took too long: lower max_tokens, or take a faster model (list_model_endpoints).",
    413: "Shorten the prompt.",
    429: "Too many requests to this model: wait a minute, or take another model or provider.",
    502: "The model's provider failed: try again later, or take another model or provider.",
    503: "No provider can serve it now, or none within the price: take another model.",
}
_LIKE = {504: 408, 524: 408, 529: 503}


def explain(body: bytes) -> str:
    """What to do about an error with a status, from its body."""
    error = json.loads(body).get("error")
    return advice(error) if isinstance(error, dict) else ""


def advice(error: dict[str, Any]) -> str:
    """An error's details, and what to do about it."""
    metadata, available = _part(error, "metadata"), _part(error, "availability")
    code = error.get("code") or error.get("http_status")
    parts = []
    if reasons := metadata.get("reasons") or metadata.get("patterns"):
        parts.append(f"Because of: {_words(reasons)}.")
    if raw := metadata.get("raw"):
        said = one_line(raw if isinstance(raw, str) else json.dumps(raw))
        parts.append(f"{metadata.get('provider_name') or 'The provider'} says: {said}")
    if excluded := available.get("excluded_by"):
        parts.append(f"Excluded by: {_words(excluded)}.")
    if isinstance(wait := available.get("retry_after"), int | float):
        parts.append(f"Not before {wait:.0f} s from now.")
    if others := available.get("fallback_models"):
        parts.append(f"OpenRouter suggests {_words(others)}.")
    if isinstance(code, int):
        parts.append(_ADVICE.get(_LIKE.get(code, code), ""))
    return " ".join(filter(None, parts))


def _part(error: dict[str, Any], key: str) -> dict[str, Any]:
    found = error.get(key)
    return found if isinstance(found, dict) else {}


def _words(given: object) -> str:
    return one_line(", ".join(map(str, given)) if isinstance(given, list) else str(given))

"""Searches for the stack's own secrets wherever they must not be. Never prints a value. Pure."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from ops.audit.findings import Check
from ops.audit.nodes import Node

_NAME, _TITLE = "secrets", "no secret of the stack in plain text"
_SIGN = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
"""How the engine marks a secret in an export (sdk/go/common/resource/sig)."""
_LEAST = 12
"""Characters: shorter texts occur anywhere by chance."""
_PRIVATE_KEY = re.compile(
    r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----\n(?P<body>.*?)-----END \1-----", re.DOTALL
)
_ASSIGNED = re.compile(r"^[A-Z_]*(?:PASSWORD|SECRET|TOKEN|KEY)=(\S+)$", re.MULTILINE)
"""Of a text with variables, one a line, what is secret by itself."""
_PLAIN = re.compile(
    r"(?![a-z]{16,}$)[a-z .:/_-]+|[0-9.:/]+|https?://[a-z0-9.-]+(:\d+)?(/[a-z0-9./_-]*)?|\S+@sha256:\S+"
)
"""Names, addresses and numbers, which are marked secret along with a real secret. So many small
letters alone are no name: passwords that Google makes for mail have 16."""


def needles(export: Mapping[str, Any]) -> dict[str, str]:
    """The texts to search for, and the property that each belongs to. export: the stack's, secrets
    in plain text.

    Leaves out texts with spaces except private keys: logs of jobs and configurations are marked
    secret along with what they contain.
    """
    found: dict[str, str] = {}
    deployment = export.get("deployment") or {}
    for resource in deployment.get("resources") or []:
        owner = resource["urn"].rpartition("::")[2]
        for side in ("inputs", "outputs"):
            for path, value in _secrets(resource.get(side), ""):
                for text in _telling(value):
                    found.setdefault(text, f"{owner}{path}")
    return found


def _secrets(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        if value.get(_SIGN) == _SECRET and "plaintext" in value:
            yield path, json.loads(value["plaintext"])
            return
        for key, inner in value.items():
            yield from _secrets(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, f"{path}[]")


def _telling(value: Any) -> Iterator[str]:
    """The parts of a secret that occur nowhere else."""
    if isinstance(value, str) and value[:1] in ("{", "["):  # a provider's setting
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for inner in value:
            yield from _telling(inner)
    if not isinstance(value, str):
        return
    for key in _PRIVATE_KEY.finditer(value):
        # The first line of two keys of one kind may be the same.
        lines = key["body"].split()
        private = [line for line in lines if len(line) > 40][1:] or lines
        public = _public(key[0])
        yield from (line for line in private if _decoded(line) not in public)
    for line in _ASSIGNED.findall(value):
        yield from _telling(line)
    if "-----BEGIN" in value or re.search(r"\s", value.strip()):
        return
    if len(password := _password(value)) >= _LEAST:
        yield from {password, unquote(password)}
    elif len(text := value.strip()) >= _LEAST and not _PLAIN.fullmatch(text):
        yield text


def _public(private_key: str) -> bytes:
    """What a PEM has of the key that its certificate shows to anybody; nothing for OpenSSH's own
    format, whose lines are none of them only public."""
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return b""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _decoded(line: str) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except ValueError:
        return line.encode()


def _password(text: str) -> str:
    try:
        return urlsplit(text).password or ""
    except ValueError:
        return ""


def places(node: Node) -> dict[str, str]:
    """The searched texts of a node, by place."""
    configs = "\n".join(_data(one) for one in node.each("configs"))
    parts = {
        "docker inspect of containers": node.text("containers"),
        "docker inspect of ended containers": node.text("ended"),
        "docker inspect of services": node.text("services"),
        "docker inspect of images": node.text("images"),
        "docker history": node.text("history"),
        "Swarm configs": configs,
        "command lines": node.text("processes"),
        "logs of containers": node.text("logs"),
        "logs of ended containers": node.text("ended_logs"),
        "the journal": node.text("journal"),
    }
    return {f"{node.name}: {what}": text for what, text in parts.items()}


def _data(config: Mapping[str, Any]) -> str:
    encoded = config.get("Spec", {}).get("Data") or ""
    return base64.b64decode(encoded).decode(errors="replace")


def checked(
    export: Mapping[str, Any], plain_export: str, files: Mapping[str, str], nodes: Sequence[Node]
) -> Check:
    """plain_export: the stack's, secrets encrypted. files: further files of the runner, by name."""
    known = needles(export)
    if not known:
        return Check(_NAME, _TITLE, {"the state": ["it has no secrets to look for"]})
    searched = {"the state": plain_export, **files}
    for node in nodes:
        searched |= places(node)
    return Check(
        _NAME, _TITLE, {what: list(_found(known, text)) for what, text in searched.items()}
    )


def _found(known: Mapping[str, str], text: str) -> Iterable[str]:
    owners = {owner for needle, owner in known.items() if _is_in(needle, text)}
    return [f"holds {owner}" for owner in sorted(owners)]


def _is_in(needle: str, text: str) -> bool:
    return needle in text or any(one in text for one in _encoded(needle.encode()))


def _encoded(needle: bytes) -> Iterator[str]:
    """What base64 makes of it, behind a text of any length such as `user:`."""
    for before in range(3):
        bits = 8 * before
        whole = base64.b64encode(b"\0" * before + needle).decode()
        yield whole[-(-bits // 6) : (bits + 8 * len(needle)) // 6]

"""How calls authenticate to an upstream: headers made from credentials."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sophia_mcp.settings import Credential

Headers = Mapping[str, str]


async def _nothing() -> Headers:
    return {}


@dataclass(frozen=True)
class Auth:
    """headers: called before each try. credentials: what they are made from."""

    headers: Callable[[], Awaitable[Headers]] = _nothing
    credentials: tuple[Credential, ...] = ()

    def hide(self, text: str) -> str:
        """The text without the credentials, which a service may repeat in an error."""
        for given in self.credentials:
            if given.value:
                text = text.replace(given.value, "***")
        return text


def bearer(token: Credential) -> Auth:
    """`Authorization: Bearer <token>`."""
    return header("Authorization", token, prefix="Bearer ")


def basic(user: Credential, password: Credential) -> Auth:
    """HTTP Basic (RFC 7617)."""

    async def headers() -> Headers:
        pair = base64.b64encode(f"{user.value}:{password.value}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    return Auth(headers, (user, password))


def header(name: str, value: Credential, prefix: str = "") -> Auth:
    """A service-specific header such as `X-Figma-Token`."""

    async def headers() -> Headers:
        return {name: f"{prefix}{value.value}"}

    return Auth(headers, (value,))


def signed(headers: Callable[[], Awaitable[Headers]], *credentials: Credential) -> Auth:
    """Headers that change, such as a token that is renewed when it expires."""
    return Auth(headers, credentials)

"""How this server signs in: by a key pair, or with a programmatic access token."""

import base64
import hashlib
import re
import time
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import Credential, Needed, Settings
from sophia_mcp.upstream import Auth

_TYPE = "X-Snowflake-Authorization-Token-Type"
_LIFETIME_S, _RENEWED_S = 50 * 60, 40 * 60
"""Of a signed token. Snowflake takes none for more than an hour."""

_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


@dataclass(frozen=True)
class Account:
    """auth: what signs in. needs: what else it takes. address: of the account."""

    auth: Auth
    needs: tuple[Needed, ...]
    address: str


def read_account(settings: Settings) -> Account:
    """The account of SNOWFLAKE_ACCOUNT: by SNOWFLAKE_PRIVATE_KEY, else by SNOWFLAKE_TOKEN.

    Raises SettingError if the key can't be read, or the account is invalid.
    """
    account, user = settings.needed("SNOWFLAKE_ACCOUNT"), settings.needed("SNOWFLAKE_USER")
    key, token = (
        settings.credential("SNOWFLAKE_PRIVATE_KEY"),
        settings.credential("SNOWFLAKE_TOKEN"),
    )
    passphrase = settings.credential("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE")
    name = (account.value or "").removesuffix(".snowflakecomputing.com")
    if name and not re.fullmatch(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*", name):
        raise SettingError(
            f"SNOWFLAKE_ACCOUNT: expected one like myorg-account or xy12345.us-east-1, got {name!r}"
        )
    # A host has no underscore, which names of accounts may have.
    address = f"https://{(name or 'account').replace('_', '-').lower()}.snowflakecomputing.com"
    address = settings.url("SNOWFLAKE_API_URL", address)
    if key.value is None and token.value is not None:
        return Account(_token(token), (account,), address)
    auth: Auth = Auth(credentials=(key,))
    if key.value is not None:
        auth = _KeyPair(name, user.value or "", key, passphrase)
    return Account(auth, (account, user), address)


def _token(token: Credential) -> Auth:
    async def headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {token.value}", _TYPE: "PROGRAMMATIC_ACCESS_TOKEN"}

    return Auth(headers, (token,))


class _KeyPair(Auth):
    """Signs in with a token that it signs itself, and renews before it expires."""

    def __init__(self, account: str, user: str, key: Credential, passphrase: Credential) -> None:
        given = (key, passphrase) if passphrase.value else (key,)
        super().__init__(_Signer(account, user, _private(key, passphrase)).headers, given)

    def hide(self, text: str) -> str:
        """Also without the signed token."""
        return _TOKEN.sub("***", super().hide(text))


class _Signer:
    def __init__(self, account: str, user: str, key: RSAPrivateKey) -> None:
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        print_ = base64.b64encode(hashlib.sha256(public).digest()).decode()
        # Of a locator such as xy12345.us-east-1, without the region.
        locator = account.partition("-" if ".global" in account else ".")[0]
        self._subject = f"{locator}.{user}".upper()
        self._issuer = f"{self._subject}.SHA256:{print_}"
        self._key, self._token, self._renewed = key, "", 0

    async def headers(self) -> dict[str, str]:
        """Of a token that is valid for ten minutes at least."""
        if (now := int(time.time())) > self._renewed:
            claims = {
                "iss": self._issuer, "sub": self._subject, "iat": now, "exp": now + _LIFETIME_S,
            }  # fmt: skip
            self._token = jwt.encode(claims, self._key, "RS256")
            self._renewed = now + _RENEWED_S
        return {"Authorization": f"Bearer {self._token}", _TYPE: "KEYPAIR_JWT"}


def _private(key: Credential, passphrase: Credential) -> RSAPrivateKey:
    # In an environment variable, line ends are often written as \n.
    pem = (key.value or "").replace("\\n", "\n").encode()
    word = passphrase.value.encode() if passphrase.value else None
    what = "got something else"
    try:
        read = serialization.load_pem_private_key(pem, word)
    except TypeError:
        what = "got one with a passphrase, and no SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"
        if word is not None:
            what = "got one without a passphrase, and a SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"
    except ValueError:
        if word is not None and b"ENCRYPTED" in pem:
            what = "got one that SNOWFLAKE_PRIVATE_KEY_PASSPHRASE does not open"
    except Exception as error:  # such as UnsupportedAlgorithm; the text may hold parts of the key
        what = f"got one that can't be read ({type(error).__name__})"
    else:
        if isinstance(read, RSAPrivateKey):
            return read
        what = "got one of another kind"
    raise SettingError(
        f"secret {key.name}: expected a private RSA key in PEM, from -----BEGIN to -----END, {what}"
    )

"""Lambda Cloud's HTTP API, one request per call: no pacing, no retries (see `account`)."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.auth import AuthBase

from providers.lambdalabs.errors import InvalidKey, LostAnswer, Moved, Unreachable, error_from
from providers.lambdalabs.models import Key, Launch, Listed, Machine, Offer, Rule, Ruleset, listed

T = TypeVar("T")

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0


class LambdaClient:
    """Blocking calls on one account. Thread-safe: it holds no connection.

    api_url: with its version path, for example https://cloud.lambda.ai/api/v1.
    spare_key: used once the API calls api_key invalid, or `use_spare_key` is called: a state holds
    the key of its last run. Every call raises `LambdaError`.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        spare_key: str = "",
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self._auth = _Bearer(api_key)
        self._spare = _Bearer(spare_key) if spare_key not in ("", api_key) else None
        self._timeout = (connect_seconds, read_seconds)

    def use_spare_key(self) -> bool:
        """Whether there is a spare key; it is used from now on."""
        self._auth = self._spare or self._auth
        return self._spare is not None

    def instance_types(self) -> Listed[Offer]:
        """What can be rented."""
        return self._get("/instance-types", _offers)

    def machines(self) -> Listed[Machine]:
        """All machines of the account except terminated ones."""
        return self._get("/instances", lambda data: listed(Machine.parse, data))

    def machine(self, id: str) -> Machine:
        """One machine. A terminated one is returned for a while; then `NotFound` is raised."""
        return self._get(f"/instances/{id}", Machine.parse)

    def launch(self, wanted: Launch) -> str:
        """Launches one machine and returns its id. Has no idempotency key: never repeat blindly."""
        path = "/instance-operations/launch"
        return self._send("POST", path, wanted.body(), lambda data: str(data["instance_ids"][0]))

    def rename(self, id: str, name: str) -> None:
        """Changes a machine's name in the account; its hostname stays."""
        self._send("POST", f"/instances/{id}", {"name": name}, lambda data: None)

    def terminate(self, id: str) -> None:
        """Terminates one machine, which takes a while."""
        path = "/instance-operations/terminate"
        self._send("POST", path, {"instance_ids": [id]}, lambda data: None)

    def ssh_keys(self) -> Listed[Key]:
        """All SSH keys of the account."""
        return self._get("/ssh-keys", lambda data: listed(Key.parse, data))

    def add_ssh_key(self, name: str, public_key: str) -> Key:
        """Registers a public key. Never repeat blindly."""
        return self._send("POST", "/ssh-keys", {"name": name, "public_key": public_key}, Key.parse)

    def delete_ssh_key(self, id: str) -> None:
        """Forgets a public key; machines that have it keep it."""
        self._send("DELETE", f"/ssh-keys/{id}", None, lambda data: None)

    def _get(self, path: str, parse: Callable[[Any], T]) -> T:
        return self._send("GET", path, None, parse)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, parse: Callable[[Any], T]
    ) -> T:
        tried = self._auth
        try:
            return self._send_once(method, path, body, parse, tried)
        except InvalidKey:
            # A refused request had no effect: it may be sent again with another key.
            if self._spare is None or tried is self._spare:
                raise
            self._auth = self._spare
            return self._send_once(method, path, body, parse, self._spare)

    def _send_once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        parse: Callable[[Any], T],
        auth: AuthBase,
    ) -> T:
        what = f"{method} {path}"
        try:
            # A new connection for each: a kept one that the server has closed would look like a
            # lost
            # # answer. Redirects are refused, since they would turn a POST into a GET.
            answer = requests.request(
                method,
                self.api_url + path,
                json=body,
                auth=auth,
                timeout=self._timeout,
                allow_redirects=False,
                headers={"Accept": "application/json"},
            )
        except requests.RequestException as error:
            raise self._without_answer(what, error) from error
        try:
            content = answer.json()
        except requests.JSONDecodeError:
            content = None
        if answer.status_code >= 400:
            kind = answer.headers.get("Content-Type", "")
            raise error_from(answer.status_code, content, _retry_after(answer), kind)
        if answer.status_code >= 300 and (location := answer.headers.get("Location")):
            raise self._moved(what, path, location, answer.status_code)
        try:
            return parse(content["data"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            got = answer.headers.get("Content-Type") or "no content type"
            wrong = got if content is None else f"{type(error).__name__}: {error}"
            raise LostAnswer(
                f"{what}: unreadable answer from {self.api_url}, expected JSON with `data`"
                f" ({wrong})",
                status=answer.status_code,
                suggestion="Check the API's address",
            ) from error

    def _moved(self, what: str, path: str, location: str, status: int) -> Moved:
        """What to do about a redirect. Its query is not shown: it may hold credentials."""
        found = urlsplit(urljoin(self.api_url + path, location))
        where = f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}"
        where = where.removesuffix(path)
        return Moved(
            f"{what}: {self.api_url} moved to {where}",
            status=status,
            suggestion=f"If that is Lambda Cloud's: set lambdaApiUrl or LAMBDA_API_URL to {where}",
        )

    def _without_answer(self, what: str, error: requests.RequestException) -> Exception:
        """Distinguishes "never sent" (may be repeated) from "sent, but no answer came"."""
        reason = getattr(error.args[0], "reason", None) if error.args else None
        unsent = (requests.ConnectTimeout, requests.exceptions.ProxyError)
        connecting = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.SSLError)
        if isinstance(error, (*unsent, requests.exceptions.InvalidURL)) or isinstance(
            reason, connecting
        ):
            return Unreachable(
                f"{what}: no connection to {self.api_url} ({_brief(reason or error)})",
                suggestion="Check the API's address and the network",
            )
        return LostAnswer(f"{what}: no answer from {self.api_url} ({_brief(reason or error)})")

    def rulesets(self) -> Listed[Ruleset]:
        """All firewall rulesets of the account except the global one."""
        return self._get("/firewall-rulesets", lambda data: listed(Ruleset.parse, data))

    def ruleset(self, id: str) -> Ruleset:
        """One ruleset, or the account's with the id `global`."""
        return self._get(f"/firewall-rulesets/{id}", Ruleset.parse)

    def add_ruleset(self, name: str, region: str, rules: Sequence[Rule]) -> Ruleset:
        """Creates a ruleset. Names are not unique: never repeat blindly."""
        body = {"name": name, "region": region, "rules": [rule.body() for rule in rules]}
        return self._send("POST", "/firewall-rulesets", body, Ruleset.parse)

    def change_ruleset(
        self, id: str, rules: Sequence[Rule] | None = None, name: str | None = None
    ) -> Ruleset:
        """Replaces the whole list of rules, the name, or both."""
        body: dict[str, Any] = {} if name is None else {"name": name}
        if rules is not None:
            body["rules"] = [rule.body() for rule in rules]
        return self._send("PATCH", f"/firewall-rulesets/{id}", body, Ruleset.parse)

    def delete_ruleset(self, id: str) -> None:
        """Deletes a ruleset that no machine has."""
        self._send("DELETE", f"/firewall-rulesets/{id}", None, lambda data: None)


class _Bearer(AuthBase):
    # As `auth`, since credentials in a ~/.netrc would override a plain header.
    def __init__(self, api_key: str) -> None:
        self._value = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def _offers(data: Mapping[str, Any]) -> Listed[Offer]:
    offers = listed(Offer.parse, list(data.values()))
    if offers.left_out and not offers:
        raise ValueError(offers.left_out[0])
    return offers


def _retry_after(answer: requests.Response) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110, 10.2.3)."""
    value = answer.headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _brief(error: object) -> str:
    # urllib3 repeats the whole pool and address before the informative last part.
    return str(error).rsplit(": ", 1)[-1].rstrip(")'\"") or type(error).__name__

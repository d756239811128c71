"""The account that settings name, asked what it can rent and which machines it has."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from components import settings_rules
from components.reading import Fault, Reader
from components.settings_model import Offers
from providers.lambdalabs import slots
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.errors import TRANSIENT, Forbidden, InvalidKey, LambdaError
from providers.lambdalabs.models import Machine
from providers.lambdalabs.pacer import Pacer

PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each retry of a call that failed temporarily."""
LONGEST_PAUSE = 15.0
"""The longest wait that the account may ask for, in seconds."""

T = TypeVar("T")


class Account:
    """values: the settings, unchecked. folder: where the processes of this host share their pace,
    see `slots`. faults: takes why the account doesn't answer."""

    def __init__(
        self, project: str, values: Mapping[str, object], folder: str, faults: list[Fault]
    ) -> None:
        self._project, self._values = project, values
        self._folder, self._faults = folder, faults

    def offers(self, warn: Callable[[str], None]) -> Offers | None:
        """What it can rent, or None (see `_asked`). warn: called for each entry that is skipped."""
        unchecked = "instance types and regions were not checked"
        found = self._asked(LambdaClient.instance_types, unchecked)
        if found is None:
            return None
        for odd in found.left_out:
            warn(f"Lambda Cloud's instance types: skipped one that can't be read, {odd}")
        regions = frozenset(region for offer in found for region in offer.regions)
        return Offers({offer.name: offer.price_cents_per_hour for offer in found}, regions)

    def machines(self) -> Sequence[Machine]:
        """All its machines; none if it doesn't answer (see `_asked`)."""
        unchecked = "whether the account has machines of this stack was not checked"
        return self._asked(LambdaClient.machines, unchecked) or ()

    def _asked(self, method: Callable[[LambdaClient], T], unchecked: str) -> T | None:
        """The answer, or None with a fault; also None without a valid address or a key, which the
        rules report. unchecked: what a fault leaves unchecked."""
        url = self._values.get("lambdaApiUrl") or settings_rules.LAMBDA_API_URL
        key = self._values.get("lambdaApiKey")
        if not isinstance(url, str) or not re.fullmatch(settings_rules.API_URL, url):
            return None
        if not isinstance(key, str) or not key:
            return None
        try:
            client, pacer = LambdaClient(url, key), self._pacer(url, key)
            return _patiently(lambda: method(client), pacer)
        except (InvalidKey, Forbidden) as error:
            self._fault("lambdaApiKey", f"a key refused with {error}", f"one for {url}", unchecked)
        except LambdaError as error:
            self._fault("lambdaApiUrl", f"{url!r} ({error})", "an API that answers", unchecked)
        return None

    def _pacer(self, url: str, key: str) -> Pacer:
        reader = Reader(self._project, self._values, [])  # the rules report what is wrong
        pace = settings_rules.pace(reader).requests_per_second
        return Pacer(pace, slots=slots.shared(self._folder, url, key))

    def _fault(self, key: str, got: str, expected: str, unchecked: str) -> None:
        self._faults.append(Fault(f"{self._project}:{key}", got, expected, unchecked))


def _patiently(call: Callable[[], T], pacer: Pacer) -> T:
    """Retries what may succeed, at the pace that all users of the account on this host share."""
    for pause in (*PAUSES, None):
        time.sleep(max(0.0, pacer.reserve() - pacer.clock()))
        try:
            return call()
        except TRANSIENT as error:
            if pause is None:
                raise
            asked = getattr(error, "retry_after", None)
            if asked is not None:
                pacer.hold(min(asked, LONGEST_PAUSE))
            else:
                time.sleep(pause)
    raise AssertionError("unreachable")

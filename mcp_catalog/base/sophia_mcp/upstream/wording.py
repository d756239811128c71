"""A service's errors as sentences that a model can act on."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from sophia_mcp.errors import Refused, Unreachable, Unusable, UpstreamError

from . import faults, retry
from .breaker import FAILURES, WINDOW_S

_DOUBT = "It may have taken effect anyway: check before you repeat it."
_LATER = "Try again later."


@dataclass(frozen=True)
class Wording:
    """For one service. host: of its address. hide: removes credentials from a text.
    explain, lasts: see Upstream.

    doubtful: the request is not safe to repeat, so the reader has to know whether it arrived.
    """

    name: str
    host: str
    hide: Callable[[str], str]
    explain: Callable[[bytes], str] | None = None
    lasts: Callable[[bytes], bool] | None = None

    def refusal(
        self, status: int, wait: float | None, content: bytes, *, doubtful: bool
    ) -> UpstreamError:
        """An answer with status 300 or above. wait: seconds that it asks us to wait."""
        if status < 400:
            return Unusable(
                f"{self.name} at {self.host} answers {status}, a redirect, which is not followed: "
                "ask the operator of this server to check its address.",
                "redirect",
            )
        limited = faults.is_limit(status, wait, content)
        lasts = self.lasts is not None and faults.is_object(content) and self.lasts(content)
        says_when = limited and wait is not None and not lasts
        advice = "" if says_when else self._explained(content)
        if doubtful and status >= 500:
            advice = f"{advice} {_DOUBT}".strip()
        advice = advice or faults.advice(429 if limited else status, wait)
        text = f"{self._says(f'refused ({status})', content)} {advice}".strip()
        # After a 403 without a time, nobody may retry automatically.
        transient = status in retry.TRANSIENT or (limited and wait is not None)
        return Refused(text, status, transient=transient and not lasts, wait=wait)

    def refused_though_200(self, content: bytes) -> Refused:
        """An answer that reports an error with a success status."""
        text, advice = self._says("refused", content), self._explained(content)
        return Refused(f"{text.rstrip('.')}. {advice}" if advice else text, 200)

    def unreached(self, error: httpx2.RequestError, *, doubtful: bool) -> Unreachable:
        """No answer. In our words: httpx's text may hold what was sent."""
        connecting = httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout
        sent = not isinstance(error, connecting)
        if isinstance(error, httpx2.TimeoutException):
            why, reason = "no answer in time", "timeout"
        elif sent:
            why, reason = f"broken connection ({type(error).__name__})", "broken"
        else:
            why, reason = f"can't be reached: {_cause(error)}", "unreachable"
        return self.in_vain(why, reason, doubtful=doubtful and sent, sent=sent)

    def in_vain(self, why: str, reason: str, *, doubtful: bool, sent: bool = True) -> Unreachable:
        """No answer, for this reason."""
        text = f"{self.name} at {self.host}: {why}. {_DOUBT if doubtful else _LATER}"
        return Unreachable(text, reason, transient=True, sent=sent)

    def left_alone(self, last_failure: str, seconds: float) -> Unreachable:
        """Not called, because it keeps failing."""
        return Unreachable(
            f"{self.name} at {self.host} has failed {FAILURES} times within {WINDOW_S:g} s "
            f"({last_failure}). It is called again in {seconds:.0f} s: try then.",
            "left_alone",
            sent=False,
        )

    def too_long(self, most: int) -> Unusable:
        """An answer of more than so many bytes."""
        return Unusable(
            f"{self.name}'s answer is longer than {most // 1000} kB and was given up. "
            "Ask for less: a smaller limit, a narrower filter, one item.",
            "too_large",
        )

    def not_the_api(self, got: str) -> Unusable:
        """An answer of something else."""
        return Unusable(
            f"{self.name} at {self.host}: expected an answer of its API, got {got}. "
            "Ask the operator of this server whether the address is right.",
            "not_its_api",
        )

    def in_doubt(self, error: Unusable) -> Unusable:
        """The same, for a request that is not safe to repeat."""
        return Unusable(f"{error} {_DOUBT}", error.reason)

    def _explained(self, content: bytes) -> str:
        if self.explain is None or not faults.is_object(content):
            return ""
        return self.hide(self.explain(content))

    def _says(self, what: str, content: bytes) -> str:
        # Before cutting: half a credential would not be recognized.
        text = faults.told(self.hide(content.decode(errors="replace")).encode())
        return f"{self.name} {what}: {text}" if text else f"{self.name} {what}."


def _cause(error: BaseException) -> str:
    """The operating system's message for it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return "no connection"

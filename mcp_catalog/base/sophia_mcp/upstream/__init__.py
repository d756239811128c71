"""Calls to a service on the network, such as Slack's API: `Upstream`, and how it signs in."""

from .answers import Answer
from .auth import Auth, basic, bearer, header, signed
from .client import Limits, Upstream

__all__ = ["Answer", "Auth", "Limits", "Upstream", "basic", "bearer", "header", "signed"]

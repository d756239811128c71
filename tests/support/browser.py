"""The browser for the tests of pages."""

from __future__ import annotations

import shutil

import pytest

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None,
    reason="there is no chromium, which `make test` installs as root: apt-get install chromium",
)

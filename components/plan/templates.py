"""Texts rendered from `templates/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

FOLDER = Path(__file__).parents[2] / "templates"


def render(name: str, **values: object) -> str:
    """A template with its values; a missing value is an error."""
    return _environment().get_template(name).render(**values)


@cache
def _environment() -> jinja2.Environment:
    """One for all: it compiles a template once."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )

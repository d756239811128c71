"""The setting `database`: a database of the operator's, in place of the platform's. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from components.plan import own_database
from components.reading import Reader
from components.settings_model import OwnDatabase, Sensitive


def read(top: Reader) -> OwnDatabase | None:
    """The setting, None without it; what is wrong goes to the reader's faults."""
    # Whoever puts the address where the mapping belongs is not shown it.
    reader = top.inner("database", hidden=not isinstance(top.plain("database") or {}, Mapping))
    if not top.has("database"):
        reader.finish()
        return None
    key = reader.key("url")
    url = reader.secret("url", advice=f"run `pulumi config set --secret --path '{key}'`")
    backups = reader.text("backups", "", pattern=r".{0,200}", expected="one line")
    reader.finish()
    if top.has("backup"):
        expected = f"none with {key}: whoever runs that database backs it up"
        top.fault("backup", {}, expected, "remove one of them", hidden=True)
    try:
        return OwnDatabase(Sensitive(own_database.parsed(url).variables), Sensitive(url), backups)
    except ValueError as wrong:
        if url:
            reader.fault("url", url, str(wrong), hidden=True)
        return None

"""The setting `database`: a database of the operator's, in place of the platform's. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from components.plan import own_database
from components.reading import Fault, Reader
from components.settings_model import OwnDatabase, Sensitive


def read(top: Reader, *, standby: bool, rotate: str) -> OwnDatabase | None:
    """The setting, None without it; what is wrong goes to the reader's faults.

    standby, rotate: what is set for the platform's own: whether it has one, and the password's.
    """
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
    if standby:
        expected = f"false with {key}: whoever runs that database gives it one"
        advice = "turn it off, or remove that key"
        top.faults.append(Fault(top.key("standby.enabled"), "true", expected, advice))
    if rotate:
        expected = f"none with {key}, in which that database's password is"
        top.fault("rotate.database", rotate, expected, "change it there, and remove this key")
    try:
        return OwnDatabase(Sensitive(own_database.parsed(url).variables), Sensitive(url), backups)
    except ValueError as wrong:
        if url:
            reader.fault("url", url, str(wrong), hidden=True)
        return None

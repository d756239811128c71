"""Pure: which calls are meant, where Gong itself can't filter."""

from collections.abc import Collection

from .models import CrmDetails, DealRead, FoundCall

_DEALS = ("opportunity", "deal")


def has(wanted: str | None, *texts: str | None, ids: Collection[str | None] = ()) -> bool:
    """Whether it is one of the ids or a part of a text, ignoring case. "" matches everything."""
    if wanted is None:
        return True
    return wanted in ids or any(wanted.lower() in text.lower() for text in texts if text)


def by_participant(wanted: str | None, call: FoundCall) -> bool:
    """By a part of the name or address, or the user's id."""
    people = call.participants
    texts = [text for one in people for text in (one.name, one.email)]
    return has(wanted, *texts, ids=[one.user_id for one in people])


def by_account(wanted: str | None, call: FoundCall) -> bool:
    """By a CRM object's id or a part of its name, or of an external address after the @."""
    outside = [
        one.email for one in call.participants if one.email and one.affiliation != "Internal"
    ]
    domains = [email.rpartition("@")[2] for email in outside]
    ids = [key for one in call.crm for key in _ids(one.id)]
    return has(wanted, *(one.name for one in call.crm), *domains, ids=ids)


def by_tracker(wanted: str | None, call: FoundCall) -> bool:
    """By its id or a part of its name."""
    return has(wanted, *(t.name for t in call.trackers), ids=[t.id for t in call.trackers])


def deals(wanted: str, call: DealRead) -> list[CrmDetails]:
    """The matching objects linked to the call: any by its id, deals also by their name."""
    return [
        one
        for one in call.crm
        if wanted in _ids(one.id) or (one.type.lower() in _DEALS and has(wanted, one.name))
    ]


def _ids(given: str | None) -> tuple[str | None, ...]:
    """Salesforce's pages show the first 15 characters of an id of 18."""
    return (given, given[:15]) if given and len(given) == 18 else (given,)

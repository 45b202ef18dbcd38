"""What the hub says of an object in place of its owner, and how the owner's own word comes back (P69).

An object that may not be deleted and that its owner's full list no longer has is given another status by the
hub, with a last_updated of the hub: receivers take what is newer. The owner's version is kept beside it, with the
owner's time. Whatever the owner says of it again counts by the owner's time, and goes to receivers with a time
that is later than the hub's own word, however old the owner's is.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.protocol.envelope import format_time, parse_time

A_MOMENT = timedelta(seconds=1)  # the least by which times of OCPI differ for everybody


class Policy(NamedTuple):
    """After how many full pulls that do not list it an object is called UNKNOWN, and REMOVED; None: never."""

    unknown_after: int | None = None
    removed_after: int | None = None
    believes: bool = False  # even a list with hardly anything of what was there


def owners_time(row: OwnedObject) -> datetime:
    """When its owner last updated it, whatever the hub said since."""
    return row.owners_update or row.last_updated


def owners_document(row: OwnedObject) -> str:
    """The object as its owner said it last."""
    return row.document if row.owners_document is None else row.owners_document


def later_than_ours(row: OwnedObject, moment: datetime) -> datetime:
    """The moment, or the next one after what receivers have of it."""
    return max(moment, row.last_updated + A_MOMENT)


def restamp(model: type[OwnedObject], document: dict[str, Any], row: OwnedObject, moment: datetime) -> None:
    """Give the object, and those of its parts that the hub's word may have touched, a time that receivers accept."""
    text = format_time(later_than_ours(row, moment))
    document["last_updated"] = text
    for child in model.children[:1]:
        for part in document.get(child.field) or []:
            if parse_time(part["last_updated"]) <= row.last_updated:
                part["last_updated"] = text

"""An object of a partner's list, and whether it can stand beside what the hub has.

Nothing here counts or stores; sync.py does.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from ocpi_hub.exchange.objects import store, upserts, vanishing
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject
from ocpi_hub.protocol.codec import InvalidObject, check, parse

Mark = tuple[str, ...]

UNNAMED = ""  # the key of a refused object that may be any


class Taken(NamedTuple):
    """A pulled object that passed its own check."""

    address: Address
    incoming: upserts.Incoming
    digest: str
    received: str | None  # as it came, when it was repaired
    audience: str
    owners_update: datetime | None = None  # its owner's last_updated, where it was given a later one

    @property
    def writing(self) -> upserts.Writing:
        return upserts.Writing(
            self.address,
            self.incoming,
            self.digest,
            self.received,
            self.audience,
            owners_update=self.owners_update,
        )

    @property
    def mark(self) -> Mark:
        return mark_of(self.address, self.audience)

    @property
    def last_updated(self) -> datetime:
        return upserts.aware(self.incoming.wire.last_updated)

    @property
    def names(self) -> list[str]:
        """What it may have been called when it was refused: an object may leave its owner out."""
        return [f"{self.address.owner}/{self.address.object_id}", self.address.object_id]


def mark_of(address: Address, audience: str) -> Mark:
    """Equal for the same object for the same audience, which stands last."""
    return (address.owner.key, address.object_id.upper(), address.variant, audience)


def name_of(raw: Any, model: type[OwnedObject]) -> str:
    """What a refused object calls itself, as far as it does."""
    if not isinstance(raw, dict):
        return "not an object"
    parts = (raw.get("country_code"), raw.get("party_id"), raw.get(model.id_field))
    country_code, party_id, object_id = ("" if part is None else _storable(part) for part in parts)
    owner = f"{country_code}*{party_id}/" if country_code or party_id else ""
    return f"{owner}{object_id or 'without an id'}"[:200]


def _storable(value: Any) -> str:
    """Without what PostgreSQL cannot keep: the character NUL, and halves of characters."""
    return str(value).replace("\x00", "").encode(errors="replace").decode()


def key_of(raw: Any, model: type[OwnedObject]) -> str | None:
    """Which object it is; UNNAMED when that cannot be read, None when it is no object at all."""
    if not isinstance(raw, dict):
        return None
    object_id = raw.get(model.id_field)
    return _storable(object_id).upper()[:200] if isinstance(object_id, str | int) else UNNAMED


def loosely(document: bytes) -> Any:
    """What is beyond our limits, or those of JSON, for the id that it may show all the same."""
    try:
        return json.loads(document.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return {}


def content_of(row: OwnedObject) -> str:
    """The digest of a stored object."""
    return row.digest or store.digest_of(parse(row.document.encode()))


def back(model: type[OwnedObject], item: Taken, row: OwnedObject) -> Taken:
    """What vanished and is listed again, in its owner's newest version, whether that was just pulled or kept."""
    if store.is_newer(vanishing.owners_time(row), upserts.aware(item.incoming.wire.last_updated)):
        raw = parse(vanishing.owners_document(row).encode())
        kept = upserts.Incoming(check(raw, model.wire), vanishing.owners_document(row))
        item = item._replace(incoming=kept, digest=store.digest_of(raw), received=row.received)
    return accepted_by_receivers(model, item, row)


def accepted_by_receivers(model: type[OwnedObject], item: Taken, row: OwnedObject) -> Taken:
    """The object with a later time than the hub's own word on it, where it has no such time by itself."""
    incoming = upserts.over_ours(model, item.incoming, row)
    return item._replace(incoming=incoming, owners_update=upserts.owners_update(item.incoming, incoming))


def clash(model: type[OwnedObject], item: Taken, present: dict[Mark, OwnedObject]) -> str:
    """Why what the hub has rules a pulled object out; empty when it does not."""
    row = present.get(item.mark)
    if row is None and model.addressed:
        row = next((other for mark, other in present.items() if mark[:-1] == item.mark[:-1]), None)
    if row is None:
        return _misfit(model, item) if model.immutable else ""
    if model.immutable and not row.deleted_at and content_of(row) != item.digest:
        return _changed(model, str(row))
    if not model.immutable and row.audience != item.audience:
        return _moved(item, row.audience, str(row))
    return ""


def second(model: type[OwnedObject], item: Taken, first: Taken) -> str:
    """Why an object cannot come after the first one of its id in the same page; empty when it can."""
    name = first.names[0]
    if model.immutable:
        return _changed(model, name) if item.digest != first.digest else ""
    return _moved(item, first.audience, name) if item.audience != first.audience else ""


def _misfit(model: type[OwnedObject], item: Taken) -> str:
    try:
        model.must_fit(item.incoming.wire)
    except InvalidObject as fault:
        return str(fault)
    return ""


def _changed(model: type[OwnedObject], name: str) -> str:
    return f"differs from what came as {name}, and {model.module} never change; the first stays"


def _moved(item: Taken, audience: str, name: str) -> str:
    return f"belongs to {item.audience}, and {name} is for {audience} since it came; that never changes"

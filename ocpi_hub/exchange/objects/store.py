"""The only writer of Client Owned Objects: checks them against their Struct and writes document and columns.

Whoever calls these functions has opened a transaction, so that the object and what is published about it stand
or fall together; the `put` of a whole object that is one row needs none, with what follows in the same statement
(upserts.py). A push that is older than what is stored is accepted and left out of the store (interpretations, P74).
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from ocpi_hub.exchange.exceptions import NotFound
from ocpi_hub.exchange.models import Tally
from ocpi_hub.exchange.objects import tally
from ocpi_hub.exchange.objects.digests import digest_of as digest_of
from ocpi_hub.exchange.objects.merging import JSONObject, lineage, merge, replace_part, same_id
from ocpi_hub.exchange.objects.ownedobject import Address, Child, OwnedObject, Vanished, owned_models
from ocpi_hub.exchange.objects.upserts import (
    AHEAD,
    OLDER_THAN_OURS,
    Incoming,
    Model,
    Sequel,
    Stored,
    Writing,
    another_party,
    aware,
    over_ours,
    owners_update,
    save_many,
)
from ocpi_hub.exchange.objects.vanishing import owners_document, owners_time, restamp
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import InvalidObject, check, dump, normalise_times, parse
from ocpi_hub.protocol.envelope import parse_time

MOST_BYTES = 2_000_000  # of a document
TOMBSTONES_STAY = timedelta(days=30)  # so long a deleted object keeps its place


HAVE_IT_ALREADY = "the hub has exactly this already"


class Contradiction(InvalidObject):
    """Something else came under the id of what never changes."""

    kind = "object.contradicted"  # of the error reports


def put(
    model: Model,
    address: Address,
    body: bytes,
    source: Platform,
    audience: str | None = None,
    then: Callable[[str], Sequel] | None = None,
) -> Stored:
    """Create or replace an object, or a part of one. Raises InvalidObject, MalformedJSON, OCPIError.

    `audience` is the receiver of a push that went to one party; without it the object says whom it is for.
    `then` is for whole objects: it is asked, with the audience, before anything is written, and may raise.
    """
    raw = as_object(parse(body))
    if address.children:
        return _write_part(model, address, source, audience, lambda _: raw)
    incoming = examine(model, raw, body)
    agree(model, address, incoming.wire)
    named = model.audience_of(incoming.wire) if audience is None else audience
    stays = model.addressed and audience is None
    sequel = then(named) if then else None
    writing = Writing(address, incoming, audience=named, stays=stays)
    stored = save_many(model, [writing], source, sequel)[0]
    return _over_our_word(model, writing, stored, source) if stored.stale else stored


def _over_our_word(model: Model, writing: Writing, stored: Stored, source: Platform) -> Stored:
    """What is older than the hub's own word on it, and not older than its owner's, is its owner's newest."""
    with transaction.atomic():
        row = model.objects.select_for_update().exclude(owners_update=None).filter(pk=stored.row_id).first()
        return stored if row is None else _save_over(model, row, writing, source)


def _save_over(model: Model, row: OwnedObject, writing: Writing, source: Platform) -> Stored:
    """Write over a locked row, whose last_updated may be the hub's and not its owner's."""
    moment = aware(writing.incoming.wire.last_updated)
    if row.owners_update is None:
        return save_many(model, [writing], source)[0]
    if is_newer(row.owners_update, moment):
        return Stored(row.pk, created=False, stale=True, audience=row.audience, note=OLDER_THAN_OURS)
    incoming = over_ours(model, writing.incoming, row)
    writing = writing._replace(incoming=incoming, owners_update=owners_update(writing.incoming, incoming))
    return save_many(model, [writing], source)[0]._replace(returned=True)


def patch(
    model: Model, address: Address, body: bytes, source: Platform, audience: str | None = None
) -> Stored:
    """Change the named fields of an object, or of a part of one. Raises as `put`."""
    changes = as_object(parse(body))
    if changes.get("last_updated") is None:
        raise InvalidObject("$.last_updated", "required field is missing; a PATCH always carries it")
    if address.children:
        return _write_part(
            model, address, source, audience, lambda part: _patched(model, address, part, changes)
        )
    row = _locked(model, address, audience)
    present = parse(owners_document(row).encode())
    document = merge(present, changes, model.children, model.appended)
    incoming = examine(model, document)
    if _is_final(model, row):
        return _repeated(model, row, incoming, same=document == present)
    agree(model, address, incoming.wire)
    if model.addressed and audience is None and model.audience_of(incoming.wire) != row.audience:
        raise another_party(row, model.audience_of(incoming.wire))
    return _save_over(model, row, Writing(address, incoming, audience=row.audience), source)


def add(
    model: Model, address: Address, incoming: Incoming, source: Platform, audience: str | None = None
) -> Stored:
    """Create an object that never changes. The same one again is found; another of that id is a Contradiction."""
    digest = digest_of(parse(incoming.document.encode()))
    audience = model.audience_of(incoming.wire) if audience is None else audience
    _serialise(f"{model.module}/{address.key}")
    for row in model.objects.at(address):
        if row.digest != digest:
            raise Contradiction("$", f"differs from what came as {row} at {_minute(row)}; that one stays")
        if row.audience == audience:
            return Stored(row.pk, created=False, stale=True, audience=audience, note=HAVE_IT_ALREADY)
    model.must_fit(incoming.wire)
    writing = Writing(address, incoming, digest, audience=audience)
    return save_many(model, [writing], source)[0]


def delete(model: Model, address: Address, source: Platform, audience: str | None = None) -> Stored:
    """Leave a tombstone in the place of an object, for TOMBSTONES_STAY. Raises NotFound."""
    row = model.objects.select_for_update().at(address, audience).present().first()
    if row is None:
        known = "/".join(address.segments)
        raise NotFound(
            f"{model.module}/{known} is not known here, so there is nothing to delete", model.unknown
        )
    model.objects.filter(pk=row.pk).update(
        deleted_at=Now(), changed_at=Now(), source=source, missing_since=None, missed_pulls=0
    )
    tally.take_off(row)
    return Stored(row.pk, created=False, audience=row.audience)


def forget_deleted(now: datetime) -> int:
    """Take away the tombstones whose time is over, of every module; how many there were (P109)."""
    deletable = [model for model in owned_models().values() if model.deletable]
    return sum(model.objects.filter(deleted_at__lt=now - TOMBSTONES_STAY).delete()[0] for model in deletable)


def _serialise(name: str) -> None:
    """One transaction at a time may create what has this name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _minute(row: OwnedObject) -> str:
    return f"{row.created_at:%Y-%m-%d %H:%M} UTC"


def _is_final(model: Model, row: OwnedObject) -> bool:
    return model.final is not None and getattr(row, model.final[0]) == model.final[1]


def _repeated(model: Model, row: OwnedObject, patched: Incoming, *, same: bool) -> Stored:
    """A PATCH of what changes no more: one that came before, whose answer was lost, says nothing new."""
    assert model.final is not None
    note = HAVE_IT_ALREADY if same else OLDER_THAN_OURS
    if same or is_newer(owners_time(row), aware(patched.wire.last_updated)):
        return Stored(row.pk, created=False, stale=True, audience=row.audience, note=note)
    raise InvalidObject(
        f"$.{model.final[0]}",
        f"is {model.final[1]}, and what is {model.final[1]} changes no more; to correct it, PUT all of it"
        " with a newer last_updated",
    )


def examine(model: Model, raw: JSONObject, body: bytes | None = None) -> Incoming:
    """Check an object against its Struct; the document is the body as it came, unless its times were mended."""
    wire = check(raw, model.wire)
    mended = normalise_times(raw, model.wire)
    if body is not None:
        _must_name_its_owner_once(body)
    if mended or body is None:
        return Incoming(wire, sealed(raw))
    return Incoming(wire, body.decode())


def _must_name_its_owner_once(body: bytes) -> None:
    """Of a repeated key we take the last value and a receiver may take the first: another owner."""
    fields: dict[str, msgspec.Raw] | None = None
    for name in ("country_code", "party_id"):
        quoted = f'"{name}"'.encode()
        if (times := body.count(quoted)) > 1:
            fields = fields or msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            # Those inside the fields, such as the owner of a token, are no repetition.
            if times - sum(bytes(field).count(quoted) for field in fields.values()) > 1:
                _refuse_repeated(body, name)


def _refuse_repeated(body: bytes, name: str) -> None:
    """Raise InvalidObject when the object itself has the field more than once."""
    top = json.loads(
        body, object_pairs_hook=list
    )  # rare: what was repeated may have had the same name inside
    if [key for key, _ in top].count(name) > 1:
        raise InvalidObject(f"$.{name}", "is in the body twice")


def sealed(raw: JSONObject) -> str:
    """The document of an object that was put together here: within the limits of what we read (InvalidObject).

    A part that is allowed by itself may be nested too deeply inside its parent, or make the whole too large.
    """
    document = dump(raw)
    if len(document) > MOST_BYTES:
        raise InvalidObject("$", f"the whole object would have more than {MOST_BYTES} bytes")
    parse(document)
    return document.decode()


def agree(model: Model, address: Address, wire: Any) -> None:
    """URL and body name the same owner, id and variant (transport_and_format.asciidoc, Errors)."""
    pairs = [
        ("country_code", address.owner.country_code, wire.country_code),
        ("party_id", address.owner.party_id, wire.party_id),
        *([(model.id_field, address.object_id, getattr(wire, model.id_field))] if model.id_field else []),
    ]
    for name, in_url, in_body in pairs:
        if not same_id(in_url, in_body):
            raise InvalidObject(f"$.{name}", f"the body has {in_body!r}, the URL {in_url!r}")
    if model.variant_field and getattr(wire, model.variant_field) != address.variant:
        raise InvalidObject(
            f"$.{model.variant_field}",
            f"the body has {getattr(wire, model.variant_field)!r}, the URL {address.variant!r}",
        )


# --------------------------------------------------------------------------------------- parts of an object
def _write_part(
    model: Model, address: Address, source: Platform, audience: str | None, change: Any
) -> Stored:
    """Replace one part of a stored object by change(part), and move last_updated up to all its parents."""
    row = _locked(model, address, audience)
    document = parse(owners_document(row).encode())
    family = lineage(document, address.children, model.children)
    level = model.children[len(address.children) - 1]
    if len(family) < len(address.children):
        raise NotFound(_nothing_at(model, address, len(family)), model.unknown)
    present = family[len(address.children)] if len(family) > len(address.children) else None
    part = change(present)
    wire = check(part, level.wire)
    normalise_times(part, level.wire)
    _agree_on_part(level, address.children[-1], wire)
    moment = aware(wire.last_updated)
    if present is not None and is_newer(_owners_time(row, present), moment):
        return Stored(row.pk, created=False, stale=True, audience=row.audience, note=OLDER_THAN_OURS)
    replace_part(family[len(address.children) - 1], level, part)
    for parent in family[: len(address.children)]:
        if not is_newer(_time(parent), moment):
            parent["last_updated"] = part["last_updated"]
    owners = _stamp_over_our_word(model, row, document)
    model.objects.filter(pk=row.pk).update(
        document=sealed(document),
        last_updated=_time(document),
        source=source,
        digest="",
        changed_at=Now(),
        missing_since=None,
        missed_pulls=0,
        vanished=Vanished.NOT,
        owners_document=None,
        owners_update=owners,
    )
    if row.owners_document is None:
        _project_part(model, row.pk, document, address)
    else:
        model.project(row.pk, check(document, model.wire), None)
    returned = row.owners_update is not None
    return Stored(row.pk, created=present is None, audience=row.audience, returned=returned)


def _owners_time(row: OwnedObject, part: JSONObject) -> datetime:
    """When its owner last updated a part, as far as the hub knows where it gave the part a later time."""
    return min(_time(part), row.owners_update) if row.owners_update else _time(part)


def _stamp_over_our_word(model: Model, row: OwnedObject, document: JSONObject) -> datetime | None:
    """Give a changed document a later time than the hub's own word on it; its owner's time, where that differs."""
    if row.owners_update is None:
        return None
    moment = _time(document)
    restamp(model, document, row, moment if moment > row.last_updated else timezone.now())
    return None if moment == _time(document) else moment


def say(model: Model, row: OwnedObject, document: JSONObject, vanished: Vanished) -> None:
    """Write what the hub says of an object that vanished; its owner's version stays beside it."""
    model.objects.filter(pk=row.pk).update(
        document=sealed(document),
        last_updated=_time(document),
        changed_at=Now(),
        vanished=vanished,
        owners_document=owners_document(row),
        owners_update=owners_time(row),
    )
    model.project(row.pk, check(document, model.wire), None)


def _patched(model: Model, address: Address, part: JSONObject | None, changes: JSONObject) -> JSONObject:
    if part is None:
        raise NotFound(_nothing_at(model, address, len(address.children)), model.unknown)
    return merge(part, changes, model.children[len(address.children) :])


def _agree_on_part(level: Child, wanted: str, wire: Any) -> None:
    if not same_id(getattr(wire, level.id_field), wanted):
        raise InvalidObject(
            f"$.{level.id_field}", f"the body has {getattr(wire, level.id_field)!r}, the URL {wanted!r}"
        )


def _project_part(model: Model, row_id: int, document: JSONObject, address: Address) -> None:
    """Tables beside the document follow the first child on the way to the part."""
    child = lineage(document, address.children[:1], model.children)[-1]
    model.project(row_id, check(child, model.children[0].wire), address.children[0])


def _locked(model: Model, address: Address, audience: str | None = None) -> OwnedObject:
    row = model.objects.select_for_update().at(address, audience).present().first()
    if row is None:
        raise NotFound(_nothing_at(model, address, 0), model.unknown)
    return row


def _nothing_at(model: Model, address: Address, depth: int) -> str:
    known = address.segments[: 3 + depth]
    return f"{model.module}/{'/'.join(known)} is not known here; push the whole object first"


def as_object(raw: Any) -> JSONObject:
    if not isinstance(raw, dict):
        raise InvalidObject("$", "an object is expected")
    return raw


def is_newer(present: datetime, incoming: datetime) -> bool:
    """Whether what is stored counts as newer than what comes in (P74)."""
    return incoming < present <= timezone.now() + AHEAD


def _time(part: JSONObject) -> datetime:
    return parse_time(part["last_updated"])


# ------------------------------------------------------------------------------------------------- reading
def documents(model: Model, row_ids: list[int]) -> dict[int, str | None]:
    """The present documents of these rows, as far as they are there; None for what its owner deleted."""
    rows = model.objects.filter(pk__in=row_ids).values_list("pk", "document", "deleted_at")
    return {row_id: None if deleted_at else document for row_id, document, deleted_at in rows}


def part_of(model: Model, document: str, children: tuple[str, ...]) -> bytes | None:
    """The JSON of an object, or of a part of it; None when it has no such part."""
    if not children:
        return document.encode()
    family = lineage(parse(document.encode()), children, model.children)
    return dump(family[-1]) if len(family) == len(children) + 1 else None


def settle_restored() -> None:
    """Rows of a restored dump carry transaction ids of another server, which may lie in this one's future.

    They would sort behind every new row and hide from lists; 3 is the first id that a transaction can have.
    """
    for model in (*owned_models().values(), Tally):
        table = connection.ops.quote_name(model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET inserted_in = '3' WHERE inserted_in > pg_snapshot_xmax(pg_current_snapshot())"  # noqa: S608
            )

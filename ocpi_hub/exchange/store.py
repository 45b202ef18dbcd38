"""The only writer of Client Owned Objects: checks them against their Struct and writes document and columns.

Whoever calls these functions has opened a transaction, so that the object and what is published about it stand
or fall together. A push that is older than what is stored is accepted and left out of the store (interpretations, P74).
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange.exceptions import NotFound
from ocpi_hub.exchange.merging import JSONObject, lineage, merge, replace_part, same_id
from ocpi_hub.exchange.ownedobject import Address, Child, OwnedObject, owned_models
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import InvalidObject, check, dump, normalise_times, parse
from ocpi_hub.protocol.envelope import parse_time

Model = type[OwnedObject]

MOST_BYTES = 2_000_000  # of a document
# A last_updated so far ahead is a wrong clock. Whatever comes next counts as newer, else the owner could never
# correct it.
AHEAD = timedelta(hours=1)


class Stored(NamedTuple):
    """What became of an object."""

    row_id: int
    created: bool
    stale: bool = False  # older than what was there; nothing was written


class Incoming(NamedTuple):
    """A checked object on its way into the store."""

    wire: Any  # the module's Struct
    document: str


def put(model: Model, address: Address, body: bytes, source: Platform) -> Stored:
    """Create or replace an object, or a part of one. Raises InvalidObject, MalformedJSON, OCPIError."""
    raw = _object(parse(body))
    if address.children:
        return _write_part(model, address, source, lambda _: raw)
    incoming = examine(model, raw, body)
    agree(model, address, incoming.wire)
    return save(model, address, incoming, source)


def patch(model: Model, address: Address, body: bytes, source: Platform) -> Stored:
    """Change the named fields of an object, or of a part of one. Raises as `put`."""
    changes = _object(parse(body))
    if changes.get("last_updated") is None:
        raise InvalidObject("$.last_updated", "required field is missing; a PATCH always carries it")
    if address.children:
        return _write_part(model, address, source, lambda part: _patched(model, address, part, changes))
    row = _locked(model, address)
    document = merge(parse(row.document.encode()), changes, model.children)
    incoming = examine(model, document)
    agree(model, address, incoming.wire)
    return save(model, address, incoming, source)


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
    for name in ("country_code", "party_id"):
        if body.count(f'"{name}"'.encode()) > 1:
            top = json.loads(body, object_pairs_hook=list)  # rare: an extension may have the same name inside
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
        (model.id_field, address.object_id, getattr(wire, model.id_field)),
    ]
    for name, in_url, in_body in pairs:
        if not same_id(in_url, in_body):
            raise InvalidObject(f"$.{name}", f"the body has {in_body!r}, the URL {in_url!r}")
    if model.variant_field and getattr(wire, model.variant_field) != address.variant:
        raise InvalidObject(
            f"$.{model.variant_field}",
            f"the body has {getattr(wire, model.variant_field)!r}, the URL {address.variant!r}",
        )


# ------------------------------------------------------------------------------------------ whole objects
class Writing(NamedTuple):
    """An object to be written, and what a pull notes beside it."""

    address: Address
    incoming: Incoming
    digest: str = ""
    received: str | None = None  # as it came, when it was repaired


def save(model: Model, address: Address, incoming: Incoming, source: Platform) -> Stored:
    """Write one object, unless the present row is newer."""
    return save_many(model, [Writing(address, incoming)], source)[0]


def save_many(model: Model, writings: list[Writing], source: Platform) -> list[Stored]:
    """Write different objects by one upsert of documents and columns; what became of each, in their order."""
    if not writings:
        return []
    rows = [_values(model, writing, source) for writing in writings]
    written = _upsert(model, rows)
    found = [written.get(_name(model, row)) for row in rows]
    model.project_many(
        [(row[0], writing.incoming.wire) for row, writing in zip(found, writings, strict=True) if row]
    )
    return [
        Stored(*row) if row else Stored(_row_id(model, writing.address), created=False, stale=True)
        for row, writing in zip(found, writings, strict=True)
    ]


def _values(model: Model, writing: Writing, source: Platform) -> dict[str, Any]:
    wire = writing.incoming.wire
    return {
        "country_code": wire.country_code,
        "party_id": wire.party_id,
        "object_id": getattr(wire, model.id_field),
        "audience": "",
        "source_id": source.pk,
        "last_updated": aware(wire.last_updated),
        "document": writing.incoming.document,
        "received": writing.received,
        "digest": writing.digest,
        "missing_since": None,
        **model.columns(wire),
    }


def _name(model: Model, values: dict[str, Any]) -> str:
    """Owner, id and variant in one text; no id holds the character between them."""
    names = ("country_code", "party_id", "object_id", *filter(None, [model.variant_field]))
    return "\n".join(values[name] for name in names)


_KEY = ("owner_key", "key", "audience")


def _upsert(model: Model, rows: list[dict[str, Any]]) -> dict[str, tuple[int, bool]]:
    """(row id, whether it is new) by name; those are missing whose present row is newer."""
    table = connection.ops.quote_name(model._meta.db_table)
    names = [connection.ops.quote_name(name) for name in rows[0]]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names)
    conflict = ", ".join(_KEY + ((model.variant_field,) if model.variant_field else ()))
    returned = ["country_code", "party_id", "object_id", *filter(None, [model.variant_field])]
    values = ", ".join([f"({', '.join(['%s'] * len(names))})"] * len(rows))
    # Names come from the models, never from a message; every value is a parameter.
    statement = (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES {values} "  # noqa: S608
        f"ON CONFLICT ({conflict}) DO UPDATE SET {changes}, changed_at = now() "
        f"WHERE {table}.last_updated <= excluded.last_updated OR {table}.last_updated > %s "
        f"RETURNING id, (xmax = 0), {', '.join(map(connection.ops.quote_name, returned))}"
    )
    with connection.cursor() as cursor:
        parameters = [value for row in rows for value in row.values()]
        cursor.execute(statement, [*parameters, timezone.now() + AHEAD])
        return {
            _name(model, dict(zip(returned, row[2:], strict=True))): (row[0], row[1])
            for row in cursor.fetchall()
        }


def _row_id(model: Model, address: Address) -> int:
    row_id: int = model.objects.at(address).values_list("pk", flat=True).get()
    return row_id


# --------------------------------------------------------------------------------------- parts of an object
def _write_part(model: Model, address: Address, source: Platform, change: Any) -> Stored:
    """Replace one part of a stored object by change(part), and move last_updated up to all its parents."""
    row = _locked(model, address)
    document = parse(row.document.encode())
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
    if present is not None and is_newer(_time(present), moment):
        return Stored(row.pk, created=False, stale=True)
    replace_part(family[len(address.children) - 1], level, part)
    for parent in family[: len(address.children)]:
        if not is_newer(_time(parent), moment):
            parent["last_updated"] = part["last_updated"]
    model.objects.filter(pk=row.pk).update(
        document=sealed(document),
        last_updated=_time(document),
        source=source,
        digest="",
        changed_at=timezone.now(),
        missing_since=None,
    )
    _project_part(model, row.pk, document, address)
    return Stored(row.pk, created=present is None)


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


def _locked(model: Model, address: Address) -> OwnedObject:
    row = model.objects.select_for_update().at(address).first()
    if row is None:
        raise NotFound(_nothing_at(model, address, 0), model.unknown)
    return row


def _nothing_at(model: Model, address: Address, depth: int) -> str:
    known = address.segments[: 3 + depth]
    return f"{model.module}/{'/'.join(known)} is not known here; push the whole object first"


def _object(raw: Any) -> JSONObject:
    if not isinstance(raw, dict):
        raise InvalidObject("$", "an object is expected")
    return raw


def is_newer(present: datetime, incoming: datetime) -> bool:
    """Whether what is stored counts as newer than what comes in (P74)."""
    return incoming < present <= timezone.now() + AHEAD


def _time(part: JSONObject) -> datetime:
    return parse_time(part["last_updated"])


def aware(moment: datetime) -> datetime:
    """OCPI's times without a designator are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------------------- reading
def documents(model: Model, row_ids: list[int]) -> dict[int, str]:
    """The present documents of these rows, as far as they are there."""
    return dict(model.objects.filter(pk__in=row_ids).values_list("pk", "document"))


def part_of(model: Model, document: str, children: tuple[str, ...]) -> bytes | None:
    """The JSON of an object, or of a part of it; None when it has no such part."""
    if not children:
        return document.encode()
    family = lineage(parse(document.encode()), children, model.children)
    return dump(family[-1]) if len(family) == len(children) + 1 else None


_CANONICAL = msgspec.json.Encoder(order="deterministic", decimal_format="number")


def digest_of(raw: Any) -> str:
    """A hash of what an object says, whatever its time stamps, key order, nulls and empty lists are (P75)."""
    return hashlib.sha256(_CANONICAL.encode(_essence(raw))).hexdigest()


def _essence(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {
            name: _essence(value)
            for name, value in raw.items()
            if name != "last_updated" and value is not None and value != []
        }
    return [_essence(item) for item in raw] if isinstance(raw, list) else raw


def settle_restored() -> None:
    """Rows of a restored dump carry transaction ids of another server, which may lie in this one's future.

    They would sort behind every new row and hide from lists; 3 is the first id that a transaction can have.
    """
    for model in owned_models().values():
        table = connection.ops.quote_name(model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET inserted_in = '3' WHERE inserted_in > pg_snapshot_xmax(pg_current_snapshot())"  # noqa: S608
            )

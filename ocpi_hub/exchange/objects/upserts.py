"""Whole objects into their tables: documents, columns and what goes with them, by one statement (store.py)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange.objects import tally, vanishing
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import InvalidObject, check, dump, parse

Model = type[OwnedObject]

# A last_updated so far ahead is a wrong clock. Whatever comes next counts as newer, else the owner could never
# correct it.
AHEAD = timedelta(hours=1)

OLDER_THAN_OURS = "accepted, but not stored: last_updated is older than that of what the hub has"


class Stored(NamedTuple):
    """What became of an object."""

    row_id: int
    created: bool
    stale: bool = False  # nothing was written: what was there is newer, or the same and never changes
    audience: str = ""  # the key of the party that it is for; empty: for every fitting role
    note: str | None = None  # what the sender is told beside success
    # Its owner's word took the place of the hub's own: receivers get the whole of it, as it is now.
    returned: bool = False


class Incoming(NamedTuple):
    """A checked object on its way into the store."""

    wire: Any  # the module's Struct
    document: str


class Sequel(NamedTuple):
    """What one statement does besides with the rows that it wrote: SQL over `written`, which has their `id`."""

    sql: str
    parameters: list[Any]


class Writing(NamedTuple):
    """An object to be written, and what a pull notes beside it."""

    address: Address
    incoming: Incoming
    digest: str = ""
    received: str | None = None  # as it came, when it was repaired
    audience: str = ""
    stays: bool = False  # not to be written when the newest row with its address is for another party
    owners_update: datetime | None = None  # its owner's last_updated, where it was given a later one


def save(
    model: Model,
    address: Address,
    incoming: Incoming,
    source: Platform,
    audience: str | None = None,
    sequel: Sequel | None = None,
) -> Stored:
    """Write one object, unless the present row is newer."""
    audience = model.audience_of(incoming.wire) if audience is None else audience
    return save_many(model, [Writing(address, incoming, audience=audience)], source, sequel)[0]


def save_many(
    model: Model, writings: list[Writing], source: Platform, sequel: Sequel | None = None
) -> list[Stored]:
    """Write different objects by one upsert of documents and columns; what became of each, in their order."""
    if not writings:
        return []
    findings = model.review_many([writing.incoming.wire for writing in writings])
    rows = [
        {**_values(model, writing, source), "findings": said}
        for writing, said in zip(writings, findings, strict=True)
    ]
    stays = writings[0].address if len(writings) == 1 and writings[0].stays else None
    written = _upsert(model, rows, sequel, stays)
    if stays and not written:
        must_stay_with_its_party(model, stays, writings[0].audience)
    found = [written.get(_name(model, row)) for row in rows]
    model.project_many(
        [(row[0], writing.incoming.wire) for row, writing in zip(found, writings, strict=True) if row]
    )
    return [
        Stored(row[0], row[1], audience=writing.audience)
        if row
        else Stored(
            _row_id(model, writing), False, stale=True, audience=writing.audience, note=OLDER_THAN_OURS
        )
        for row, writing in zip(found, writings, strict=True)
    ]


def _values(model: Model, writing: Writing, source: Platform) -> dict[str, Any]:
    wire = writing.incoming.wire
    return {
        "country_code": wire.country_code,
        "party_id": wire.party_id,
        "object_id": writing.address.object_id if not model.id_field else getattr(wire, model.id_field),
        "audience": writing.audience,
        "source_id": source.pk,
        "last_updated": aware(wire.last_updated),
        "document": writing.incoming.document,
        "received": writing.received,
        "digest": writing.digest,
        "missing_since": None,
        "deleted_at": None,
        "owners_update": writing.owners_update,
        **model.columns(wire),
    }


def _name(model: Model, values: dict[str, Any]) -> str:
    """Owner, id, audience and variant in one text; no id holds the character between them."""
    names = ("country_code", "party_id", "object_id", "audience", *filter(None, [model.variant_field]))
    return "\n".join(values[name] for name in names)


_KEY = ("owner_key", "key", "audience")


def _upsert(
    model: Model, rows: list[dict[str, Any]], sequel: Sequel | None, stays: Address | None
) -> dict[str, tuple[int, bool]]:
    """(row id, whether it is new) by name, and the tally of what is new; those are missing whose row is newer."""
    statement = _statement(model, tuple(rows[0]), len(rows), sequel.sql if sequel else "", stays is not None)
    parameters = [value for row in rows for value in row.values()]
    if stays:
        named = rows[0]["audience"]
        parameters += [stays.owner.key, stays.object_id.upper(), named, named]
    last = model.final[1] if model.final else False
    more = sequel.parameters if sequel else []
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, timezone.now() + AHEAD, last, model.module, *more])
        return {
            _name(model, dict(zip(_returned(model), row[2:], strict=True))): (row[0], row[1])
            for row in cursor.fetchall()
        }


def _returned(model: Model) -> list[str]:
    return ["country_code", "party_id", "object_id", "audience", *filter(None, [model.variant_field])]


@lru_cache(maxsize=512)
def _statement(model: Model, columns: tuple[str, ...], count: int, following: str, stays: bool) -> str:
    """The upsert of so many rows with these columns, and what follows for each that is written.

    One that `stays` is written only where the newest row with its address is for the same party.

    Names come from the models, never from a message; every value is a parameter. What comes again after it was
    deleted is new, and stands at the end of the list.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    names = [connection.ops.quote_name(name) for name in columns]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names)
    conflict = ", ".join(_KEY + ((model.variant_field,) if model.variant_field else ()))
    its = ", ".join(map(connection.ops.quote_name, _returned(model)))
    row = f"{', '.join(['%s'] * len(names))}, statement_timestamp()"
    values = f"VALUES {', '.join([f'({row})'] * count)}"
    if stays:
        values = (
            f"SELECT {row} WHERE coalesce((SELECT audience FROM {table} WHERE owner_key = %s AND key = %s"  # noqa: S608
            " ORDER BY changed_at DESC, id DESC LIMIT 1), %s) = %s"
        )
    may_change = "false" if model.immutable else "true"
    # What a final object is replaced by has to be newer, not only as new.
    final = f"OR {table}.{connection.ops.quote_name(model.final[0])} = %s" if model.final else "OR %s"
    return (
        f"WITH written AS (INSERT INTO {table} ({', '.join(names)}, created_at) {values} "  # noqa: S608
        f"ON CONFLICT ({conflict}) DO UPDATE SET {changes}, changed_at = now(), "
        "missed_pulls = 0, vanished = '', owners_document = NULL, "
        f"created_at = CASE WHEN {table}.deleted_at IS NULL THEN {table}.created_at ELSE excluded.created_at END,"
        f"inserted_in = CASE WHEN {table}.deleted_at IS NULL THEN {table}.inserted_in"
        f" ELSE excluded.inserted_in END "
        f"WHERE {table}.deleted_at IS NOT NULL OR {may_change} AND"
        f" ({table}.last_updated < excluded.last_updated OR {table}.last_updated > %s"
        f" OR ({table}.last_updated = excluded.last_updated AND NOT (false {final}))) "
        f"RETURNING id, owner_key, {its},"
        " inserted_in = pg_current_xact_id() AND created_at = statement_timestamp() AS is_new"
        f"), tallied AS ({tally.of_the_new(model)}) "
        f"{f', followed AS ({following}) ' if following else ''}"
        f"SELECT id, is_new, {its} FROM written"
    )


def _row_id(model: Model, writing: Writing) -> int:
    row_id: int = model.objects.at(writing.address, writing.audience).values_list("pk", flat=True).get()
    return row_id


def over_ours(model: Model, incoming: Incoming, row: OwnedObject) -> Incoming:
    """The object with times later than those of the hub's own word on it; the same one where they are anyway."""
    moment = aware(incoming.wire.last_updated)
    is_later = moment > row.last_updated
    if row.owners_update is None or (is_later and row.owners_document is None):
        return incoming
    document = parse(incoming.document.encode())
    vanishing.restamp(model, document, row, moment if is_later else timezone.now())
    return Incoming(check(document, model.wire), dump(document).decode())


def owners_update(owners: Incoming, stamped: Incoming) -> datetime | None:
    """The owner's last_updated, where the object was given a later one."""
    moment = aware(owners.wire.last_updated)
    return None if moment == aware(stamped.wire.last_updated) else moment


def must_stay_with_its_party(model: Model, address: Address, audience: str) -> None:
    row = model.objects.at(address).first()
    if row is not None and row.audience != audience:
        raise another_party(row, audience)


def another_party(row: OwnedObject, audience: str) -> InvalidObject:
    return InvalidObject(
        "$.cdr_token",
        f"belongs to {audience}, and {row.module}/{row} is for {row.audience} since it came; that never changes",
    )


def aware(moment: datetime) -> datetime:
    """OCPI's times without a designator are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Totals of unfiltered lists, without counting a million objects.

Whoever makes objects appear or disappear adds a row that says how many, in the same transaction. Rows are only
added, so writers never wait for each other; every few seconds a worker makes one row of those that nobody waits
for any more. A row bears the transaction that inserted the objects, so that a total counts what the list shows.
"""

import logging
from typing import NamedTuple

from django.db import connection, transaction

from ocpi_hub.errorreports.occurrences import note
from ocpi_hub.exchange.models import Tally
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.objects.visibility import SETTLED, Condition, Visible

logger = logging.getLogger(__name__)

TALLY_LOCK = 0x0C9103  # one process at a time condenses or mends


class Difference(NamedTuple):
    """How many more objects there are than the tally said."""

    owner_key: str
    audience: str
    variant: str
    count: int


def total(model: type[OwnedObject], visible: Visible) -> int:
    """How many objects an unfiltered list has."""
    asked = Condition("module = %s", [model.module]) & visible.condition("variant") & SETTLED
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce(sum(count), 0)::bigint FROM exchange_tally WHERE {asked.sql}",  # noqa: S608
            asked.parameters,
        )
        return int(cursor.fetchone()[0])


# ------------------------------------------------------------------------------------ what store.py adds
def of_the_new(model: type[OwnedObject]) -> str:
    """The statement that tallies the rows of `written` that are new; its parameter is the module."""
    variant = _variant(model)
    return (
        "INSERT INTO exchange_tally (module, owner_key, audience, variant, count)"  # noqa: S608  # names of ours
        f" SELECT %s, owner_key, audience, {variant}, count(*) FROM written WHERE is_new"
        f" GROUP BY owner_key, audience, {variant}"
    )


def of_the_gone(model: type[OwnedObject]) -> str:
    """The statement that takes the rows of `gone` off the totals; its parameter is the module."""
    variant = _variant(model)
    return (
        "INSERT INTO exchange_tally (module, owner_key, audience, variant, count, inserted_in)"  # noqa: S608
        f" SELECT %s, owner_key, audience, {variant}, -count(*), inserted_in FROM gone WHERE deleted_at IS NULL"
        f" GROUP BY owner_key, audience, {variant}, inserted_in"
    )


def take_off(row: OwnedObject) -> None:
    Tally.objects.create(
        module=row.module,
        owner_key=row.owner_key,
        audience=row.audience,
        variant=row.own_address.variant,
        count=-1,
        inserted_in=row.inserted_in,
    )


def _variant(model: type[OwnedObject]) -> str:
    return connection.ops.quote_name(model.variant_field) if model.variant_field else "''::text"


# -------------------------------------------------------------------------------------------- upkeep
def condense() -> None:
    """Make one row of what is settled, where something was added; for every worker's round."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [TALLY_LOCK])
        if cursor.fetchone()[0]:
            cursor.execute(_CONDENSE)


# Condensed rows bear 3, the first id that a transaction can have.
_CONDENSE = """
WITH fresh AS (
    SELECT DISTINCT module, owner_key, audience, variant FROM exchange_tally
    WHERE inserted_in > '3' AND inserted_in < pg_snapshot_xmin(pg_current_snapshot())
), taken AS (
    DELETE FROM exchange_tally USING fresh
    WHERE exchange_tally.module = fresh.module AND exchange_tally.owner_key = fresh.owner_key
        AND exchange_tally.audience = fresh.audience AND exchange_tally.variant = fresh.variant
        AND inserted_in < pg_snapshot_xmin(pg_current_snapshot())
    RETURNING exchange_tally.*
)
INSERT INTO exchange_tally (module, owner_key, audience, variant, count, inserted_in)
SELECT module, owner_key, audience, variant, sum(count), '3' FROM taken
GROUP BY module, owner_key, audience, variant HAVING sum(count) <> 0
"""


def begin() -> None:
    """Count a module that has objects and no tally: from before there were any, or written past the store."""
    for model in owned_models().values():
        if not Tally.objects.filter(module=model.module).exists():
            mend(model)


def compare() -> int:
    """Compare every module with what is there, and mend and log what differs; how much that was."""
    found = [(module, row) for module, model in owned_models().items() for row in mend(model)]
    for module, (owner, audience, variant, count) in found:
        logger.error(
            "the total of %s of %s for %s was %d too %s; it is mended",
            f"{module} ({variant})" if variant else module,
            owner,
            audience or "every fitting role",
            abs(count),
            "low" if count > 0 else "high",
        )
        text = f"that of {owner} for {audience or 'every fitting role'} was {-count:+d} off"
        note("hub.totals", None, module, text, party=owner)
    return len(found)


@transaction.atomic
def mend(model: type[OwnedObject]) -> list[Difference]:
    """Add what the tally lacks; a snapshot of both holds whatever others write meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TALLY_LOCK])
        table = connection.ops.quote_name(model._meta.db_table)
        statement = _MEND.format(table=table, variant=_variant(model))
        cursor.execute(statement, {"module": model.module})
        return sorted(Difference(*row) for row in cursor.fetchall())


_MEND = """
WITH there AS (
    SELECT owner_key, audience, {variant} AS variant, count(*) AS count FROM {table} WHERE deleted_at IS NULL
    GROUP BY 1, 2, 3
), said AS (
    SELECT owner_key, audience, variant, sum(count) AS count FROM exchange_tally WHERE module = %(module)s
    GROUP BY 1, 2, 3
)
INSERT INTO exchange_tally (module, owner_key, audience, variant, count)
SELECT %(module)s, owner_key, audience, variant, coalesce(there.count, 0) - coalesce(said.count, 0)
FROM there FULL JOIN said USING (owner_key, audience, variant)
WHERE coalesce(there.count, 0) <> coalesce(said.count, 0)
RETURNING owner_key, audience, variant, count
"""

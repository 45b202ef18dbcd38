"""Deliveries of what a partner should have and has not: the present state of whole objects, once more.

They wait in the partner's lane behind what is pushed, one for each object however often it is asked for, and are
due to whoever should have the object now.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Func

from ocpi_hub.exchange import clock, routing
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Message
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.headers import MessageIDs

AT_ONCE = 500  # objects in one transaction


def refill(platform: Platform, model: type[OwnedObject], row_ids: list[int]) -> dict[int, int]:
    """The delivery of each of these rows, by row; those are missing that the partner should not have, or cannot get."""
    found: dict[int, int] = {}
    if not Platform.objects.reachable_for_push(model.module).filter(pk=platform.pk).exists():
        return found
    for begin in range(0, len(row_ids), AT_ONCE):
        found |= _refill(platform, model, row_ids[begin : begin + AT_ONCE])
    return found


class _Refill(NamedTuple):
    row: OwnedObject
    party: str  # that it is addressed to
    message: int


@transaction.atomic
def _refill(platform: Platform, model: type[OwnedObject], row_ids: list[int]) -> dict[int, int]:
    its = model.pushed_to(platform).condition(model.variant_field).as_filter()
    rows = list(
        model.objects.filter(its, pk__in=row_ids).exclude(source=platform).defer("document", "received")
    )
    parties = _parties(platform, model, rows)
    messages = _messages(model, rows)
    refills = [_Refill(row, parties[row.pk], messages[row.pk]) for row in rows if parties[row.pk]]
    if not refills:
        return {}
    deliveries = _deliver(platform, model, refills, clock.now())
    outbox.absorb([refill.message for refill in refills], [platform.pk])
    outbox.ring()
    return deliveries


def _parties(platform: Platform, model: type[OwnedObject], rows: list[OwnedObject]) -> dict[int, str]:
    """The party at the platform that each goes to, by row; empty for none."""
    terms = Terms.of({row.owner_key for row in rows})
    readers: dict[tuple[str, str], str] = {}
    found = {}
    for row in rows:
        variant = row.own_address.variant
        if not row.audience and (variant, row.owner_key) not in readers:
            reader = routing.reader_at(platform, model, variant, row.owner_key, terms)
            readers[variant, row.owner_key] = reader.party if reader else ""
        found[row.pk] = row.audience or readers[variant, row.owner_key]
    return found


def _messages(model: type[OwnedObject], rows: list[OwnedObject]) -> dict[int, int]:
    """The newest message about each, by row. What went directly to its party has none, and gets one."""
    with connection.cursor() as cursor:
        cursor.execute(
            _NEWEST,
            {
                "rows": [row.pk for row in rows],
                "keys": [row.own_address.key for row in rows],
                "module": model.module,
            },
        )
        found = dict(cursor.fetchall())
    missing = [_message(row) for row in rows if row.pk not in found]
    Message.objects.bulk_create(missing)
    return found | {message.row_id: message.pk for message in missing}


_NEWEST = """
SELECT due.row_id, newest.id FROM unnest(%(rows)s::bigint[], %(keys)s::text[]) AS due(row_id, key)
CROSS JOIN LATERAL (
    SELECT id FROM exchange_message message
    WHERE message.parent_key = due.key AND message.module = %(module)s AND message.row_id = due.row_id
    ORDER BY id DESC LIMIT 1) newest
"""


def _message(row: OwnedObject) -> Message:
    """One that is expanded already: it goes to nobody else."""
    address, ids = row.own_address, MessageIDs.new()
    return Message(
        module=row.module,
        row_id=row.pk,
        key=address.key,
        path=address.path,
        parent_key=address.key,
        variant=address.variant,
        method=row.push_method,
        audience=row.audience,
        from_party=row.owner_key if row.audience else "",
        bulk=True,
        source_id=row.source_id,
        request_id=ids.request_id,
        correlation_id=ids.correlation_id,
        expanded_at=Func(function="now"),
    )


def _deliver(
    platform: Platform, model: type[OwnedObject], refills: list[_Refill], now: datetime
) -> dict[int, int]:
    addresses = [refill.row.own_address for refill in refills]
    parameters: dict[str, Any] = {
        "platform": platform.pk,
        "module": model.module,
        "messages": [refill.message for refill in refills],
        "rows": [refill.row.pk for refill in refills],
        "keys": [address.key for address in addresses],
        "paths": [address.path for address in addresses],
        "variants": [address.variant for address in addresses],
        "parties": [refill.party for refill in refills],
        "priority": Delivery.Priority.BULK,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DELIVER, parameters)
        return dict(cursor.fetchall())


_DELIVER = """
INSERT INTO exchange_delivery (platform_id, message_id, module, row_id, key, parent_key, path, variant, to_party,
                               exact, priority, state, tries, reason, next_attempt_at)
SELECT %(platform)s, message_id, %(module)s, row_id, key, key, path, variant, party,
    false, %(priority)s, 'PENDING', 0, '', %(now)s
FROM unnest(%(messages)s::bigint[], %(rows)s::bigint[], %(keys)s::text[], %(paths)s::text[], %(variants)s::text[],
            %(parties)s::text[]) AS due(message_id, row_id, key, path, variant, party)
ON CONFLICT (platform_id, module, key) WHERE state = 'PENDING' DO UPDATE
    SET message_id = greatest(exchange_delivery.message_id, excluded.message_id), row_id = excluded.row_id,
        exact = false, next_attempt_at = %(now)s
RETURNING row_id, id
"""

"""What was accepted for a partner against what it acknowledged, slice by slice and for many objects at once.

Who should have an object, OwnedObject.pushed_to() says, and what became of it for one partner, whynot.py; this is
the same for hundreds of thousands of objects. Each counts once, with its newest state, on the day of that.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Max, Q, QuerySet

from ocpi_hub.exchange.explaining.whynot import SAME_CHANGE
from ocpi_hub.exchange.messages.outbox import DIRECTLY
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject, owned_models
from ocpi_hub.partners.models import Agreement, Endpoint, Platform
from ocpi_hub.proof.models import Gap

SLICE = 2_000  # objects that are looked up by one statement
STRIDE = 20_000  # rows of a module that one slice goes over at the most


class Status(StrEnum):
    """What became of an object's newest state at a partner."""

    ACKNOWLEDGED = "acknowledged"
    WAITING = "waiting"
    GIVEN_UP = "given_up"
    NEVER_SENT = "never_sent"


class Window(NamedTuple):
    """What is compared: the changes from one moment on to another."""

    since: datetime
    until: datetime
    now: datetime


class Compared(NamedTuple):
    """One object that the partner should have, and what became of it."""

    row_id: int
    address: Address
    audience: str
    status: Status
    at: datetime  # when the hub got the newest state
    reason: str = ""
    kind: str = ""  # of gap, if it is one

    @property
    def day(self) -> date:
        return self.at.date()


class Slice(NamedTuple):
    found: list[Compared]
    end: int  # the row up to which it went


def modules_for(platform: Platform) -> list[str]:
    """Those of which something is pushed to it."""
    return [
        name
        for name in owned_models()
        if Platform.objects.reachable_for_push(name).filter(pk=platform.pk).exists()
    ]


def last_row(model: type[OwnedObject]) -> int:
    return model.objects.aggregate(last=Max("pk"))["last"] or 0


def compare(
    platform: Platform, model: type[OwnedObject], window: Window, after: int, top: int, most: int = SLICE
) -> Slice:
    """The next objects behind this row; the slice ends at `top` when there are no more."""
    end = min(after + STRIDE, top)
    changed = _due(platform, model, window).filter(pk__gt=after, pk__lte=end).order_by("pk")
    rows = list(changed[:most])
    if len(rows) == most:
        end = rows[-1].pk
    return Slice(_judged(platform, model, window, rows), end)


def compare_rows(
    platform: Platform, model: type[OwnedObject], now: datetime, row_ids: list[int]
) -> dict[int, Compared]:
    """The same for some rows, however old their change is; those are missing that it should not have any more."""
    ever = Window(now - timedelta(days=settings.HUB_MESSAGE_DAYS), now, now)
    found: dict[int, Compared] = {}
    for begin in range(0, len(row_ids), SLICE):
        rows = list(_due(platform, model, ever).filter(pk__in=row_ids[begin : begin + SLICE]))
        found |= {one.row_id: one for one in _judged(platform, model, ever, rows)}
    return found


def _due(platform: Platform, model: type[OwnedObject], window: Window) -> "QuerySet[OwnedObject]":
    """What changed since the partner is connected, is for it, and came from somebody else."""
    since = _since(platform, model, window)
    its = model.pushed_to(platform).condition(model.variant_field).as_filter()
    changed = model.objects.filter(its, changed_at__gte=since, changed_at__lt=window.until)
    named = filter(None, [model.variant_field])
    return (
        changed.exclude(source=platform)
        .exclude(model.erased())
        .only("country_code", "party_id", "object_id", "owner_key", "audience", "changed_at", *named)
    )


def _since(platform: Platform, model: type[OwnedObject], window: Window) -> datetime:
    """Nothing is due from before it was connected, or before it took pushes of the module."""
    row = platform.endpoints.filter(module=model.module, role=Endpoint.Role.RECEIVER).first()
    began = [moment for moment in (platform.connected_at, row and row.since) if moment]
    return max([window.since, *began])


class _Known(NamedTuple):
    """What the database knows of an object at one platform."""

    row_id: int
    message: int | None  # the newest about it
    message_at: datetime | None
    expanding: bool
    brought: bool  # by the platform itself
    state: str | None  # of the delivery that carries that message there
    reason: str | None
    open_since: datetime | None  # the oldest delivery that is under way
    open_reason: str | None
    given_up: str | None  # why, when that is what counts


# Deliveries of one object are found by its messages; message_newest holds these in their order.
# Given up counts as in whynot.decisive(): until the same part, or the whole object, is delivered later.
_KNOWN = """
WITH due AS MATERIALIZED (
    SELECT * FROM unnest(%(rows)s::bigint[], %(keys)s::text[]) AS due(row_id, key)
), failed AS MATERIALIZED (
    SELECT DISTINCT ON (row_id) row_id, reason FROM exchange_delivery failed
    WHERE state = 'FAILED' AND platform_id = %(platform)s AND module = %(module)s AND parent_key = ANY(%(keys)s)
        AND NOT EXISTS (
            SELECT FROM exchange_message message JOIN exchange_delivery later ON later.message_id = message.id
            WHERE message.parent_key = failed.parent_key AND message.id >= failed.message_id
                AND later.platform_id = %(platform)s AND later.module = %(module)s
                AND later.row_id = failed.row_id AND later.id > failed.id AND later.state = 'DELIVERED'
                AND later.key IN (failed.key, failed.parent_key))
    ORDER BY row_id, id DESC
)
SELECT due.row_id, newest.id, newest.created_at, newest.id IS NOT NULL AND newest.expanded_at IS NULL,
    newest.source_id = %(platform)s,
    carried.state, carried.reason, under_way.since, under_way.reason, failed.reason
FROM due
LEFT JOIN LATERAL (
    SELECT id, created_at, expanded_at, source_id FROM exchange_message message
    WHERE message.parent_key = due.key AND message.module = %(module)s AND message.row_id = due.row_id
    ORDER BY id DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL (
    SELECT state, reason FROM exchange_delivery delivery
    WHERE delivery.message_id = newest.id AND delivery.platform_id = %(platform)s
    ORDER BY state = 'DELIVERED' DESC, id DESC LIMIT 1) carried ON true
LEFT JOIN LATERAL (
    SELECT min(created_at) AS since, max(reason) AS reason FROM exchange_delivery delivery
    WHERE delivery.platform_id = %(platform)s AND delivery.module = %(module)s
        AND delivery.parent_key = due.key AND delivery.state IN ('PENDING', 'SENDING')
        AND delivery.row_id = due.row_id) under_way ON true
LEFT JOIN failed ON failed.row_id = due.row_id
"""


def _judged(
    platform: Platform, model: type[OwnedObject], window: Window, rows: list[OwnedObject]
) -> list[Compared]:
    if not rows:
        return []
    agreed = _agreed_at(platform, model)
    parameters: dict[str, Any] = {
        "rows": [row.pk for row in rows],
        "keys": [row.own_address.key for row in rows],
        "platform": platform.pk,
        "module": model.module,
    }
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, parameters)
        known = {found[0]: _Known(*found) for found in cursor.fetchall()}
    judged = (_judge(row, known[row.pk], agreed.get(row.owner_key), window) for row in rows)
    since = _since(platform, model, window)
    return [one for one in judged if one and one.at >= since]


def _agreed_at(platform: Platform, model: type[OwnedObject]) -> dict[str, datetime]:
    """Since when the agreements between its parties and others are as they are, by the others' keys."""
    keys = [party.key for party in platform.parties.all()] if model.routed else []
    rows = Agreement.objects.filter(Q(first__in=keys) | Q(second__in=keys), module__in=["", model.module])
    found: dict[str, datetime] = {}
    for row in rows:
        other = row.second if row.first in keys else row.first
        found[other] = max(row.changed_at, found.get(other, row.changed_at))
    return found


# --------------------------------------------------------------------------------------- what it comes to
def _judge(row: OwnedObject, known: _Known, agreed_at: datetime | None, window: Window) -> Compared | None:
    """None when nothing was due: it brought the object itself, or nothing was published about it."""
    at = known.message_at or row.changed_at
    told = Compared(row.pk, row.own_address, row.audience, Status.ACKNOWLEDGED, at)
    if known.brought:
        return None
    if known.open_since or known.expanding:
        return _waiting(told, known.open_since or at, known.open_reason or "", window)
    if row.audience and (known.message_at is None or row.changed_at - known.message_at > SAME_CHANGE):
        return told._replace(at=row.changed_at, reason=DIRECTLY)
    if known.message is None:
        return None
    if known.given_up is not None:
        return told._replace(status=Status.GIVEN_UP, reason=known.given_up, kind=Gap.Kind.GIVEN_UP)
    if known.state == "DELIVERED" or known.reason == DIRECTLY:
        return told
    if known.state == "DISCARDED":
        return told._replace(status=Status.GIVEN_UP)  # An operator has decided that, and said why.
    if agreed_at and agreed_at > at:
        return None  # It may have been closed to it when the object changed.
    reason = f"taken back: {known.reason}" if known.state else "no delivery is on record"
    return told._replace(status=Status.NEVER_SENT, reason=reason, kind=Gap.Kind.NEVER_SENT)


def _waiting(told: Compared, since: datetime, reason: str, window: Window) -> Compared:
    """On its way, which is a gap when it takes too long."""
    is_late = window.now - since > timedelta(hours=settings.HUB_PROOF_LATE)
    said = f"; the last try said: {reason}" if reason else ""
    return told._replace(
        status=Status.WAITING,
        reason=f"under way since {since:%Y-%m-%d %H:%M}{said}",
        kind=Gap.Kind.LATE if is_late else "",
    )

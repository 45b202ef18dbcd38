"""Requests whose answer or result never came, found by a worker when their time is over."""

from datetime import datetime

from django.db import transaction

from ocpi_hub.errorreports.occurrences import Noted, write
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.models import Callback
from ocpi_hub.protocol.headers import MessageIDs

BATCH = 500


def report(now: datetime | None = None) -> int:
    """Report each of them once; how many there were. Several workers may do this at the same moment."""
    now = now or clock.now()
    with transaction.atomic():
        waiting = Callback.objects.select_for_update(skip_locked=True).filter(awaited_until__lte=now)
        found = list(waiting.order_by("pk")[:BATCH])
        Callback.objects.filter(pk__in=[row.pk for row in found]).update(awaited_until=None)
        write([_noted(row, now) for row in found])
    return len(found)


def _noted(row: Callback, now: datetime) -> Noted:
    ids = MessageIDs("", row.correlation_id)
    kind, text = _unanswered(row) if row.answered_at is None else _without_result(row)
    return Noted(kind, row.receiver_id, row.module, text, party=row.to_party, ids=ids, at=now)


def _unanswered(row: Callback) -> tuple[str, str]:
    return "command.no_answer", f"{row}: nothing is known of an answer"


def _without_result(row: Callback) -> tuple[str, str]:
    told = f"within the {row.timeout} s that it announced" if row.timeout is not None else "in time"
    return "command.no_result", f"{row}: it was accepted, and no result came {told}"

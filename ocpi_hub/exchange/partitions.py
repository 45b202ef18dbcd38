"""The attempts' table, a partition a day: prepared ahead, dropped whole when its time is over."""

import logging
import re
from datetime import date, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ocpi_hub.exchange.models import Callback, DeadLetterAction, Delivery, Grant, Message, Trace

logger = logging.getLogger(__name__)

DAYS_AHEAD = 14
DELETE_AT_ONCE = 5_000
_NAME = re.compile(r"exchange_attempt_(\d{4})_(\d{2})_(\d{2})")

# Rows that came before their day's partition was there stand in the default partition and move over.
_CREATE = """
CREATE TABLE {name} (LIKE exchange_attempt INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
WITH moved AS (DELETE FROM exchange_attempt_rest WHERE at >= '{begin}' AND at < '{end}' RETURNING *)
INSERT INTO {name} SELECT * FROM moved;
ALTER TABLE exchange_attempt ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}');
"""


def prepare(today: date | None = None) -> list[date]:
    """Make the partitions from yesterday to DAYS_AHEAD that are missing; the days that were made."""
    today = today or timezone.now().date()
    wanted = [today + timedelta(days=offset) for offset in range(-1, DAYS_AHEAD + 1)]
    missing = sorted(set(wanted) - set(existing()))
    for day in missing:
        _create(day)
    return missing


def _create(day: date) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE exchange_attempt IN SHARE UPDATE EXCLUSIVE MODE")
        if day not in existing():
            cursor.execute(
                _CREATE.format(
                    name=f"exchange_attempt_{day:%Y_%m_%d}",
                    begin=f"{day:%Y-%m-%d} 00:00:00+00",
                    end=f"{day + timedelta(days=1):%Y-%m-%d} 00:00:00+00",
                )
            )


def existing() -> list[date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'exchange_attempt'::regclass"
        )
        names = [_NAME.fullmatch(row[0]) for row in cursor.fetchall()]
    return [date(*map(int, name.groups())) for name in names if name]


def drop_old(today: date | None = None) -> list[date]:
    """Drop the days that are older than HUB_ATTEMPT_DAYS."""
    oldest = (today or timezone.now().date()) - timedelta(days=settings.HUB_ATTEMPT_DAYS)
    dropped = sorted(day for day in existing() if day < oldest)
    for day in dropped:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE exchange_attempt_{day:%Y_%m_%d}")
    return dropped


def delete_finished() -> int:
    """Delete what was finished HUB_MESSAGE_DAYS ago; what was given up is kept.

    An address that waits for results stays until its time is over; what an app keeps beside it goes with it.
    """
    before = timezone.now() - timedelta(days=settings.HUB_MESSAGE_DAYS)
    finished = Delivery.objects.filter(
        state__in=[Delivery.State.DELIVERED, Delivery.State.ABSORBED, Delivery.State.DISCARDED],
        finished_at__lt=before,
    )
    done = Message.objects.filter(expanded_at__lt=before, deliveries=None)
    over = Callback.objects.filter(expires_at__lt=timezone.now(), created_at__lt=before)
    asked_before = timezone.now() - timedelta(days=settings.HUB_AUTHORIZATION_DAYS)
    granted = Grant.objects.filter(given_at__lt=asked_before)
    traces = [
        model.objects.filter(at__lt=asked_before) for model in apps.get_models() if issubclass(model, Trace)
    ]
    audited = timezone.now() - timedelta(days=settings.HUB_AUDIT_DAYS)
    actions = DeadLetterAction.objects.filter(at__lt=audited)
    return sum(_delete_in_steps(rows) for rows in (finished, done, over, granted, actions, *traces))


def _delete_in_steps(rows: QuerySet[Any]) -> int:
    total = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:DELETE_AT_ONCE]):
        total += rows.model.objects.filter(pk__in=ids).delete()[0]
    return total

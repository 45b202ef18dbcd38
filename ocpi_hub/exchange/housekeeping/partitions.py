"""What is past its time: days of attempts (days.py), and finished messages with all that belongs to them."""

import logging
from datetime import date, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ocpi_hub.days import Days
from ocpi_hub.exchange.models import Callback, DeadLetterAction, Delivery, Grant, Message, Trace

logger = logging.getLogger(__name__)

DELETE_AT_ONCE = 5_000

attempts = Days("exchange_attempt")
existing, prepare = attempts.existing, attempts.prepare


def drop_old(today: date | None = None) -> list[date]:
    """Drop the days that are older than HUB_ATTEMPT_DAYS."""
    return attempts.drop_before((today or timezone.now().date()) - timedelta(days=settings.HUB_ATTEMPT_DAYS))


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

"""The journal's table: partitions by kind of data, and within each by day (days.py)."""

import logging
from datetime import date, timedelta

from django.conf import settings
from django.utils import timezone

from ocpi_hub.days import Days
from ocpi_hub.journal.kinds import Kind
from ocpi_hub.journal.models import Look

logger = logging.getLogger(__name__)

KINDS = {kind: Days(f"journal_hop_{kind}", ahead=7) for kind in Kind}


def prepare(today: date | None = None) -> dict[Kind, list[date]]:
    """Make the coming days that are missing."""
    return {kind: days.prepare(today) for kind, days in KINDS.items()}


def drop_old(today: date | None = None) -> dict[Kind, list[date]]:
    """Drop the days that are older than HUB_JOURNAL_DAYS says of their kind, and looks after HUB_AUDIT_DAYS."""
    today = today or timezone.now().date()
    Look.objects.filter(at__date__lt=today - timedelta(days=settings.HUB_AUDIT_DAYS)).delete()
    return {
        kind: days.drop_before(today - timedelta(days=settings.HUB_JOURNAL_DAYS[kind]))
        for kind, days in KINDS.items()
    }

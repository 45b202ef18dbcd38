"""How long what is kept of Client Owned Objects and of pulls: each kind by a setting of its own, in steps."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from ocpi_hub.exchange.housekeeping.partitions import DELETE_AT_ONCE
from ocpi_hub.exchange.models import Pull, RefusedObject
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.objects.removal import remove


def apply(now: datetime) -> dict[str, int]:
    """Delete what is past its time; how many rows of each kind went."""
    objects = {name: _objects(model, now) for name, model in owned_models().items()}
    return {
        **objects,
        "refused objects": _rows(
            RefusedObject.objects.filter(last_seen_at__lt=_before(settings.HUB_REFUSED_DAYS, now))
        ),
        "pulls": _rows(_superseded(_before(settings.HUB_PULL_DAYS, now))),
    }


def _objects(model: type[OwnedObject], now: datetime) -> int:
    """What neither its owner nor the hub has touched for so long."""
    if not (days := model.days_kept()):
        return 0
    before = _before(days, now)
    old = model.objects.filter(last_updated__lt=before, changed_at__lt=before).order_by()
    total = 0
    while ids := list(old.values_list("pk", flat=True)[:DELETE_AT_ONCE]):
        total += remove(model, ids)
    return total


def _superseded(before: datetime) -> QuerySet[Pull]:
    """Ended pulls of that age, but not the last whole one of a list: the next one starts from it."""
    newer = Pull.objects.filter(
        platform=OuterRef("platform"),
        module=OuterRef("module"),
        party=OuterRef("party"),
        state=Pull.State.DONE,
        started_at__gt=OuterRef("started_at"),
    )
    ended = Pull.objects.filter(state__in=[Pull.State.DONE, Pull.State.FAILED], started_at__lt=before)
    return ended.filter(Exists(newer))


def _rows(rows: QuerySet[Any]) -> int:
    total = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:DELETE_AT_ONCE]):
        total += rows.model.objects.filter(pk__in=ids).delete()[0]
    return total


def _before(days: int, now: datetime) -> datetime:
    return now - timedelta(days=days)

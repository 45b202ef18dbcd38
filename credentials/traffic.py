"""What moves between the hub and one platform, counted and linked, for the platform's page."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.admin import link, list_link, table
from ocpi_hub.exchange.admin.deliveries import state_of
from ocpi_hub.exchange.models import (
    Attempt,
    DeadLetter,
    Delivery,
    Lane,
    Pull,
    PullPlan,
    RefusedObject,
    RepairRule,
)
from ocpi_hub.partners.models import Platform

LISTS: list[tuple[str, type[Model]]] = [
    ("pull plans", PullPlan),
    ("pulls", Pull),
    ("refused objects", RefusedObject),
    ("repair rules", RepairRule),
]
MOST_COUNTED = 1_000  # counting more rows would slow the page down


def traffic(platform: Platform) -> SafeString:
    return table((name, linked) for name, linked in _lines(platform))


def _lines(platform: Platform) -> Iterator[tuple[str, Any]]:
    deliveries = platform.deliveries.order_by()
    open_reports = counted(ErrorReport.objects.open().filter(platform=platform).order_by())
    filters = {"platform__id__exact": platform.pk, "state__exact": ErrorReport.State.OPEN}
    yield "open error reports", list_link(ErrorReport, open_reports, **filters)
    yield "lane", _lane(platform)
    waiting = counted(deliveries.filter(state=Delivery.State.PENDING))
    yield "deliveries waiting", delivery_link(platform, Delivery.State.PENDING, waiting)
    letters = counted(DeadLetter.objects.filter(platform=platform, state=DeadLetter.State.OPEN).order_by())
    yield "dead letters", list_link(DeadLetter, letters, platform__id__exact=platform.pk)
    attempts = counted(Attempt.objects.filter(platform_id=platform.pk).order_by())
    yield "attempts", list_link(Attempt, attempts, platform_id=platform.pk)
    for name, model in LISTS:
        count = counted(model._default_manager.filter(platform=platform).order_by())
        yield name, list_link(model, count, platform__id__exact=platform.pk)


def _lane(platform: Platform) -> SafeString:
    lane = Lane.objects.filter(pk=platform.pk).first()
    if lane is None:
        return format_html("{}", "not opened yet")
    return link("exchange_lane", lane.pk, state_of(lane))


def delivery_link(platform: Platform, state: str, text: object) -> SafeString:
    return list_link(Delivery, text, platform__id__exact=platform.pk, state__exact=state)


def counted(rows: QuerySet[Any]) -> str:
    count = rows[: MOST_COUNTED + 1].count()
    return f"more than {MOST_COUNTED}" if count > MOST_COUNTED else str(count)

"""The operators' webhook: HUB_ALERT_URL is told within seconds of reports that are new or came back.

What it is to be told of stands in PostgreSQL (ErrorReport.alert_due_at) and is claimed by whichever worker looks
first, so that it is told at least once, also when a worker ends, or the webhook is away for hours.
"""

import logging
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from django.conf import settings
from django.db import connection
from django.utils import timezone

from ocpi_hub.connections import release_connection
from ocpi_hub.errorreports import occurrences
from ocpi_hub.errorreports.kind import Kind
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.errorreports.words import about, address, times
from ocpi_hub.protocol.network import CheckedTransport, deadline

logger = logging.getLogger(__name__)

AT_ONCE = 20  # reports in one call
CLAIMED = timedelta(minutes=2)  # then another worker may tell it
SECONDS = 15.0  # that the webhook has for its answer
# Seconds between tries, a day in all; the last ones hourly. Who is up again later reads the digest.
SCHEDULE = [10, 30, 60, 300, 900, 1800, *[3600] * 23]

# Tests put an httpx.MockTransport here, in place of the network.
transport: httpx.BaseTransport = CheckedTransport(allow_private=True, max_connections=2)


class NotTold(Exception):
    """The webhook did not take it; the text names no address, because its path is often a secret."""


def tell() -> None:
    """Tell of what is due; each worker does it every few seconds."""
    tell_due(timezone.now())


def tell_due(now: datetime) -> int:
    """Tell of up to AT_ONCE reports by one call; how many of them the webhook took."""
    if not settings.HUB_ALERT_URL:
        return 0
    until = now + CLAIMED
    reports = _claim(now, until)
    if not reports:
        return 0
    release_connection()
    try:
        post(message(reports))
    except NotTold as error:
        _try_again(reports, str(error), now, until)
        return 0
    for report in reports:  # one by one: who locks several would stand in the way of those who write
        _claimed(report, until).update(alert_due_at=None, alert_tries=0)
    return len(reports)


def _claim(now: datetime, until: datetime) -> list[ErrorReport]:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE errorreports_errorreport SET alert_due_at = %s, alert_tries = alert_tries + 1"
            " WHERE id IN (SELECT id FROM errorreports_errorreport WHERE alert_due_at <= %s"
            " ORDER BY alert_due_at, id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id",
            [until, now, AT_ONCE],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(ErrorReport.objects.filter(pk__in=ids).select_related("platform").order_by("pk"))


def _claimed(report: ErrorReport, until: datetime) -> Any:
    """The row as long as nothing else became of it: one that reopened meanwhile is told again."""
    return ErrorReport.objects.filter(pk=report.pk, alert_due_at=until)


def _try_again(reports: list[ErrorReport], problem: str, now: datetime, until: datetime) -> None:
    for report in reports:
        wait = SCHEDULE[report.alert_tries - 1 :][:1]
        _claimed(report, until).update(alert_due_at=now + timedelta(seconds=wait[0]) if wait else None)
    logger.warning(
        "the webhook of HUB_ALERT_URL could not be told of %d error reports: %s", len(reports), problem
    )
    occurrences.note("hub.alerts", None, "", f"the webhook of HUB_ALERT_URL: {problem}")


def post(body: dict[str, Any]) -> None:
    """Raises NotTold when it is not taken with HTTP 2xx."""
    try:
        status = _status(body)
    except httpx.TimeoutException:
        raise NotTold(f"{_host()}: no answer in time") from None
    except httpx.ConnectError as error:
        raise NotTold(f"{_host()}: {error}") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise NotTold(f"{_host()}: {type(error).__name__}") from None
    if not 200 <= status < 300:
        raise NotTold(f"{_host()}: it answered HTTP {status}")


def _status(body: dict[str, Any]) -> int:
    headers = {"Content-Type": "application/json", "User-Agent": "ocpi-hub", "Accept": "*/*"}
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)
    with deadline(SECONDS):
        request = httpx.Request(
            "POST",
            settings.HUB_ALERT_URL,
            headers=headers,
            content=msgspec.json.encode(body),
            extensions={"timeout": timeout},
        )
        response = transport.handle_request(request)
        response.close()
    return response.status_code


def _host() -> str:
    return urlsplit(settings.HUB_ALERT_URL).hostname or "no host"


def message(reports: list[ErrorReport]) -> dict[str, Any]:
    """What is sent: a text for people, which chats show, and the reports for programs."""
    return {
        "text": text(reports),
        "hub": settings.HUB_NAME,
        "reports": [_fields(report) for report in reports],
    }


def text(reports: list[ErrorReport]) -> str:
    """Words of the hub and of its operator alone: what partners wrote could mean something to a chat."""
    if len(reports) == 1:
        (report,) = reports
        return f"{settings.HUB_NAME}: {_sentence(report)}\n{_advice(report.what)}"
    head = f"{settings.HUB_NAME}: {len(reports)} error reports"
    kinds = {report.kind: report.what for report in reports}  # what several have in common is told once
    return "\n".join(
        [
            head,
            *(f"- {_sentence(report)}" for report in reports),
            *(f"\n{kind.title}\n{_advice(kind)}" for kind in kinds.values()),
        ]
    )


def _sentence(report: ErrorReport) -> str:
    again = "Again: " if report.reopened else ""
    return f"{again}{report}. {about(report)}, {times(report)}. {address(report)}"


def _advice(kind: Kind) -> str:
    return f"What it means: {kind.meaning}\nWho must act: {kind.who}.\nWhat to do: {kind.action}"


def _fields(report: ErrorReport) -> dict[str, Any]:
    platform = report.platform
    return {
        "id": report.pk,
        "url": address(report),
        "event": "reopened" if report.reopened else "new",
        "kind": report.kind,
        "title": str(report),
        "meaning": report.what.meaning,
        "who": report.what.who,
        "action": report.what.action,
        "platform": platform and {"id": platform.pk, "name": platform.name},
        "module": report.module or None,
        "state": report.state,
        "count": report.count,
        "first_seen_at": f"{report.first_seen_at:%Y-%m-%dT%H:%M:%SZ}",
        "last_seen_at": f"{report.last_seen_at:%Y-%m-%dT%H:%M:%SZ}",
        "newest": report.text,
        "correlation_id": report.correlation_id or None,
    }

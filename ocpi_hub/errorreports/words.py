"""Words about a report that pages, mails and the webhook share."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from ocpi_hub.errorreports.models import ErrorReport, Failure


def partner(report: ErrorReport) -> str:
    """Whom it is about."""
    if report.platform_id is None:
        return "the hub itself" if report.what.is_of_the_hub else "somebody unknown"
    return str(report.platform) if report.platform else f"#{report.platform_id}, which is gone"


def about(report: ErrorReport) -> str:
    """Partner and module."""
    return f"{partner(report)}, {report.module}" if report.module else partner(report)


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def times(report: ErrorReport) -> str:
    """How often, and from when to when."""
    if report.count == 1:
        return f"once, at {moment(report.last_seen_at)} UTC"
    first, last = moment(report.first_seen_at), moment(report.last_seen_at)
    return f"{report.count} times, first at {first}, last at {last} UTC"


def answer(failure: Failure) -> str:
    """What it was answered with, in numbers; empty without an answer."""
    http, ocpi = failure.http_status, failure.status_code
    parts = (http and f"HTTP {http}", ocpi and f"OCPI {ocpi}")
    return ", ".join(part for part in parts if part)


def address(report: ErrorReport) -> str:
    """Of its page in the admin, from outside."""
    return settings.HUB_BASE_URL + reverse("admin:errorreports_errorreport_change", args=[report.pk])

"""What becomes of a report: somebody acknowledges or resolves it, or the hub does when it has long been quiet.

One report is locked at a time, so that nobody who changes several can stand in the way of those who write.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from ocpi_hub.errorreports.models import Digest, ErrorReport, Occurrence, StateChange

State = ErrorReport.State

DELETE_AT_ONCE = 5_000


def change(report_id: int, state: str | None, *, by: str, note: str, now: datetime) -> bool:
    """Put a report into this state, or add a note to the one it is in; whether there was anything to write down."""
    with transaction.atomic():
        reports = ErrorReport.objects.filter(pk=report_id)
        before = reports.select_for_update().values_list("state", flat=True).first()
        after = state or before
        if after is None or before is None or (after == before and not note):
            return False
        if after != before:
            # Whoever does that knows of it: the webhook need not tell any more.
            reports.update(state=after, state_at=now, alert_due_at=None)
        StateChange.objects.create(report_id=report_id, at=now, state=after, by=by, note=note)
    return True


def resolve_quiet(now: datetime) -> int:
    """Resolve what has not happened for HUB_REPORT_QUIET_DAYS: it is over, whoever mended it."""
    quiet_since = now - timedelta(days=settings.HUB_REPORT_QUIET_DAYS)
    quiet = ErrorReport.objects.exclude(state=State.RESOLVED).filter(last_seen_at__lt=quiet_since)
    return sum(
        _resolve_if_quiet(report_id, quiet_since, now) for report_id in quiet.values_list("pk", flat=True)
    )


def _resolve_if_quiet(report_id: int, quiet_since: datetime, now: datetime) -> bool:
    note = f"it has not happened for {settings.HUB_REPORT_QUIET_DAYS} days"
    with transaction.atomic():
        quiet = ErrorReport.objects.filter(pk=report_id, last_seen_at__lt=quiet_since)
        resolved = quiet.exclude(state=State.RESOLVED).update(
            state=State.RESOLVED, state_at=now, alert_due_at=None
        )
        if resolved:
            StateChange.objects.create(report_id=report_id, at=now, state=State.RESOLVED, note=note)
    return bool(resolved)


def forget(now: datetime) -> int:
    """Delete occurrences and digests of HUB_REPORT_DAYS ago, and what has been resolved for so long.

    How many reports went. The newest digest of a reader stays: the next one tells what changed since.
    """
    before = now - timedelta(days=settings.HUB_REPORT_DAYS)
    old = Occurrence.objects.filter(at__lt=before).order_by()
    while ids := list(old.values_list("pk", flat=True)[:DELETE_AT_ONCE]):
        Occurrence.objects.filter(pk__in=ids).delete()
    newer = Digest.objects.filter(about=OuterRef("about"), day__gt=OuterRef("day"), due_at=None)
    Digest.objects.filter(Exists(newer), day__lt=before.date()).delete()
    over = ErrorReport.objects.filter(state=State.RESOLVED, state_at__lt=before)
    return sum(bool(over.filter(pk=pk).delete()[0]) for pk in over.values_list("pk", flat=True))


def upkeep(now: datetime) -> None:
    resolve_quiet(now)
    forget(now)

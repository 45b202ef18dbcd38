"""Writes failures under their reports: one statement for all reports of a batch, and a sample of the failures.

A partner that fails a hundred times a second costs a number that goes up. Of each report at most KEPT_A_MINUTE
occurrences of a minute are kept, and of these the newest KEPT.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count

from ocpi_hub.errorreports.models import ErrorReport, Failure, Occurrence, StateChange

KEPT = 200
KEPT_A_MINUTE = 20

_SAMPLE = [field.name for field in Failure._meta.local_fields]  # a report's newest failure
_NEWER = "excluded.last_seen_at >= r.last_seen_at"  # what waited for the database may be told late
_REOPENS = "r.state = 'RESOLVED' AND excluded.last_seen_at > r.state_at"


class Row(NamedTuple):
    """A failure as it is written, masked and cut."""

    kind: str
    platform_id: int | None
    module: str
    at: datetime
    text: str
    party: str
    subject: str
    method: str
    url: str
    request: str
    http_status: int | None
    status_code: int | None
    answer: str
    correlation_id: str
    request_id: str

    @property
    def group(self) -> tuple[int, str, str]:
        return self.platform_id or 0, self.module, self.kind

    @property
    def sample(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SAMPLE}


def write(rows: Iterable[Row], now: datetime) -> None:
    """Count them in their reports, which open or reopen by it, and keep some of them."""
    in_order = sorted(rows, key=lambda row: (row.group, row.at))
    groups = {group: list(found) for group, found in groupby(in_order, key=lambda row: row.group)}
    if not groups:
        return
    with transaction.atomic():
        reports, reopened = _upsert(groups, now)
        StateChange.objects.bulk_create(
            StateChange(report_id=reports[group], at=groups[group][-1].at, state=ErrorReport.State.OPEN)
            for group in reopened
        )
        _keep({reports[group]: found for group, found in groups.items()})


Group = tuple[int, str, str]


def _upsert(groups: dict[Group, list[Row]], now: datetime) -> tuple[dict[Group, int], list[Group]]:
    """One row for each group, locked in the order of the groups: their ids, and which of them reopened."""
    values = [_values(found, now) for found in groups.values()]
    names = ", ".join(values[0])
    row = f"({', '.join(['%s'] * len(values[0]))})"
    newest = ", ".join(
        f"{name} = CASE WHEN {_NEWER} THEN excluded.{name} ELSE r.{name} END" for name in _SAMPLE
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO errorreports_errorreport AS r ({names}) VALUES {', '.join([row] * len(values))}"  # noqa: S608
            f" ON CONFLICT (about, module, kind) DO UPDATE SET {newest}, count = r.count + excluded.count,"
            " first_seen_at = least(r.first_seen_at, excluded.first_seen_at),"
            " last_seen_at = greatest(r.last_seen_at, excluded.last_seen_at),"
            f" state = CASE WHEN {_REOPENS} THEN 'OPEN' ELSE r.state END,"
            f" state_at = CASE WHEN {_REOPENS} THEN excluded.state_at ELSE r.state_at END,"
            f" reopened_at = CASE WHEN {_REOPENS} THEN %s ELSE r.reopened_at END,"
            f" reopened = CASE WHEN {_REOPENS} THEN r.reopened + 1 ELSE r.reopened END,"
            f" alert_due_at = CASE WHEN {_REOPENS} THEN excluded.alert_due_at ELSE r.alert_due_at END,"
            f" alert_tries = CASE WHEN {_REOPENS} THEN 0 ELSE r.alert_tries END"
            " RETURNING about, module, kind, id, reopened_at",
            [*(value for row in values for value in row.values()), now],
        )
        written = cursor.fetchall()
    return {row[:3]: row[3] for row in written}, [row[:3] for row in written if row[4] == now]


def _values(found: list[Row], now: datetime) -> dict[str, Any]:
    """A new report of these failures, of which the last is the newest."""
    first, newest = found[0], found[-1]
    return {
        "platform_id": newest.platform_id or None,
        "module": newest.module,
        "kind": newest.kind,
        "state": ErrorReport.State.OPEN,
        "state_at": newest.at,
        "count": len(found),
        "first_seen_at": first.at,
        "last_seen_at": newest.at,
        "reopened": 0,
        "alert_due_at": now if settings.HUB_ALERT_URL else None,
        "alert_tries": 0,
        **newest.sample,
    }


def _keep(found: dict[int, list[Row]]) -> None:
    """Some of the failures, the newest first; older ones make room."""
    a_minute_ago = max(rows[-1].at for rows in found.values()) - timedelta(minutes=1)
    there = Occurrence.objects.filter(report__in=found, at__gt=a_minute_ago).order_by()
    kept = dict(there.values_list("report").annotate(Count("pk")))
    room = {report: max(0, KEPT_A_MINUTE - kept.get(report, 0)) for report in found}
    Occurrence.objects.bulk_create(
        Occurrence(report_id=report, at=row.at, **row.sample)
        for report, rows in found.items()
        for row in (rows[-room[report] :] if room[report] else [])
    )
    _make_room([report for report in found if room[report]])


def _make_room(reports: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM errorreports_occurrence WHERE id IN (SELECT id FROM ("
            " SELECT id, row_number() OVER (PARTITION BY report_id ORDER BY at DESC, id DESC) AS place"
            " FROM errorreports_occurrence WHERE report_id = ANY(%s)) AS ranked WHERE place > %s)",
            [reports, KEPT],
        )

"""Whether a list that could not be read has been read to its end since, for the error reports."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from ocpi_hub.errorreports.aftermath import Aftermath
from ocpi_hub.errorreports.models import ErrorReport

AREA = "pull."
# What is wrong with a list that was read to its end is not mended by reading it again.
NOT_FOLLOWED = {"pull.not_believed"}


def told(reports: Sequence[ErrorReport]) -> dict[int, Aftermath]:
    """Of the reports that are about pulls; of the party whose list failed last."""
    followed = [
        report
        for report in reports
        if report.platform_id and report.kind.startswith(AREA) and report.kind not in NOT_FOLLOWED
    ]
    found = _read_since(followed) if followed else {}
    return {report.pk: words(report.party, *found.get(report.pk, (None, False))) for report in followed}


def _read_since(reports: Sequence[ErrorReport]) -> dict[int, tuple[datetime, bool]]:
    """When, and whether in full; of the last pull that ended well after the newest failure."""
    columns = [
        [report.pk for report in reports],
        [report.platform_id for report in reports],
        [report.module for report in reports],
        [report.party for report in reports],
        [report.last_seen_at for report in reports],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_READ, columns)
        return {report: (at, full) for report, at, full in cursor.fetchall()}


_READ = """
SELECT DISTINCT ON (report.id) report.id, pull.finished_at, pull."full"
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[])
    AS report (id, platform_id, module, party, at)
JOIN exchange_pull pull ON pull.platform_id = report.platform_id AND pull.module = report.module
    AND pull.party = report.party AND pull.state = 'DONE' AND pull.finished_at > report.at
ORDER BY report.id, pull.finished_at DESC
"""


def words(party: str, at: datetime | None, full: bool) -> Aftermath:
    whose = f"The list of {party}" if party else "The list"
    if at is None:
        text = f"{whose} has not been read to its end since. It is tried again by its pull plan."
        return Aftermath(text, "not read yet", {"read": 0})
    how = "in full" if full else "what changed in it"
    return Aftermath(
        f"{whose} was read to its end since, {how}, at {at:%Y-%m-%d %H:%M:%S} UTC.", "read", {"read": 1}
    )

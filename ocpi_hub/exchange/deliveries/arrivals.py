"""What became of deliveries that failed, for the error reports: which wait, are given up, have arrived since.

Each delivery keeps the kinds of failure that were reported of it (Delivery.failed_as).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from ocpi_hub.errorreports.aftermath import Aftermath
from ocpi_hub.errorreports.models import ErrorReport

AREA = "delivery."
MARGIN = timedelta(minutes=5)  # a delivery ends a moment before its report is written, and clocks differ


class Counts(NamedTuple):
    """Of the deliveries of a report; the names are those of _COUNT."""

    waiting: int = 0
    given_up: int = 0
    arrived: int = 0
    covered: int = 0  # by a later delivery of the same part, or there is nothing to send of it any more
    discarded: int = 0

    @property
    def total(self) -> int:
        return sum(self)


# ------------------------------------------------------------------------------------------- as they fail
def note(failed: Sequence[tuple[int, str]]) -> None:
    """Delivery and kind of failure, in the transaction that reports them."""
    if not failed:
        return
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [[pk for pk, _ in failed], [kind for _, kind in failed]])


_NOTE = """
UPDATE exchange_delivery SET failed_as = ARRAY(
    SELECT DISTINCT kind FROM unnest(coalesce(failed_as, '{}') || noted.kinds) AS kind ORDER BY kind)
FROM (SELECT id, array_agg(kind::varchar) AS kinds FROM unnest(%s::bigint[], %s::text[]) AS one (id, kind) GROUP BY id)
    AS noted
WHERE exchange_delivery.id = noted.id
"""


# ------------------------------------------------------------------------------------ as somebody asks
def told(reports: Sequence[ErrorReport]) -> dict[int, Aftermath]:
    """Of the reports that are about deliveries."""
    found = counted([report for report in reports if report.platform_id])
    about_deliveries = {
        report.pk for report in reports if report.platform_id and report.kind.startswith(AREA)
    }
    # Other kinds may be about something else as well, such as our own token, which pulls need too.
    return {pk: words(found.get(pk, Counts())) for pk in about_deliveries | found.keys()}


def counted(reports: Sequence[ErrorReport]) -> dict[int, Counts]:
    """Those that ended before a report opened, or came back, are not of it."""
    if not reports:
        return {}
    columns = {
        "ids": [report.pk for report in reports],
        "platforms": [report.platform_id for report in reports],
        "modules": [report.module for report in reports],
        "kinds": [report.kind for report in reports],
        "since": [(report.reopened_at or report.first_seen_at) - MARGIN for report in reports],
    }
    found: dict[int, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, columns)
        for report, became, count in cursor.fetchall():
            found.setdefault(report, {})[became] = count
    return {report: Counts(**counts) for report, counts in found.items()}


# What is covered by another delivery stands as that one does.
_COUNT = """
SELECT report.id, CASE
    WHEN delivery.state IN ('PENDING', 'SENDING') THEN 'waiting'
    WHEN delivery.state = 'FAILED' THEN 'given_up'
    WHEN delivery.state = 'DELIVERED' THEN 'arrived'
    WHEN delivery.state = 'DISCARDED' THEN 'discarded'
    WHEN EXISTS (SELECT FROM exchange_delivery other
        WHERE other.platform_id = delivery.platform_id AND other.module = delivery.module
            AND other.parent_key = delivery.parent_key AND other.state IN ('PENDING', 'SENDING')
            AND (other.key = delivery.key OR starts_with(delivery.key, other.key || '/'))) THEN 'waiting'
    WHEN EXISTS (SELECT FROM exchange_deadletter letter
        WHERE letter.platform_id = delivery.platform_id AND letter.module = delivery.module
            AND letter.parent_key = delivery.parent_key AND letter.state IN ('OPEN', 'RETRYING')
            AND (letter.key = delivery.key OR starts_with(delivery.key, letter.key || '/'))) THEN 'given_up'
    ELSE 'covered' END AS became, count(*)
FROM unnest(%(ids)s::bigint[], %(platforms)s::bigint[], %(modules)s::text[], %(kinds)s::text[],
    %(since)s::timestamptz[]) AS report (id, platform_id, module, kind, since)
JOIN exchange_delivery delivery ON delivery.platform_id = report.platform_id AND delivery.module = report.module
    AND delivery.failed_as IS NOT NULL AND report.kind = ANY(delivery.failed_as)
    AND (delivery.finished_at IS NULL OR delivery.finished_at >= report.since)
GROUP BY 1, 2
"""


# --------------------------------------------------------------------------------------------- in words
def words(counts: Counts) -> Aftermath:
    numbers = counts._asdict()
    if not counts.total:
        text = (
            "None of the deliveries that failed so is on record any more:"
            f" they are kept for {settings.HUB_MESSAGE_DAYS} days after they ended."
        )
        return Aftermath(text, "", numbers)
    parts = [f"{count} {_SAID[name]}" for name, count in numbers.items() if count]
    failed = "1 delivery" if counts.total == 1 else f"{counts.total} deliveries"
    return Aftermath(
        f"Of {failed} that failed so, {_listed(parts)}. {_left(counts)}", _short(counts), numbers
    )


_SAID = {
    "waiting": "still waiting",
    "given_up": "given up",
    "arrived": "arrived since",
    "covered": "covered by later deliveries or no longer needed",
    "discarded": "discarded by an operator",
}


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _left(counts: Counts) -> str:
    """What is left to do for what failed."""
    if counts.given_up:
        return "What is given up is not sent again by itself: retry or discard it in Dead letters."
    if counts.waiting:
        return "What waits is tried again by itself."
    return "Nothing is left to be sent."


def _short(counts: Counts) -> str:
    parts = [f"{counts.waiting} waiting"] if counts.waiting else []
    parts += [f"{counts.given_up} given up"] if counts.given_up else []
    if parts:
        return ", ".join(parts)
    return "all arrived" if counts.arrived == counts.total else "nothing left to send"

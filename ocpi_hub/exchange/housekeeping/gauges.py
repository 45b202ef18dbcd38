"""How the exchange stands, for Prometheus (metrics.py): queues, lanes, partners, pulls, reports.

A few queries, each by an index whose rows are those that are told: of what is finished nothing is counted here.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count
from django.utils import timezone
from prometheus_client import Metric

from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.deliveries.lanebreaker import FAILURES_TO_OPEN
from ocpi_hub.exchange.models import DeadLetter, Delivery, Lane
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.metrics import gauge
from ocpi_hub.partners.models import Platform, Status

Labels = dict[str, str]


def read() -> Iterator[Metric]:
    now = timezone.now()
    partners = {pk: {"platform": str(pk), "partner": name} for pk, name in _names()}
    yield from _messages(now)
    yield from _queues(partners, now)
    yield from _lanes(partners, now)
    yield from _platforms(partners)
    yield from _pulls(partners)
    yield from _reports()


def _names() -> Any:
    return Platform.objects.order_by("pk").values_list("pk", "name")


# Of several with the same age any will do; ids grow as rows come.
_MESSAGES = """
SELECT count(*), (SELECT created_at FROM exchange_message WHERE expanded_at IS NULL ORDER BY id LIMIT 1)
FROM exchange_message WHERE expanded_at IS NULL
"""


def _messages(now: datetime) -> Iterator[Metric]:
    ((waiting, oldest),) = _rows(_MESSAGES)
    yield gauge(
        "hub_messages_waiting", "Accepted changes that no worker has made deliveries of yet.", [({}, waiting)]
    )
    yield gauge("hub_messages_waiting_age_seconds", "Age of the oldest of them.", [({}, _age(oldest, now))])


_QUEUES = """
SELECT waiting.platform_id, waiting.count, oldest.created_at
FROM (SELECT platform_id, count(*), min(id) FROM exchange_delivery WHERE state = 'PENDING' GROUP BY 1) waiting
JOIN exchange_delivery oldest ON oldest.id = waiting.min
"""


def _queues(partners: dict[int, Labels], now: datetime) -> Iterator[Metric]:
    """A partner without a row has an empty queue, and is told with 0."""
    waiting = {platform: (count, oldest) for platform, count, oldest in _rows(_QUEUES)}
    queues = [(labels, *waiting.get(pk, (0, None))) for pk, labels in partners.items()]
    yield gauge(
        "hub_queue_length",
        "Deliveries that wait for their turn, or for their next try.",
        [(labels, count) for labels, count, _ in queues],
    )
    yield gauge(
        "hub_queue_age_seconds",
        "Age of the oldest of them; 0 when none waits.",
        [(labels, _age(oldest, now)) for labels, _, oldest in queues],
    )
    sending = Delivery.objects.filter(state=Delivery.State.SENDING)
    given_up = DeadLetter.objects.filter(state=DeadLetter.State.OPEN)
    for name, rows, text in (
        ("hub_deliveries_sending", sending, "Deliveries that are being sent at this moment."),
        ("hub_dead_letters", given_up, "Parts of objects that were given up and wait for somebody."),
    ):
        counts = dict(rows.order_by().values_list("platform").annotate(Count("pk")))
        yield gauge(name, text, [(labels, counts.get(pk, 0)) for pk, labels in partners.items()])


def _reports() -> Iterator[Metric]:
    counts = Counter(ErrorReport.objects.order_by().values_list("kind", "state"))
    yield gauge(
        "hub_error_reports",
        "Error reports by kind and state; one for each partner and module that it happens with.",
        [({"kind": kind, "state": state.lower()}, count) for (kind, state), count in sorted(counts.items())],
    )


def _lanes(partners: dict[int, Labels], now: datetime) -> Iterator[Metric]:
    rows = [(partners[lane.pk], lane) for lane in Lane.objects.order_by("platform_id") if lane.pk in partners]
    yield gauge(
        "hub_lane_failures",
        "Temporary failures of a partner's deliveries in a row.",
        [(labels, lane.failures) for labels, lane in rows],
    )
    yield gauge(
        "hub_lane_breaker_open",
        "Whether its deliveries rest, one at a time probing it.",
        [(labels, lane.failures >= FAILURES_TO_OPEN) for labels, lane in rows],
    )
    yield gauge(
        "hub_lane_held",
        "Whether a worker works its deliveries at this moment.",
        [(labels, lane.held_until is not None and lane.held_until > now) for labels, lane in rows],
    )


def _platforms(partners: dict[int, Labels]) -> Iterator[Metric]:
    status = dict(Platform.objects.values_list("pk", "status"))
    yield gauge(
        "hub_platforms",
        "Partners by connection status.",
        [
            ({"status": wanted.lower()}, sum(wanted == found for found in status.values()))
            for wanted in Status.values
        ],
    )
    yield gauge(
        "hub_platform_offline",
        "Whether a partner does not answer for now.",
        [(labels, status.get(pk) == Status.OFFLINE) for pk, labels in partners.items()],
    )


# Of each list the newest whole pull, by the index of their history; of several parties' lists the one that is longest
# ago. What was never read counts from the registration on.
_PULLS = """
SELECT platform_id, module, coalesce(min(last), min(connected_at)) FROM (
    SELECT endpoint.platform_id, endpoint.module, platform.connected_at, (
        SELECT pull.finished_at FROM exchange_pull pull
        WHERE pull.platform_id = endpoint.platform_id AND pull.module = endpoint.module AND pull.party = party.key
            AND pull.state = 'DONE'
        ORDER BY pull.started_at DESC LIMIT 1) AS last
    FROM unnest(%s::text[], %s::text[]) AS owned(module, role)
    JOIN partners_endpoint endpoint ON endpoint.module = owned.module AND endpoint.role = 'SENDER'
    JOIN partners_platform platform ON platform.id = endpoint.platform_id
    JOIN partners_party party ON party.platform_id = platform.id AND NOT party.behind_hub
        AND party.roles::text[] @> ARRAY[owned.role]
    WHERE platform.status IN ('CONNECTED', 'OFFLINE')
) lists GROUP BY 1, 2 HAVING coalesce(min(last), min(connected_at)) IS NOT NULL ORDER BY 1, 2
"""


def _pulls(partners: dict[int, Labels]) -> Iterator[Metric]:
    owned = {name: model.owner_role for name, model in owned_models().items() if model.pulled}
    yield gauge(
        "hub_pull_last_success_timestamp_seconds",
        "When a partner's list was last read to its end, or when it connected if it never was.",
        [
            ({**partners[platform], "module": module}, last.timestamp())
            for platform, module, last in _rows(_PULLS, [*owned], [*owned.values()])
            if platform in partners
        ],
    )


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


def _rows(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall()

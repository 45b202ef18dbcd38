"""A lane per partner: who works on it, and what is due in it.

One drain at a time holds a lane, by a lease that it renews. It claims a few due deliveries by a committed
UPDATE, sends them one after the other and writes down what came of them in batches (outcomes.py). Whoever dies in
between leaves claims that expire; what was claimed is then in doubt and is sent again as the part's present state.
After temporary failures in a row the breaker opens (lanebreaker.py). When a delivery arrives, or an offline partner
answers, everything that waited is due at once.
"""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from ocpi_hub import metrics
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls.pacing import free_for_deliveries
from ocpi_hub.exchange.calls.transports import InsideTransaction
from ocpi_hub.exchange.calls.verdicts import HUB_FAULT, Result, Verdict
from ocpi_hub.exchange.deliveries import holders, lanebreaker
from ocpi_hub.exchange.deliveries.delivery import attempt
from ocpi_hub.exchange.deliveries.lanebreaker import FAILURES_TO_OPEN
from ocpi_hub.exchange.deliveries.outcomes import Done, flush, lease_of
from ocpi_hub.exchange.deliveries.parcels import Parcel, pack
from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.journal import recording
from ocpi_hub.logs import current_ids
from ocpi_hub.partners.models import LONGEST_ANSWER, Platform, Status
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)

BATCH = (
    20  # deliveries claimed at a time, and results written at a time; whoever dies meanwhile repeats so many
)
FLUSH_AFTER = 2.0  # seconds that a result may wait for others, to be written with them


# By the database's clock; a lease from far ahead was taken before that clock was set back.
_HELD = Q(
    held_until__gt=Now(),
    held_until__lt=Now() + timedelta(seconds=4 * max(LONGEST_ANSWER, settings.HUB_TOTAL_TIMEOUT)),
)


# One look for each partner at the first of delivery_due, however many wait in its lane.
_HAVE_SOMETHING_DUE = """
SELECT platform.id FROM unnest(%s::bigint[]) AS platform(id) CROSS JOIN LATERAL (
    SELECT FROM exchange_delivery
    WHERE platform_id = platform.id AND state = 'PENDING' AND next_attempt_at <= %s
    ORDER BY next_attempt_at LIMIT 1) due
"""


def due_platforms(now: datetime, platform_id: int | None = None) -> list[int]:
    """The partners, or this one, whose lanes have something to do that nobody is doing."""
    partners = Platform.objects.filter(status__in=[Status.CONNECTED, Status.OFFLINE]).exclude(token_cipher="")
    if platform_id is not None:
        partners = partners.filter(pk=platform_id)
    resting = Lane.objects.filter(_HELD | Q(probe_at__gt=now) | Q(rest_until__gt=now))
    found = partners.exclude(pk__in=resting.values("platform_id"))
    with connection.cursor() as cursor:
        cursor.execute(_HAVE_SOMETHING_DUE, [list(found.values_list("pk", flat=True)), now])
        return [row[0] for row in cursor.fetchall()]


def drain(platform_id: int) -> int:
    """Work a partner's lane until nothing is due, the slice is over or the breaker opens; how many were tried."""
    lane = _acquire(platform_id)
    if lane is None:
        return 0
    try:
        return _work(lane)
    finally:
        try:
            Lane.objects.filter(pk=platform_id, holder=lane.holder).update(holder="", held_until=None)
        finally:
            # Without PostgreSQL the lane still names us; then the next sweep finds that we are gone.
            holders.ended(lane.holder)


def _acquire(platform_id: int) -> Lane | None:
    lane, _ = Lane.objects.select_related("platform").get_or_create(platform_id=platform_id)
    holder, mine = holders.new_holder(), None
    free = Lane.objects.filter(pk=platform_id).exclude(_HELD)
    try:
        if free.update(holder=holder, held_until=Now() + lease_of(lane.platform)):
            mine = Lane.objects.select_related("platform").filter(pk=platform_id, holder=holder).first()
        return mine
    finally:
        if mine is None:
            holders.ended(holder)


def _work(lane: Lane) -> int:
    end = time.monotonic() + settings.HUB_DRAIN_SLICE
    tried = 0
    while time.monotonic() < end:
        claimed = claim(lane, clock.now())
        if not claimed:
            break
        done = _send(lane, claimed, end)
        tried += done
        # Another drain may have taken the lane over, and the operator may have suspended the partner.
        fresh = Lane.objects.select_related("platform").filter(pk=lane.pk, holder=lane.holder).first()
        if fresh is None or done < len(claimed):
            break
        lane = fresh
    return tried


def claim(lane: Lane, now: datetime) -> list[Delivery]:
    """Take the next due deliveries, or one to probe an open breaker with."""
    if not lane.platform.registered or lane.platform.status == Status.SUSPENDED:
        return []
    if (lane.probe_at and lane.probe_at > now) or (lane.rest_until and lane.rest_until > now):
        return []
    limit, order = (1, "tries, id") if lane.failures >= FAILURES_TO_OPEN else (BATCH, "priority, id")
    if (free := free_for_deliveries(lane, now)) is not None:
        limit = min(limit, free)
    parameters = {"platform": lane.pk, "holder": lane.holder, "now": now, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(order=order), parameters)
        ids = [row[0] for row in cursor.fetchall()]
    return list(Delivery.objects.filter(pk__in=ids).select_related("message").order_by("priority", "id"))


# Materialized: a plan may run a subquery once for each row, and its LIMIT would then hold for each run only.
# After quiet hours the statistics know of nothing that is pending, and a plan that believes them reads, sorts or
# compares all that waits for each claim. So it has no choice: delivery_queue has the order that is asked for (when
# something is due is in an expression, which no index has), delivery_open_parts has each object (OFFSET 0 keeps the
# two apart), and what is taken is updated by its id.
_CLAIM = """
WITH next AS MATERIALIZED (
    SELECT id FROM exchange_delivery waiting
    WHERE platform_id = %(platform)s AND state = 'PENDING' AND next_attempt_at + interval '0' <= %(now)s
        AND NOT EXISTS (
            SELECT FROM exchange_delivery other
            WHERE other.platform_id = waiting.platform_id AND other.module = waiting.module
                AND other.parent_key = waiting.parent_key AND other.state IN ('PENDING', 'SENDING')
                AND other.state = 'SENDING' OFFSET 0)
        AND (SELECT holder = %(holder)s AND held_until > statement_timestamp()
            FROM exchange_lane WHERE platform_id = %(platform)s)
    ORDER BY {order} LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE exchange_delivery SET state = 'SENDING', claimed_at = statement_timestamp()
FROM next WHERE exchange_delivery.id = next.id
RETURNING exchange_delivery.id
"""


def _send(lane: Lane, claimed: list[Delivery], end: float) -> int:
    """Try the claimed deliveries in turn; how many were tried. The rest goes back as it was.

    Before each one the lease is renewed that has not been for a while: a process that stood still may have lost it.
    """
    waiting: list[Done] = []
    renewed_at = time.monotonic()
    tried = 0
    for parcel in pack(lane.platform, claimed):
        if time.monotonic() - renewed_at > FLUSH_AFTER:
            if not flush(lane, waiting, claimed[tried:]):
                return tried
            waiting, renewed_at = [], time.monotonic()
        if time.monotonic() > end or lanebreaker.rests(lane, clock.now()):
            break
        waiting.append(_try(lane.platform, parcel))
        tried += 1
        lanebreaker.count(lane, waiting[-1].result, clock.now())
    flush(lane, waiting, [], claimed[tried:])
    return tried


def _try(platform: Platform, parcel: Parcel) -> Done:
    delivery = parcel.delivery
    mark = current_ids.set(MessageIDs(delivery.message.request_id, delivery.message.correlation_id))
    try:
        now = clock.now()
        with recording.of_delivery(delivery.pk):
            result = _attempt(platform, parcel, now)
        _measure(platform, delivery.module, result)
        if result.verdict is not Verdict.DELIVERED:
            logger.info("delivery %s to %s: %s", delivery.pk, delivery.to_party, result.outcome)
        return Done(delivery, result, now)
    finally:
        current_ids.reset(mark)


_COUNTED = {verdict: verdict.value for verdict in Verdict} | {Verdict.PERMANENT: "refused"}


def _measure(platform: Platform, module: str, result: Result) -> None:
    partner = (str(platform.pk), platform.name)
    metrics.attempts.labels(*partner, module, _COUNTED[result.verdict]).inc()
    if result.seconds:
        metrics.attempt_duration.labels(*partner).observe(result.seconds)


def _attempt(platform: Platform, parcel: Parcel, now: datetime) -> Result:
    """A fault of ours must not stop the lane: it is a failed try like any other, and is in the log."""
    try:
        return attempt(platform, parcel, now)
    except InsideTransaction:
        raise
    except Exception as error:
        logger.exception("delivery %s stopped on a fault of the hub", parcel.delivery.pk)
        return Result(
            Verdict.TEMPORARY, f"a fault of the hub: {type(error).__name__}", cause=HUB_FAULT, refused=True
        )

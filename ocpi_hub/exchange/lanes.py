"""A lane per partner: who works on it, what is due in it, and its breaker.

One drain at a time holds a lane, by a lease that it renews. It claims a few due deliveries by a committed
UPDATE, sends them one after the other and writes down what came of them in batches. Whoever dies in between
leaves claims that expire; what was claimed is then in doubt and is sent again as the part's present state.
After FAILURES_TO_OPEN temporary failures in a row the breaker opens: the lane rests, one delivery at a time probes
whether it goes on, and liveness.py asks at once whether the partner is there at all. When a delivery arrives, or an
offline partner answers, everything that waited is due at once.
"""

import logging
import time
import uuid
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from ocpi_hub.exchange import presence
from ocpi_hub.exchange.delivery import (
    Parcel,
    Result,
    Verdict,
    attempt,
    is_kept,
    jitter,
    next_attempt,
    pack,
)
from ocpi_hub.exchange.models import Attempt, Delivery, Lane
from ocpi_hub.exchange.transports import InsideTransaction
from ocpi_hub.logs import current_ids
from ocpi_hub.partners.models import Platform, Status
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)

# Both are renewed after every call, so whoever has not renewed them for twice the time of a call is gone.
LEASE = timedelta(seconds=2 * settings.HUB_TOTAL_TIMEOUT)
CLAIM_EXPIRES = LEASE
BATCH = (
    20  # deliveries claimed at a time, and results written at a time; whoever dies meanwhile repeats so many
)
FLUSH_AFTER = 2.0  # seconds that a result may wait for others, to be written with them
FAILURES_TO_OPEN = 5


class Done(NamedTuple):
    """A delivery that was tried, and what came of it."""

    delivery: Delivery
    result: Result
    at: datetime


def due_platforms(now: datetime, platform_id: int | None = None) -> list[int]:
    """The partners, or this one, whose lanes have something to do that nobody is doing."""
    waiting = Delivery.objects.filter(state=Delivery.State.PENDING, next_attempt_at__lte=now)
    if platform_id is not None:
        waiting = waiting.filter(platform_id=platform_id)
    waiting = waiting.filter(platform__status__in=[Status.CONNECTED, Status.OFFLINE]).exclude(
        platform__token_cipher=""
    )
    resting = Lane.objects.filter(Q(held_until__gt=now) | Q(probe_at__gt=now))
    found = waiting.exclude(platform_id__in=resting.values("platform_id"))
    return list(found.order_by().values_list("platform_id", flat=True).distinct())


def is_failing(platform_id: int) -> bool:
    """Whether the partner's last answer was a temporary failure or none."""
    return Lane.objects.filter(platform_id=platform_id, failures__gt=0).exists()


def is_open(platform_id: int) -> bool:
    """Whether the breaker is: failure after failure, the lane rests."""
    return Lane.objects.filter(platform_id=platform_id, failures__gte=FAILURES_TO_OPEN).exists()


def drain(platform_id: int) -> int:
    """Work a partner's lane until nothing is due, the slice is over or the breaker opens; how many were tried."""
    lane = _acquire(platform_id, timezone.now())
    if lane is None:
        return 0
    try:
        return _work(lane)
    finally:
        Lane.objects.filter(pk=platform_id, holder=lane.holder).update(holder="", held_until=None)


def _acquire(platform_id: int, now: datetime) -> Lane | None:
    Lane.objects.get_or_create(platform_id=platform_id)
    free = Lane.objects.filter(pk=platform_id).filter(Q(held_until=None) | Q(held_until__lte=now))
    holder = uuid.uuid4().hex
    if not free.update(holder=holder, held_until=now + LEASE):
        return None
    return Lane.objects.select_related("platform").get(pk=platform_id, holder=holder)


def _work(lane: Lane) -> int:
    end = time.monotonic() + settings.HUB_DRAIN_SLICE
    tried = 0
    while time.monotonic() < end:
        claimed = claim(lane, timezone.now())
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
    if lane.probe_at and lane.probe_at > now:
        return []
    limit, order = (1, "tries, id") if lane.failures >= FAILURES_TO_OPEN else (BATCH, "priority, id")
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(order=order), {"platform": lane.pk, "now": now, "limit": limit})
        ids = [row[0] for row in cursor.fetchall()]
    return list(Delivery.objects.filter(pk__in=ids).select_related("message").order_by("priority", "id"))


# Materialized: a plan may run a subquery once for each row, and its LIMIT would then hold for each run only.
_CLAIM = """
WITH next AS MATERIALIZED (
    SELECT id FROM exchange_delivery
    WHERE platform_id = %(platform)s AND state = 'PENDING' AND next_attempt_at <= %(now)s
        AND (module, parent_key) NOT IN (
            SELECT module, parent_key FROM exchange_delivery WHERE platform_id = %(platform)s AND state = 'SENDING')
    ORDER BY {order} LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE exchange_delivery SET state = 'SENDING', claimed_at = %(now)s
FROM next WHERE exchange_delivery.id = next.id AND state = 'PENDING'
RETURNING exchange_delivery.id
"""


def _send(lane: Lane, claimed: list[Delivery], end: float) -> int:
    """Try the claimed deliveries in turn; how many were tried. The rest goes back as it was."""
    waiting: list[Done] = []
    flushed_at = time.monotonic()
    tried = 0
    for parcel in pack(lane.platform, claimed):
        if time.monotonic() > end or _must_stop(lane):
            break
        waiting.append(_try(lane.platform, parcel))
        tried += 1
        _count(lane, waiting[-1].result)
        if time.monotonic() - flushed_at > FLUSH_AFTER:
            if not flush(lane, waiting, claimed[tried:]):
                return tried
            waiting, flushed_at = [], time.monotonic()
    if flush(lane, waiting, []):
        put_back(claimed[tried:])
    return tried


def _must_stop(lane: Lane) -> bool:
    return lane.failures >= FAILURES_TO_OPEN and lane.probe_at is not None and lane.probe_at > timezone.now()


def _try(platform: Platform, parcel: Parcel) -> Done:
    delivery = parcel.delivery
    mark = current_ids.set(MessageIDs(delivery.message.request_id, delivery.message.correlation_id))
    try:
        now = timezone.now()
        result = _attempt(platform, parcel, now)
        if result.verdict is not Verdict.DELIVERED:
            logger.info("delivery %s to %s: %s", delivery.pk, delivery.to_party, result.outcome)
        return Done(delivery, result, now)
    finally:
        current_ids.reset(mark)


def _attempt(platform: Platform, parcel: Parcel, now: datetime) -> Result:
    """A fault of ours must not stop the lane: it is a failed try like any other, and is in the log."""
    try:
        return attempt(platform, parcel, now)
    except InsideTransaction:
        raise
    except Exception as error:
        logger.exception("delivery %s stopped on a fault of the hub", parcel.delivery.pk)
        return Result(Verdict.TEMPORARY, f"a fault of the hub: {type(error).__name__}", refused=True)


def _count(lane: Lane, result: Result) -> None:
    """Temporary failures in a row, and with the last of them the next probe; any other answer closes the breaker."""
    if result.verdict is Verdict.GONE:
        return
    # A refused change that is followed by a PUT is an answer: the partner is well.
    if result.verdict is not Verdict.TEMPORARY or result.refused:
        lane.failures, lane.probe_at = 0, None
        return
    lane.failures += 1
    if lane.failures >= FAILURES_TO_OPEN:
        schedule = lane.platform.schedule
        step = min(lane.failures - FAILURES_TO_OPEN, len(schedule) - 1)
        wait = timedelta(seconds=schedule[step])
        lane.probe_at = timezone.now() + max(wait, result.retry_after or wait)


def flush(lane: Lane, done: list[Done], claimed: list[Delivery]) -> bool:
    """Write down results and attempts and renew the lease; False when the lane was lost to another drain."""
    with transaction.atomic():
        now = timezone.now()
        delivered = [item.delivery.pk for item in done if item.result.verdict is Verdict.DELIVERED]
        failures_before = _renew(lane, delivered, [delivery.pk for delivery in claimed], now)
        if failures_before is None:
            return False
        Attempt.objects.bulk_create([_row(item) for item in done if item.result.method])
        for item in done:
            if item.result.verdict is not Verdict.DELIVERED:
                _settle(lane, item, now)
        _follow_breaker(lane, failures_before, any(_is_answer(item.result) for item in done), now)
    return True


def _row(item: Done) -> Attempt:
    result, ids = item.result, item.result.ids
    return Attempt(
        at=item.at,
        delivery_id=item.delivery.pk,
        platform_id=item.delivery.platform_id,
        method=result.method,
        url=result.url,
        request_id=ids.request_id if ids else "",
        correlation_id=ids.correlation_id if ids else "",
        http_status=result.http_status,
        status_code=result.status_code,
        outcome=result.outcome,
        milliseconds=round(result.seconds * 1000),
    )


# One statement in the place of four, because a busy worker spends a good part of its time on them.
_RENEW = """
WITH held AS (
    SELECT failures FROM exchange_lane WHERE platform_id = %(lane)s AND holder = %(holder)s FOR UPDATE
), renewed AS (
    UPDATE exchange_lane SET held_until = %(held_until)s, failures = %(failures)s, probe_at = %(probe_at)s
    FROM held WHERE platform_id = %(lane)s
), finished AS (
    UPDATE exchange_delivery SET state = 'DELIVERED', finished_at = %(now)s, tries = tries + 1, reason = 'accepted'
    FROM held WHERE id = ANY(%(delivered)s) AND state = 'SENDING'
), kept AS (
    UPDATE exchange_delivery SET claimed_at = %(now)s FROM held WHERE id = ANY(%(claimed)s)
)
SELECT failures FROM held
"""


def _renew(lane: Lane, delivered: list[int], claimed: list[int], now: datetime) -> int | None:
    """Renew lease and claims and finish what was delivered; the failures before, or None when the lane was lost."""
    parameters = {
        "lane": lane.pk,
        "holder": lane.holder,
        "held_until": now + LEASE,
        "failures": lane.failures,
        "probe_at": lane.probe_at,
        "delivered": delivered,
        "claimed": claimed,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, parameters)
        row = cursor.fetchone()
    return row[0] if row else None


def _settle(lane: Lane, item: Done, now: datetime) -> None:
    """A delivery that did not arrive: later again, given up, or no longer needed."""
    delivery, result = item.delivery, item.result
    if result.verdict is Verdict.GONE:
        _end(delivery, Delivery.State.ABSORBED, result.outcome, now)
        return
    decision = next_attempt(
        result, delivery.tries + 1, lane.platform.schedule, now, jitter(), endless=is_kept(delivery)
    )
    if decision.at is None:
        _end(delivery, Delivery.State.FAILED, result.outcome, now, tries=delivery.tries + 1)
        logger.warning("delivery %s to %s is given up: %s", delivery.pk, delivery.to_party, result.outcome)
        return
    changes = {"tries": delivery.tries + 1, "next_attempt_at": decision.at, "reason": result.outcome}
    if result.widen:
        changes |= {"key": delivery.parent_key, "path": "/".join(delivery.path.split("/")[:3])}
    _pending_again(delivery, changes)


def _pending_again(delivery: Delivery, changes: dict[str, object]) -> None:
    """Back into the queue as a PUT of the state, unless another pending delivery covers the same part."""
    wanted = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING)
    try:
        with transaction.atomic():
            wanted.update(state=Delivery.State.PENDING, claimed_at=None, exact=False, **changes)
    except IntegrityError:
        _end(delivery, Delivery.State.ABSORBED, "a newer delivery carries the same part", timezone.now())
    same_object = Delivery.objects.filter(
        platform_id=delivery.platform_id, module=delivery.module, parent_key=delivery.parent_key
    )
    # What waits for this object can no longer be sure of what the partner has.
    same_object.filter(state=Delivery.State.PENDING).update(exact=False)


def _end(delivery: Delivery, state: str, reason: str, now: datetime, **changes: object) -> None:
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING).update(
        state=state, reason=reason, finished_at=now, next_attempt_at=None, **changes
    )


def put_back(claimed: list[Delivery]) -> None:
    """Deliveries that were claimed but not sent wait again, as they were."""
    for delivery in claimed:
        sending = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING)
        try:
            with transaction.atomic():
                sending.update(state=Delivery.State.PENDING, claimed_at=None)
        except IntegrityError:
            _end(delivery, Delivery.State.ABSORBED, "a newer delivery carries the same part", timezone.now())


def recover(now: datetime) -> int:
    """Deliveries whose claim expired are in doubt: they are sent again as the state. How many there were."""
    expired = list(Delivery.objects.filter(state=Delivery.State.SENDING, claimed_at__lte=now - CLAIM_EXPIRES))
    for delivery in expired:
        with transaction.atomic():
            _pending_again(
                delivery, {"next_attempt_at": now, "reason": "a worker ended while it was being sent"}
            )
    return len(expired)


# ------------------------------------------------------------------------------------------------ breaker
def _is_answer(result: Result) -> bool:
    """Whether it shows that the partner can be reached and takes what it is sent, or says what is wrong with it."""
    return result.http_status is not None and (result.refused or result.verdict is not Verdict.TEMPORARY)


def _follow_breaker(lane: Lane, failures_before: int, answered: bool, now: datetime) -> None:
    """Failures raise the question whether the partner is there, an answer settles it; in the caller's transaction."""
    if lane.failures >= FAILURES_TO_OPEN:
        if failures_before < FAILURES_TO_OPEN:
            logger.warning("%s fails on what it is sent; its deliveries rest", lane.platform)
        presence.doubt(lane.pk, now)
    elif answered:
        presence.answered(lane.pk)
        if failures_before >= FAILURES_TO_OPEN or lane.platform.status == Status.OFFLINE:
            came_back(lane.platform, now)


def came_back(platform: Platform, now: datetime) -> None:
    """A partner answers again: all that waited is due, and its data are pulled when it was offline (TRN-17)."""
    from ocpi_hub.exchange import sync

    Lane.objects.filter(pk=platform.pk, probe_at__gt=now).update(probe_at=now)
    Delivery.objects.filter(platform=platform, state=Delivery.State.PENDING).update(next_attempt_at=now)
    row = Platform.objects.select_for_update().get(pk=platform.pk)
    if row.status != Status.OFFLINE:
        return
    since = row.offline_since
    Platform.objects.filter(pk=platform.pk).update(
        status=Status.CONNECTED, offline_since=None, next_probe_at=now
    )
    logger.info("%s is back", platform)
    transaction.on_commit(lambda: sync.request_pulls(platform, since=since))

"""What came of deliveries, written down: finished, waiting again, given up, or no longer needed."""

import logging
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from ocpi_hub.errorreports.occurrences import write
from ocpi_hub.exchange.calls.verdicts import Result, Verdict, jitter, next_attempt
from ocpi_hub.exchange.deliveries import arrivals, deadletters, deliveryfailures, lanebreaker, receiverurls
from ocpi_hub.exchange.deliveries.parcels import is_kept
from ocpi_hub.exchange.models import Attempt, Callback, Delivery, Lane
from ocpi_hub.partners.models import Platform

logger = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two tries to write down what came of deliveries


def lease_of(platform: Platform) -> timedelta:
    """How long a lane is held, and what is claimed in it, without being renewed, as both are after every call.

    Whoever has not renewed them for twice the time of a call is gone.
    """
    return timedelta(seconds=2 * max(settings.HUB_TOTAL_TIMEOUT, platform.seconds_to_answer))


class Done(NamedTuple):
    """A delivery that was tried, and what came of it."""

    delivery: Delivery
    result: Result
    at: datetime


def flush(
    lane: Lane, done: list[Done], claimed: list[Delivery], unsent: list[Delivery] | None = None
) -> bool:
    """Write down results and attempts and renew the lease.

    False when the lane was lost to another drain: what came of them is not written then, and what was sent is sent
    once more.

    `claimed` stay claimed, `unsent` wait again as they were. While PostgreSQL restarts, or ends us for a deadlock, it
    is tried again: what was sent would else be in doubt, and be sent again when lease and claims have expired.
    """
    end: float | None = None
    while True:
        try:
            return _write(lane, done, claimed, unsent or [])
        except (OperationalError, InterfaceError) as error:
            end = end or time.monotonic() + lease_of(lane.platform).total_seconds() / 2
            if time.monotonic() > end:
                raise
            logger.warning("what came of deliveries to %s is not written yet: %s", lane.platform, error)
            connection.close()
            time.sleep(PAUSE)


def _write(lane: Lane, done: list[Done], claimed: list[Delivery], unsent: list[Delivery]) -> bool:
    with transaction.atomic():
        delivered = [item.delivery.pk for item in done if item.result.verdict is Verdict.DELIVERED]
        renewed = _renew(lane, delivered, [delivery.pk for delivery in claimed])
        if renewed is None:
            _send_once_more(lane, done)
            return False
        failures_before, now = renewed
        Attempt.objects.bulk_create([_row(item) for item in done if item.result.method])
        receiverurls.note(
            [
                (item.delivery.module, item.delivery.row_id, item.result.receiver_url)
                for item in done
                if item.result.receiver_url
            ]
        )
        failed = [item for item in done if item.result.verdict is not Verdict.DELIVERED]
        given_up = {item.delivery.pk for item in failed if _settle(lane, item, now)}
        _put_back(unsent, now)
        lanebreaker.follow(
            lane, failures_before, any(lanebreaker.is_answer(item.result) for item in done), now
        )
        _report(failed, given_up)
    return True


def _report(failed: list[Done], given_up: set[int]) -> None:
    """As error reports, and with each delivery as what it failed."""
    told = [
        (item.delivery.pk, noted)
        for item in failed
        for noted in deliveryfailures.reported(*item, given_up=item.delivery.pk in given_up)
    ]
    arrivals.note([(pk, noted.kind) for pk, noted in told])
    write(noted for _, noted in told)


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
    UPDATE exchange_lane SET held_until = statement_timestamp() + %(lease)s, failures = %(failures)s,
        probe_at = %(probe_at)s, rest_until = %(rest_until)s, rest_reason = %(rest_reason)s, slowed = %(slowed)s,
        paid_until = %(paid_until)s
    FROM held WHERE platform_id = %(lane)s
), finished AS (
    UPDATE exchange_delivery SET state = 'DELIVERED', finished_at = statement_timestamp(), tries = tries + 1,
        reason = 'accepted'
    FROM held WHERE id = ANY(%(delivered)s) AND state = 'SENDING'
), settled AS (
    UPDATE exchange_deadletter letter SET state = 'SETTLED', closed_at = statement_timestamp(),
        closing = 'delivered since, by delivery ' || sent.id
    FROM held, exchange_delivery sent
    WHERE sent.id = ANY(%(delivered)s) AND sent.state = 'SENDING'
        AND letter.platform_id = %(lane)s AND letter.module = sent.module AND letter.parent_key = sent.parent_key
        AND (letter.key = sent.key OR starts_with(letter.key, sent.key || '/'))
        AND letter.state IN ('OPEN', 'RETRYING')
    RETURNING letter.delivery_id, letter.closing
), covered AS (
    UPDATE exchange_delivery SET state = 'ABSORBED', finished_at = statement_timestamp(), reason = settled.closing
    FROM settled WHERE id = settled.delivery_id AND state = 'FAILED'
), kept AS (
    UPDATE exchange_delivery SET claimed_at = statement_timestamp() FROM held
    WHERE id = ANY(%(claimed)s) AND state = 'SENDING'
)
SELECT failures, statement_timestamp() FROM held
"""


def _renew(lane: Lane, delivered: list[int], claimed: list[int]) -> tuple[int, datetime] | None:
    """Renew lease and claims and finish what was delivered; the failures before, and the time by the database.

    None when the lane was lost.
    """
    parameters = {
        "lane": lane.pk,
        "holder": lane.holder,
        "lease": lease_of(lane.platform),
        "failures": lane.failures,
        "probe_at": lane.probe_at,
        "rest_until": lane.rest_until,
        "rest_reason": lane.rest_reason,
        "slowed": lane.slowed,
        "paid_until": lane.paid_until,
        "delivered": delivered,
        "claimed": claimed,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, parameters)
        row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def _send_once_more(lane: Lane, done: list[Done]) -> None:
    """What was sent by a drain that had lost its lane may have come after a newer state: the state goes again.

    A CDR and a result have one state only, and a second POST would be a second one.
    """
    late = [item.delivery for item in done if item.result.method and item.delivery.module != Callback.MODULE]
    Lane.objects.select_for_update().filter(pk=lane.pk).first()
    with connection.cursor() as cursor:
        cursor.execute(_ONCE_MORE, [[delivery.pk for delivery in late if not is_kept(delivery)]])


# What waits already is sent later than this anyway; what another drain is sending has to be followed by the state.
_ONCE_MORE = """
INSERT INTO exchange_delivery (platform_id, message_id, module, row_id, key, parent_key, path, variant, to_party,
                               exact, priority, state, tries, reason)
SELECT platform_id, message_id, module, row_id, key, parent_key, path, variant, to_party, false, priority, 'PENDING', 0,
    'a worker that had stood still may have sent an older state after delivery ' || sent.id
FROM exchange_delivery sent JOIN partners_platform platform ON platform.id = platform_id
WHERE sent.id = ANY(%s) AND platform.token_cipher <> '' ORDER BY sent.id
ON CONFLICT (platform_id, module, key) WHERE state = 'PENDING' DO UPDATE SET exact = false
"""


def _settle(lane: Lane, item: Done, now: datetime) -> bool:
    """A delivery that did not arrive: later again, given up, or no longer needed. Whether it is given up."""
    delivery, result = item.delivery, item.result
    if result.verdict is Verdict.GONE:
        _end(delivery, Delivery.State.ABSORBED, result.outcome, now)
        deadletters.close(delivery, result.outcome, now)
        return False
    decision = next_attempt(
        result, delivery.tries + 1, lane.platform.schedule, now, jitter(), endless=is_kept(delivery)
    )
    if decision.at is None:
        _end(delivery, Delivery.State.FAILED, result.outcome, now, tries=delivery.tries + 1)
        deadletters.keep(delivery, result, delivery.tries + 1, now)
        _make_sure(delivery)
        logger.warning("delivery %s to %s is given up: %s", delivery.pk, delivery.to_party, result.outcome)
        return True
    changes = {"tries": delivery.tries + 1, "next_attempt_at": decision.at, "reason": result.outcome}
    if result.widen:
        changes |= {"key": delivery.parent_key, "path": "/".join(delivery.path.split("/")[:3])}
    _pending_again(delivery, changes)
    return False


def _pending_again(delivery: Delivery, changes: dict[str, object]) -> None:
    """Back into the queue as a PUT of the state, unless another pending delivery covers the same part."""
    wanted = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING)
    try:
        with transaction.atomic():
            wanted.update(state=Delivery.State.PENDING, claimed_at=None, exact=False, **changes)
    except IntegrityError:
        _end(delivery, Delivery.State.ABSORBED, "a newer delivery carries the same part", Now())
    _make_sure(delivery)


def _make_sure(delivery: Delivery) -> None:
    """What waits for this object can no longer be sure of what the partner has: it sends the state."""
    same_object = Delivery.objects.filter(
        platform_id=delivery.platform_id, module=delivery.module, parent_key=delivery.parent_key
    )
    same_object.filter(state=Delivery.State.PENDING).update(exact=False)


def _end(delivery: Delivery, state: str, reason: str, now: datetime | Now, **changes: object) -> None:
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING).update(
        state=state, reason=reason, finished_at=now, next_attempt_at=None, **changes
    )


def _put_back(unsent: list[Delivery], now: datetime) -> None:
    for delivery in unsent:
        sending = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING)
        try:
            with transaction.atomic():
                sending.update(state=Delivery.State.PENDING, claimed_at=None)
        except IntegrityError:
            _end(delivery, Delivery.State.ABSORBED, "a newer delivery carries the same part", now)


def recover() -> int:
    """Deliveries whose claim expired are in doubt: they are sent again as the state. How many there were."""
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRED, [settings.HUB_TOTAL_TIMEOUT])
        expired = {row[0]: row[1] for row in cursor.fetchall()}
    rows = Delivery.objects.filter(pk__in=list(expired), state=Delivery.State.SENDING)
    for delivery in rows:
        with transaction.atomic():
            _in_doubt(delivery, expired[delivery.pk])
    return len(rows)


# A claim of long ago is a dead worker's, and one from far ahead was made before the database's clock was set back.
_EXPIRED = """
SELECT delivery.id, delivery.claimed_at FROM exchange_delivery delivery
JOIN partners_platform platform ON platform.id = delivery.platform_id
CROSS JOIN LATERAL (
    SELECT make_interval(secs => 2 * greatest(coalesce(platform.total_timeout, 0), %s)) AS time) lease
WHERE delivery.state = 'SENDING' AND (delivery.claimed_at <= statement_timestamp() - lease.time
    OR delivery.claimed_at > statement_timestamp() + lease.time)
"""


def _in_doubt(delivery: Delivery, claimed_at: datetime) -> None:
    """Unless whoever claimed it has renewed the claim since."""
    same = Delivery.objects.select_for_update().filter(pk=delivery.pk, state=Delivery.State.SENDING)
    if same.filter(claimed_at=claimed_at).first():
        changes = {"next_attempt_at": Now(), "reason": "a worker ended while it was being sent"}
        _pending_again(delivery, changes)
        noted = deliveryfailures.interrupted(delivery)
        arrivals.note([(delivery.pk, noted.kind)])
        write([noted])

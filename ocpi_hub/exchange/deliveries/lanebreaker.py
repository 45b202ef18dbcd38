"""When a partner's lane rests: by its breaker, by a pause that the partner asked for, or by its pace.

Failure after failure the breaker opens, and one delivery at a time probes it. A partner that answers 429, or 503 with
the time to come back, is well: all that is for it waits, and nothing of that is counted as a failure of the partner.
Whether the partner is there at all is asked by liveness.py, as soon as the breaker opens. The breaker of relays is
breaker.py.
"""

import logging
from datetime import datetime, timedelta

from ocpi_hub.exchange.calls import presence
from ocpi_hub.exchange.calls.pacing import pay, rest
from ocpi_hub.exchange.calls.verdicts import Result, Verdict
from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.exchange.pulls import pullplans
from ocpi_hub.partners.models import Platform, Status

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=60)  # after a 429 that names no time


def is_failing(platform_id: int) -> bool:
    """Whether the partner's last answer was a temporary failure or none."""
    return Lane.objects.filter(platform_id=platform_id, failures__gt=0).exists()


def is_open(platform_id: int) -> bool:
    """Whether the breaker is: failure after failure, the lane rests."""
    return Lane.objects.filter(platform_id=platform_id, failures__gte=FAILURES_TO_OPEN).exists()


def rests(lane: Lane, now: datetime) -> bool:
    """Whether nothing is to be sent for now: the breaker is open, or the partner asked for a pause."""
    is_open = lane.failures >= FAILURES_TO_OPEN and lane.probe_at is not None and lane.probe_at > now
    return is_open or (lane.rest_until is not None and lane.rest_until > now)


def count(lane: Lane, result: Result, now: datetime) -> None:
    """What a try means for those that come after it, on the lane in hand."""
    if result.requests_made:
        pay(lane, result.requests, now)
    if result.verdict is Verdict.GONE:
        return
    if result.asks_to_slow_down:
        _pause(lane, result, now)
    else:
        lane.slowed = 0
        _count_failures(lane, result, now)


def _pause(lane: Lane, result: Result, now: datetime) -> None:
    """As long as it asks; when it does not say how long, or says a time that is past, twice as long each time."""
    wait = result.retry_after
    if not wait:
        wait = min(SHORTEST_PAUSE * 2**lane.slowed, LONGEST_PAUSE)
        lane.slowed = min(lane.slowed + 1, 30)
    rest(lane, now + max(wait, SHORTEST_PAUSE), result.outcome)


def _count_failures(lane: Lane, result: Result, now: datetime) -> None:
    """Temporary failures in a row, and with the last of them the next probe; any other answer closes the breaker."""
    # A refused change that is followed by a PUT is an answer: the partner is well.
    if result.verdict is not Verdict.TEMPORARY or result.refused:
        lane.failures, lane.probe_at = 0, None
        return
    lane.failures += 1
    if lane.failures >= FAILURES_TO_OPEN:
        schedule = lane.platform.schedule
        step = min(lane.failures - FAILURES_TO_OPEN, len(schedule) - 1)
        wait = timedelta(seconds=schedule[step])
        lane.probe_at = now + max(wait, result.retry_after or wait)


def is_answer(result: Result) -> bool:
    """Whether it shows that the partner can be reached and takes what it is sent, or says what is wrong with it."""
    return result.http_status is not None and (result.refused or result.verdict is not Verdict.TEMPORARY)


def follow(lane: Lane, failures_before: int, answered: bool, now: datetime) -> None:
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
    """A partner answers again: all that waited is due, and its lists are read when it was offline (TRN-17)."""
    # The lane first, as a drain has it that writes down an answer: two who find the partner back wait for each other.
    Lane.objects.select_for_update().filter(pk=platform.pk).first()
    Lane.objects.filter(pk=platform.pk, probe_at__gt=now).update(probe_at=now)
    # What is due already is left alone: whoever expands messages may be changing it, and would be barred, and bar us.
    waiting = Delivery.objects.filter(
        platform=platform, state=Delivery.State.PENDING, next_attempt_at__gt=now
    )
    waiting.update(next_attempt_at=now)
    # Without barring whoever expands messages into deliveries to it.
    row = Platform.objects.select_for_update(no_key=True).get(pk=platform.pk)
    if row.status != Status.OFFLINE:
        return
    since = row.offline_since
    Platform.objects.filter(pk=platform.pk).update(
        status=Status.CONNECTED, offline_since=None, next_probe_at=now
    )
    logger.info("%s is back", platform)
    pullplans.ask_platform(platform, since=since)

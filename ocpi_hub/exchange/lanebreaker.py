"""The breaker of a partner's lane: failure after failure the lane rests, and one delivery at a time probes it.

Whether the partner is there at all is asked by liveness.py, as soon as the breaker opens. The breaker of relays is
breaker.py.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from ocpi_hub.exchange import presence
from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.exchange.verdicts import Result, Verdict
from ocpi_hub.partners.models import Platform, Status

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5


def is_failing(platform_id: int) -> bool:
    """Whether the partner's last answer was a temporary failure or none."""
    return Lane.objects.filter(platform_id=platform_id, failures__gt=0).exists()


def is_open(platform_id: int) -> bool:
    """Whether the breaker is: failure after failure, the lane rests."""
    return Lane.objects.filter(platform_id=platform_id, failures__gte=FAILURES_TO_OPEN).exists()


def rests(lane: Lane) -> bool:
    return lane.failures >= FAILURES_TO_OPEN and lane.probe_at is not None and lane.probe_at > timezone.now()


def count(lane: Lane, result: Result) -> None:
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

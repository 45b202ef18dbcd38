"""When the next page of a partner's list may be asked for, where the partner has a limit of requests a minute.

Pages are paid for from the same limit as deliveries (calls/pacing.py), and deliveries go first: while some are due,
one request in ten is a page's, so that a list is read although a lane is never empty. A partner that asked for a pause
is left alone by pulls as well. Nobody waits here: a pull whose turn it is not goes on later, where it stands.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls import pacing
from ocpi_hub.exchange.calls.pacing import Pace
from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.exchange.pulls.partnerlists import OverBudget
from ocpi_hub.partners.models import Platform

SHARE = 10  # requests of the partner's limit, of which one is a page's while deliveries wait
LOOK = timedelta(seconds=5)  # in which workers look again
KEPT_FOR = (
    3 * LOOK
)  # beyond its wait: so long a request is left for a pull that has gone to wait for its turn


class Wait(NamedTuple):
    seconds: timedelta
    why: str


def take(platform: Platform) -> None:
    """Pay for one request, at once. Raises OverBudget."""
    lane = Lane.objects.select_related("platform").filter(pk=platform.pk).first()
    now = clock.now()
    if pacing.limit_of(lane.platform if lane else platform):
        wait = _take(platform, now)
    else:
        wait = _rest(lane, now) if lane else None
    if wait:
        raise OverBudget(wait.why, wait.seconds)


@transaction.atomic
def _take(platform: Platform, now: datetime) -> Wait | None:
    Lane.objects.get_or_create(platform=platform)
    lane = Lane.objects.select_for_update(of=("self",)).select_related("platform").get(pk=platform.pk)
    if (pace := pacing.pace_of(lane)) is None:
        return None
    its_turn = _turn(lane, pace) <= now
    wait = _wait(lane, pace, now, its_turn=its_turn)
    if wait is None:
        pacing.pay(lane, 1, now)
        lane.page_paid_at, lane.page_waits_until = now, None
    elif its_turn:
        lane.page_waits_until = now + wait.seconds + KEPT_FOR
    lane.save(update_fields=["paid_until", "rest_until", "rest_reason", "page_paid_at", "page_waits_until"])
    return wait


def _turn(lane: Lane, pace: Pace) -> datetime:
    """When a page goes before deliveries that are due."""
    return (
        lane.page_paid_at + SHARE * pace.interval if lane.page_paid_at else datetime.min.replace(tzinfo=UTC)
    )


def _wait(lane: Lane, pace: Pace, now: datetime, *, its_turn: bool) -> Wait | None:
    limit = f"the partner takes {pace.per_minute} requests a minute"
    if lane.held_until and lane.held_until > now:
        return Wait(LOOK, f"{limit}, and deliveries are being sent")  # what is paid is in their hands
    if lane.paid_until and not pace.free(lane.paid_until, now):
        return Wait(pace.free_at(lane.paid_until) - now, f"{limit}, and these are used up")
    if wait := _rest(lane, now):
        return wait
    if not its_turn and _go_first(lane, now):
        return Wait(
            min(_turn(lane, pace) - now, max(LOOK, pace.interval)), f"{limit}, and deliveries go first"
        )
    return None


def _rest(lane: Lane, now: datetime) -> Wait | None:
    if lane.rest_until is None or lane.rest_until <= now:
        return None
    return Wait(lane.rest_until - now, f"its deliveries pause as well: {lane.rest_reason}")


def _go_first(lane: Lane, now: datetime) -> bool:
    """Whether deliveries are due, and their breaker lets them go."""
    if lane.probe_at and lane.probe_at > now:
        return False
    waiting = Delivery.objects.filter(platform_id=lane.pk, state=Delivery.State.PENDING)
    return waiting.filter(next_attempt_at__lte=now).exists()

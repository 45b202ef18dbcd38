"""How fast a partner may be called: its own limit of requests a minute, kept over any sixty seconds.

Requests are paid for in advance, each with its share of the minute; a few may be sent at once. Pure: the lane's row
holds until when is paid, for deliveries and for the pages of pulls (pulls/turns.py).
"""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from ocpi_hub.exchange.models import Lane
from ocpi_hub.partners.models import Platform

AT_ONCE = 12  # a twelfth of a minute's requests may go at once, as the workers look every five seconds


class Pace(NamedTuple):
    per_minute: int

    @property
    def burst(self) -> int:
        return max(1, self.per_minute // AT_ONCE)

    @property
    def interval(self) -> timedelta:
        """Between two requests in the long run: with a burst before them no minute holds more than the limit."""
        return timedelta(minutes=1) / (self.per_minute - self.burst + 1)

    def free(self, paid_until: datetime | None, now: datetime) -> int:
        """How many may be sent now."""
        ahead = max(paid_until - now, timedelta()) if paid_until else timedelta()
        return max(0, math.floor(self.burst - ahead / self.interval + 1e-6))

    def paid(self, paid_until: datetime | None, now: datetime, requests: int) -> datetime:
        """Until when is paid after so many more."""
        return max(paid_until or now, now) + requests * self.interval

    def free_at(self, paid_until: datetime) -> datetime:
        """When one more may be sent."""
        return paid_until - (self.burst - 1) * self.interval


def limit_of(platform: Platform) -> int | None:
    return platform.deliveries_per_minute


def pace_of(lane: Lane) -> Pace | None:
    limit = limit_of(lane.platform)
    return Pace(limit) if limit else None


def free_for_deliveries(lane: Lane, now: datetime) -> int | None:
    """How many may be sent now, without one that is left for a page whose turn has come; None without a limit."""
    if (pace := pace_of(lane)) is None:
        return None
    left = lane.page_waits_until is not None and lane.page_waits_until > now
    return max(0, pace.free(lane.paid_until, now) - left)


def pay(lane: Lane, requests: int, now: datetime) -> None:
    """On the lane in hand, by the partner's own limit of requests a minute."""
    if (pace := pace_of(lane)) is None:
        return
    lane.paid_until = pace.paid(lane.paid_until, now, requests)
    if not pace.free(lane.paid_until, now):
        rest(lane, pace.free_at(lane.paid_until), f"it takes {pace.per_minute} requests a minute")


def rest(lane: Lane, until: datetime, why: str) -> None:
    if lane.rest_until is None or until > lane.rest_until:
        lane.rest_until, lane.rest_reason = until, why

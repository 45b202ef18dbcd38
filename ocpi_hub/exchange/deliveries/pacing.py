"""How fast a partner may be sent to: its own limit of requests a minute, kept over any sixty seconds.

Requests are paid for in advance, each with its share of the minute; a few may be sent at once. Pure: the lane's row
holds until when is paid.
"""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

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

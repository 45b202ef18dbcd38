"""How many relays wait at once in a web process: for one receiver, of one sender, and all together.

Each of them holds a thread. The limits shrink as places fill (the dynamic thresholds of shared-memory switches):
of its limit a partner may use the same fraction as the others leave of all places. So one alone has its whole
limit, many that hang have a few places each, and whoever comes anew finds some. At one receiver a party that has
nothing waiting there may go beyond the limit by half of it, so that nobody shuts it to others by slow requests.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from ocpi_hub.exchange.exceptions import NotConnected
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.models import Platform

CROWDED = "crowded"  # as errorreports/catalogue/calls.py has it


def has_room(running: int, limit: int, others: int, together: int) -> bool:
    """Whether one who has so many places may take another while others have so many of all."""
    return running + others < together and running * together < limit * (together - others)


class Places:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._for: Counter[int] = Counter()  # by the receiver's platform
        self._of: Counter[str] = Counter()  # by the sender's party
        self._between: Counter[tuple[int, str]] = Counter()
        self._taken = 0

    @contextmanager
    def place(self, platform: Platform, route: Route) -> Iterator[None]:
        """Raises NotConnected when there is none."""
        sender = route.sender.key
        with self._lock:
            self._check(platform, sender, route)
            self._count(platform.pk, sender, 1)
        try:
            yield
        finally:
            with self._lock:
                self._count(platform.pk, sender, -1)

    def _check(self, platform: Platform, sender: str, route: Route) -> None:
        beyond = 0 if self._between[platform.pk, sender] else platform.relays // 2
        if not self._has_room(self._for[platform.pk], platform.relays + beyond):
            raise NotConnected(
                f"too many requests wait for {route.to} already; try again in a moment", cause=CROWDED
            )
        if not self._has_room(self._of[sender], settings.HUB_RELAYS_OF_ONE):
            raise NotConnected(
                "too many of your requests wait for other parties; try again in a moment", cause=CROWDED
            )

    def _has_room(self, running: int, limit: int) -> bool:
        return has_room(running, limit, self._taken - running, settings.HUB_RELAYS_TOGETHER)

    def _count(self, platform_id: int, sender: str, change: int) -> None:
        self._taken += change
        self._for[platform_id] += change
        self._of[sender] += change
        self._between[platform_id, sender] += change
        if not self._for[platform_id]:
            del self._for[platform_id]
        if not self._of[sender]:
            del self._of[sender]
        if not self._between[platform_id, sender]:
            del self._between[platform_id, sender]

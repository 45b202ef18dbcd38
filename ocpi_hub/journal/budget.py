"""How much of the bodies of one platform a process keeps: within its quota alone a partner could fill the disk."""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings

from ocpi_hub import metrics

logger = logging.getLogger(__name__)

TELL_EVERY = 60.0  # seconds between two lines of the log about one platform


class Budget:
    """So many bytes at once, and as many again within a minute; what is above is counted, and told in the log."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._spent: dict[int | None, tuple[float, float]] = {}  # bytes, and when that was
        self._left_out: dict[int | None, tuple[int, float]] = {}  # bodies, and when they were told

    def may_keep(self, platform_id: int | None, sizes: tuple[int, int]) -> bool:
        """Whether there is room for bodies of these sizes; None stands for all platforms that register."""
        most, size, now = settings.HUB_JOURNAL_MB * 1_000_000, sum(sizes), self.clock()
        with self._lock:
            spent, since = self._spent.get(platform_id, (0.0, now))
            spent = max(0.0, spent - (now - since) * most / 60)
            fits = spent + size <= most
            self._spent[platform_id] = (spent + size * fits, now)
        if not fits:
            self._leave_out(platform_id, sum(map(bool, sizes)), now)
        return fits

    def _leave_out(self, platform_id: int | None, bodies: int, now: float) -> None:
        metrics.left_out_bodies.labels(str(platform_id or "")).inc(bodies)
        with self._lock:
            count, told_at = self._left_out.get(platform_id, (0, float("-inf")))
            tell = now - told_at >= TELL_EVERY
            self._left_out[platform_id] = (0, now) if tell else (count + bodies, told_at)
        if tell:
            whose = f"platform #{platform_id}" if platform_id else "platforms that register"
            logger.warning(
                "the journal leaves out %d bodies of %s: more than HUB_JOURNAL_MB=%d in a minute",
                count + bodies,
                whose,
                settings.HUB_JOURNAL_MB,
            )


budget = Budget()

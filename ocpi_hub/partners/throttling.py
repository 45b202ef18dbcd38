"""So many requests a minute, and so many at once, for each partner, so that one cannot starve the rest."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import ClassVar, NamedTuple

import redis
from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ocpi_hub.partners import alarms
from ocpi_hub.partners.models import Platform

logger = logging.getLogger(__name__)
WINDOW = 60  # seconds
TELL_EVERY = 0.1  # seconds after which Redis is told of a partner's requests
REDIS_PAUSE = 5.0  # seconds without asking Redis after it did not answer


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.05, socket_connect_timeout=0.05)


class Counted(NamedTuple):
    """What a process knows of a partner's requests in one window."""

    window: int
    everywhere: int  # in all processes, when this one asked Redis last
    asked_at: float
    since: int = 0  # here, and not told to Redis yet


class PartnerQuota(BaseThrottle):
    """Counts in Redis, over all processes; without Redis everybody passes.

    A process tells Redis of a busy partner's requests several at a time, after TELL_EVERY or a hundredth of the
    quota. With several processes so many more than the quota may pass.
    """

    paused_until = 0.0
    lock = threading.Lock()
    counted: ClassVar[dict[int, Counted]] = {}

    def allow_request(self, request: Request, view: object) -> bool:
        if not isinstance(request.user, Platform):
            return True
        self.window = int(time.time() // WINDOW)
        count = self.count(request.user, self.window)
        return count is None or count <= request.user.quota

    def wait(self) -> float:
        """Seconds to the end of the window that was counted in; it may have ended just now."""
        return max(1.0, (self.window + 1) * WINDOW - time.time())

    @classmethod
    def count(cls, platform: Platform, window: int) -> int | None:
        """How many requests this partner has made in this window, this one included; None without Redis."""
        now = time.monotonic()
        if now < cls.paused_until:
            return None
        with cls.lock:
            known = cls.counted.get(platform.pk)
            if known is None or known.window != window:
                known = Counted(window, 0, 0.0)
            known = known._replace(since=known.since + 1)
            is_time = now - known.asked_at > TELL_EVERY or known.since > platform.quota // 100
            cls.counted[platform.pk] = known._replace(asked_at=now, since=0) if is_time else known
        if not is_time:
            return known.everywhere + known.since
        everywhere = cls.told(platform, window, known.since)
        with cls.lock:
            if everywhere is not None and cls.counted[platform.pk].window == window:
                cls.counted[platform.pk] = cls.counted[platform.pk]._replace(everywhere=everywhere)
        return everywhere

    @classmethod
    def told(cls, platform: Platform, window: int, more: int) -> int | None:
        """What Redis has counted in all processes, with so many more; None when it does not answer."""
        # The database's name tells two hubs apart that share one Redis.
        key = f"quota:{settings.DATABASES['default']['NAME']}:{platform.pk}:{window}"
        try:
            with _redis().pipeline(transaction=False) as pipe:
                count, _ = pipe.incrby(key, more).expire(key, 2 * WINDOW).execute()
        except redis.RedisError as error:
            cls.paused_until = time.monotonic() + REDIS_PAUSE
            logger.warning("quotas are not counted for %s s: Redis did not answer (%s)", REDIS_PAUSE, error)
            alarms.tell(
                "hub.redis", f"quotas are not counted for {REDIS_PAUSE:.0f} s: {type(error).__name__}"
            )
            return None
        return int(count)


class Bulkhead:
    """How many requests of one partner a web process works on at once; those that wait for others do not count.

    The limit is the name of a setting; `full` makes the error for whoever finds no place.
    """

    def __init__(self, each: str, full: Callable[[], Exception]) -> None:
        self.each, self.full = each, full
        self._lock = threading.Lock()
        self._running: Counter[int] = Counter()
        self._here = threading.local()  # the partner whose request this thread works on

    @contextmanager
    def place(self, platform_id: int) -> Iterator[None]:
        with self._lock:
            if self._running[platform_id] >= int(getattr(settings, self.each)):
                raise self.full()
            self._running[platform_id] += 1
        before, self._here.platform_id = self._mine(), platform_id
        try:
            yield
        finally:
            self._here.platform_id = before
            self._count(platform_id, -1)

    @contextmanager
    def left(self) -> Iterator[None]:
        """This thread gives up its place while it waits, and has it again afterwards, even above the limit."""
        platform_id = self._mine()
        if platform_id is None:
            yield
            return
        self._here.platform_id = None
        self._count(platform_id, -1)
        try:
            yield
        finally:
            self._count(platform_id, 1)
            self._here.platform_id = platform_id

    def _mine(self) -> int | None:
        return getattr(self._here, "platform_id", None)

    def _count(self, platform_id: int, change: int) -> None:
        with self._lock:
            self._running[platform_id] += change
            if not self._running[platform_id]:
                del self._running[platform_id]


class TooManyAtOnce(Throttled):
    pass


bulkhead = Bulkhead(
    "HUB_CONCURRENT_REQUESTS",
    lambda: TooManyAtOnce(wait=1, detail="too many of your requests are being worked on at once"),
)

"""A breaker per partner for relays: who leaves them unanswered is asked by one at a time, and the others are told.

After OPENS_AFTER relays in a row without an answer it opens. Requests for the partner are then refused at once,
and after a pause one of them asks again; the pause grows as long as nothing comes, and any answer ends it.
An answer that is an error is an answer. As long as all that was left unanswered is of one party, it is open for that
party alone: what it asks for may be more than the partner can do. With a second one it is the partner that fails, and
open for everybody. Each web process goes by what it has seen itself; whether the partner is OFFLINE is said by
liveness.py alone.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ocpi_hub import metrics
from ocpi_hub.exchange.exceptions import NotConnected
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import AnswerTooLarge, CallFailed, CutOff, TimedOut, Unreachable
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)

OPENS_AFTER = 5  # relays in a row
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds
LEAST_PATIENCE = 1.0  # seconds; whoever was given less than this has not failed to answer


class Seen(NamedTuple):
    """What this process has seen of a partner; times are those of a monotonic clock."""

    answered_at: float = -math.inf
    unanswered: int = 0  # in a row
    pause: float = 0.0  # between two that ask again; 0 while the breaker is closed
    again_at: float = 0.0
    probing: bool = False  # one is under way that asks again
    senders: frozenset[str] = frozenset()  # whose they were, by the parties' keys

    @property
    def is_open(self) -> bool:
        return self.pause > 0


# ------------------------------------------------------------------------------------------- pure decisions
def is_open_for(seen: Seen, sender: str) -> bool:
    return seen.is_open and (len(seen.senders) > 1 or sender in seen.senders)


def may_pass(seen: Seen, now: float, sender: str) -> bool:
    return not is_open_for(seen, sender) or (not seen.probing and now >= seen.again_at)


def after_silence(seen: Seen, began: float, now: float, sender: str, *, probe: bool) -> Seen:
    """A relay that began then was not answered; those that were under way when it opened lengthen no pause."""
    if began < seen.answered_at:
        return seen  # The partner has answered others since.
    seen = seen._replace(
        unanswered=seen.unanswered + 1,
        probing=seen.probing and not probe,
        senders=seen.senders | {sender},
    )
    if probe:
        pause = min(2 * seen.pause, LONGEST_PAUSE)
    elif not seen.is_open and seen.unanswered >= OPENS_AFTER:
        pause = FIRST_PAUSE
    else:
        return seen
    return seen._replace(pause=pause, again_at=now + pause)


def heard(failure: CallFailed, seconds: float) -> bool | None:
    """Whether the partner said anything at all; None when nothing is known, as it was not really asked."""
    if isinstance(failure, AnswerTooLarge):
        return True
    if failure.permanent or (isinstance(failure, TimedOut) and seconds < LEAST_PATIENCE):
        return None
    return not isinstance(failure, Unreachable | TimedOut | CutOff)


def refusal(to: PartyRef, seen: Seen, now: float) -> NotConnected:
    wait = math.ceil(seen.again_at - now)
    again = f"asks it again in {wait} s" if wait > 0 and not seen.probing else "is asking it again now"
    return NotConnected(
        f"{to} has not answered the last {seen.unanswered} requests, which its operator has to mend."
        f" The hub {again}",
        cause="held_back",
    )


# -------------------------------------------------------------------------------------------------- memory
class Breakers:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[int, Seen] = {}

    @contextmanager
    def passing(self, platform: Platform, route: Route, seconds: float) -> Iterator[None]:
        """A relay, which has so many seconds; what comes of it is noted. Raises NotConnected while it is open."""
        began = self._clock()
        probe = self._begin(platform.pk, route, began)
        answered: bool | None = None
        try:
            yield
            answered = True
        except CallFailed as failure:
            answered = heard(failure, seconds)
            raise
        finally:
            self._end(platform, route.sender.key, began, answered, probe)

    def _begin(self, platform_id: int, route: Route, now: float) -> bool:
        """Whether this relay is the one that asks again."""
        with self._lock:
            seen = self._seen.get(platform_id, Seen())
            if not may_pass(seen, now, route.sender.key):
                assert route.to is not None
                raise refusal(route.to, seen, now)
            probe = is_open_for(seen, route.sender.key)
            if probe:
                self._seen[platform_id] = seen._replace(probing=True)
            return probe

    def _end(self, platform: Platform, sender: str, began: float, answered: bool | None, probe: bool) -> None:
        now = self._clock()
        with self._lock:
            before = self._seen.get(platform.pk, Seen())
            if answered:
                after = Seen(answered_at=now)
            elif answered is False:
                after = after_silence(before, began, now, sender, probe=probe)
            else:
                after = before._replace(probing=before.probing and not probe)
            self._seen[platform.pk] = after
        _tell(platform, before, after)


def _tell(platform: Platform, before: Seen, after: Seen) -> None:
    if after.is_open and not before.is_open:
        metrics.relay_breaker_openings.labels(str(platform.pk), platform.name).inc()
        logger.warning(
            "%s has not answered %s requests in a row, of %s: more of %s are answered with 4003, and one at a time"
            " asks it again",
            platform,
            after.unanswered,
            ", ".join(sorted(after.senders)),
            "anybody's" if len(after.senders) > 1 else "those",
        )
    elif before.is_open and not after.is_open:
        logger.info("%s answers again: requests of others reach it", platform)

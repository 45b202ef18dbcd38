"""What the hub does for itself from time to time, whoever finds it due: a worker in its rounds, or beat.

So partitions are prepared though beat has been gone for days, and nothing is done twice though it is there. What
was not finished, because it failed or its process ended, is done again soon.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from ocpi_hub.exchange import clock, hubfailures
from ocpi_hub.exchange.models import Upkeep

logger = logging.getLogger(__name__)

AGAIN = timedelta(minutes=5)  # after a chore that failed
LONGEST = timedelta(hours=1)  # that a chore takes; whoever has not finished it by then is gone


class Chore(NamedTuple):
    name: str
    every: timedelta
    work: Callable[[], object]


_chores: list[Chore] = []


def every(name: str, period: timedelta, work: Callable[[], object]) -> None:
    """Have this done so often, by one process each time; to be registered in AppConfig.ready(). It may run twice."""
    _chores.append(Chore(name, period, work))


def do_what_is_due() -> list[str]:
    """Do it; the names of what was done. What one of them fails on is no matter of the others."""
    return [chore.name for chore in _chores if _claim(chore, clock.now()) and _do(chore)]


# The first one to find it makes the row; of several that find it due one changes it.
_CLAIM = """
INSERT INTO exchange_upkeep (name, due_at) VALUES (%(name)s, %(next)s)
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE exchange_upkeep.due_at <= %(now)s
RETURNING name
"""


def _claim(chore: Chore, now: datetime) -> bool:
    with connection.cursor() as cursor:
        claimed = min(max(chore.every, AGAIN), LONGEST)
        cursor.execute(_CLAIM, {"name": chore.name, "now": now, "next": now + claimed})
        return cursor.fetchone() is not None


def _do(chore: Chore) -> bool:
    began_at = clock.now()
    try:
        chore.work()
    except Exception as error:  # of any kind: the others are done all the same
        logger.exception("the upkeep %r failed; it is tried again in %s", chore.name, AGAIN)
        hubfailures.stopped(f"the upkeep {chore.name!r}", error)
        Upkeep.objects.filter(name=chore.name).update(due_at=clock.now() + AGAIN)
        return False
    Upkeep.objects.filter(name=chore.name).update(due_at=began_at + chore.every)
    return True

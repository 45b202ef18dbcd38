"""Each worker looks for due work by itself every few seconds, so that a lost task or a dead Redis costs seconds.

It runs in threads of its own, beside Celery's, and asks PostgreSQL only.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.signals import worker_init
from django.conf import settings
from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange import clock, lanebreaker, lanes, liveness, outbox, outcomes, sync
from ocpi_hub.partners.directory import directory

logger = logging.getLogger(__name__)

_pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="sweep")
_failing_lanes = threading.BoundedSemaphore(max(1, settings.HUB_WORKER_THREADS // 4))
_rounds: dict[Callable[[], object], threading.Lock] = {}


def every_round(work: Callable[[], object]) -> Callable[[], object]:
    """Have each worker call this in every round, some seconds apart, and beat once a minute.

    An app registers its work in AppConfig.ready(). In one process it never runs twice at once; several
    processes may run it at the same moment, so it claims what it changes. It may take long and do HTTP.
    """
    _rounds.setdefault(work, threading.Lock())
    return work


def drain(platform_id: int) -> int:
    """Work one lane; lanes of partners that fail take at most a quarter of the worker's threads."""
    try:
        if not lanebreaker.is_failing(platform_id):
            return lanes.drain(platform_id)
        if not _failing_lanes.acquire(blocking=False):
            return 0
        try:
            return lanes.drain(platform_id)
        finally:
            _failing_lanes.release()
    finally:
        connection.close()


def pull(platform_id: int, module: str) -> None:
    """Read a list for the first time. Of several who try, one does."""
    try:
        sync.pull_platform(platform_id, module)
    finally:
        connection.close()


def probe(platform_id: int) -> None:
    """Ask a partner whether it is there; one that hangs holds a thread for seconds."""
    try:
        liveness.ask(platform_id)
    finally:
        connection.close()


def rounds() -> list[Callable[[], object]]:
    return list(_rounds)


def run_round(work: Callable[[], object]) -> None:
    """One run of what an app registered, unless the last one is still under way."""
    lock = _rounds[work]
    if not lock.acquire(blocking=False):
        return
    try:
        work()
    except Exception:  # what one app does must not stop what others do
        logger.exception("%s.%s failed; the next round tries again", work.__module__, work.__qualname__)
    finally:
        lock.release()
        connection.close()


def sweep() -> list[int]:
    """Expand what waits, take back what dead workers held, and name the lanes that have something to do."""
    outbox.expand()
    outcomes.recover()
    return lanes.due_platforms(clock.now())


# Not when it is ready: a worker that starts without Redis never is, and has work all the same.
@worker_init.connect
def start(**kwargs: Any) -> None:
    threading.Thread(target=_run, name="sweeper", daemon=True).start()


@worker_init.connect
def remember(**kwargs: Any) -> None:
    """A worker asks of each partner again and again, and hears of changes as a web process does."""
    directory.start()


def _run() -> None:
    pause = threading.Event()
    while not pause.wait(settings.HUB_SWEEP_INTERVAL):
        try:
            for platform_id in sweep():
                _pool.submit(_logged, drain, platform_id)
            for platform_id, module in sync.never_pulled(timezone.now()):
                _pool.submit(_logged, pull, platform_id, module)
            for platform_id in liveness.claim(timezone.now()):
                _pool.submit(_logged, probe, platform_id)
            for work in rounds():
                _pool.submit(run_round, work)
        except Exception:  # the sweep must outlive any fault of a round
            logger.exception("a sweep failed; the next one follows")
        finally:
            connection.close()


def _logged(work: Callable[..., object], platform_id: int, *arguments: object) -> None:
    try:
        work(platform_id, *arguments)
    except Exception:  # a thread pool would swallow it
        logger.exception("work for platform %s stopped on a fault of the hub", platform_id)

"""Each worker looks for due work by itself every few seconds, so that a lost task or a dead Redis costs seconds.

It runs in threads of its own, beside Celery's, and asks PostgreSQL only.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.signals import worker_init, worker_shutting_down
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from ocpi_hub.exchange import clock, hubfailures
from ocpi_hub.exchange.deliveries import holders, lanebreaker, lanes, outcomes
from ocpi_hub.exchange.housekeeping import liveness
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import PullPlan
from ocpi_hub.exchange.pulls import pullplans
from ocpi_hub.partners.directory import directory

logger = logging.getLogger(__name__)

PULLS_AT_ONCE = 8  # in one worker, of which one partner has some (pullplans.py)

_pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="sweep")
_failing_lanes = threading.BoundedSemaphore(max(1, settings.HUB_WORKER_THREADS // 4))
_places = threading.BoundedSemaphore(PULLS_AT_ONCE)
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


def begin_pulls() -> None:
    """Run the plans of pulls that are due, each in a thread of its own, as many at once as this worker may."""
    pullplans.make_missing(clock.now())
    while not pullplans.stopping.is_set() and _places.acquire(blocking=False):
        try:
            plan = pullplans.claim(clock.now())
        except Exception:
            _places.release()
            raise
        if plan is None:
            _places.release()
            return
        # A daemon: a worker that is stopped does not wait for the end of a list.
        threading.Thread(target=_pull, args=[plan], name=f"pull-{plan.pk}", daemon=True).start()


def _pull(plan: PullPlan) -> None:
    try:
        pullplans.run(plan)
    except Exception:  # the thread ends here
        logger.exception("%s stopped on a fault of the hub", plan)
    finally:
        connection.close()
        _places.release()


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
    except Exception as error:  # what one app does must not stop what others do
        logger.exception("%s.%s failed; the next round tries again", work.__module__, work.__qualname__)
        hubfailures.stopped(f"{work.__module__}.{work.__qualname__}", error)
    finally:
        lock.release()
        connection.close()


def sweep() -> list[int]:
    """Expand what waits, take back what dead workers held, and name the lanes that have something to do."""
    _by_itself(outbox.expand)
    _by_itself(holders.give_back)
    _by_itself(outcomes.recover)
    return lanes.due_platforms(clock.now())


def _by_itself(work: Callable[[], object]) -> None:
    """What it fails on is no matter of what comes after it, unless that is the database."""
    try:
        work()
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        name = f"{work.__module__}.{work.__qualname__}"
        logger.exception("%s failed in a sweep; the next one tries again", name)
        hubfailures.stopped(name, error)


def _drain_lanes() -> None:
    for platform_id in sweep():
        _pool.submit(_logged, drain, platform_id)


def _probe() -> None:
    for platform_id in liveness.claim(clock.now()):
        _pool.submit(_logged, probe, platform_id)


def _do_rounds() -> None:
    for work in rounds():
        _pool.submit(run_round, work)


# Not when it is ready: a worker that starts without Redis never is, and has work all the same.
@worker_init.connect
def start(**kwargs: Any) -> None:
    threading.Thread(target=_run, name="sweeper", daemon=True).start()


@worker_init.connect
def remember(**kwargs: Any) -> None:
    """A worker asks of each partner again and again, and hears of changes as a web process does."""
    directory.start()


@worker_shutting_down.connect
def leave_pulls(**kwargs: Any) -> None:
    """Whatever list is being read, another worker goes on with it."""
    pullplans.stopping.set()


def _run() -> None:
    pause = threading.Event()
    while not pause.wait(settings.HUB_SWEEP_INTERVAL):
        try:
            for work in (_drain_lanes, begin_pulls, _probe, _do_rounds):
                _by_itself(work)
        except Exception as error:  # the sweep must outlive any fault of a round
            logger.exception("a sweep failed; the next one follows")
            hubfailures.stopped("a sweep", error)
        finally:
            connection.close()


def _logged(work: Callable[[int], object], platform_id: int) -> None:
    try:
        work(platform_id)
    except Exception as error:  # a thread pool would swallow it
        logger.exception("work for platform %s stopped on a fault of the hub", platform_id)
        hubfailures.stopped(work.__name__, error, platform_id)

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

from ocpi_hub.exchange import lanes, outbox, sync

logger = logging.getLogger(__name__)

_pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="sweep")
_failing_lanes = threading.BoundedSemaphore(max(1, settings.HUB_WORKER_THREADS // 4))


def drain(platform_id: int) -> int:
    """Work one lane; lanes of partners that fail take at most a quarter of the worker's threads."""
    try:
        if not lanes.is_failing(platform_id):
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


def sweep() -> list[int]:
    """Expand what waits, take back what dead workers held, and name the lanes that have something to do."""
    outbox.expand()
    now = timezone.now()
    lanes.recover(now)
    return lanes.due_platforms(now)


# Not when it is ready: a worker that starts without Redis never is, and has work all the same.
@worker_init.connect
def start(**kwargs: Any) -> None:
    threading.Thread(target=_run, name="sweeper", daemon=True).start()


def _run() -> None:
    pause = threading.Event()
    while not pause.wait(settings.HUB_SWEEP_INTERVAL):
        try:
            for platform_id in sweep():
                _pool.submit(_logged, drain, platform_id)
            for platform_id, module in sync.never_pulled(timezone.now()):
                _pool.submit(_logged, pull, platform_id, module)
        except Exception:  # the sweep must outlive any fault of a round
            logger.exception("a sweep failed; the next one follows")
        finally:
            connection.close()


def _logged(work: Callable[..., object], platform_id: int, *arguments: object) -> None:
    try:
        work(platform_id, *arguments)
    except Exception:  # a thread pool would swallow it
        logger.exception("work for platform %s stopped on a fault of the hub", platform_id)

"""Tells the workers that there is something to do, without the request ever waiting for Redis.

`ring()` sets a flag. One thread per process publishes a task when it sees the flag; when Redis does not answer,
the ring is dropped, and the workers find the work by their own sweep (sweeper.py).
"""

import atexit
import logging
import os
import threading
import time

from celery import current_app
from django.conf import settings

from ocpi_hub.exchange import hubfailures

logger = logging.getLogger(__name__)

EXPAND = "ocpi_hub.exchange.tasks.expand"  # by its name, because it stands above all that rings
PAUSE = 1.0  # seconds without trying after Redis did not answer
QUIET = 0.02  # seconds in which further rings are one
PATIENCE = 2.0  # seconds that a process which ends, such as a command, waits for its last ring

_flag = threading.Event()
_lock = threading.Lock()
_owner: int | None = None  # the process whose thread is running; a fork starts its own
_busy = False  # whether the thread is publishing


def ring() -> None:
    """Wake the workers soon. Never blocks, never raises."""
    if settings.HUB_BACKGROUND:  # tests do what waits by themselves
        _ensure_thread()
    _flag.set()


def _ensure_thread() -> None:
    global _owner
    if _owner == os.getpid():
        return
    with _lock:
        if _owner != os.getpid():
            threading.Thread(target=_run, name="doorbell", daemon=True).start()
            atexit.register(finish)
            _owner = os.getpid()


def finish() -> None:
    """Let the last ring be heard: the thread ends with its process, and a command ends soon after it rang."""
    deadline = time.monotonic() + PATIENCE
    while (_flag.is_set() or _busy) and time.monotonic() < deadline:
        time.sleep(0.01)


def _run() -> None:
    global _busy
    while True:
        _busy = False
        _flag.wait()
        _busy = True
        _flag.clear()
        try:
            current_app.send_task(EXPAND, retry=False, expires=60, ignore_result=True)
        except Exception as error:  # noqa: BLE001  # whatever the broker's client raises, the sweep finds the work
            logger.warning(
                "the workers were not rung, they find the work by their sweep: %s", type(error).__name__
            )
            hubfailures.without_redis(f"the workers were not rung: {type(error).__name__}")
            time.sleep(PAUSE)
        time.sleep(QUIET)

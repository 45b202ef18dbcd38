"""Several partners asked at once, until one answer is enough or the time is over (interpretations, P13, P42)."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from functools import cache
from typing import TypeVar

from django.conf import settings
from django.db import connection

from ocpi_hub.errorreports.occurrences import note
from ocpi_hub.exchange.exceptions import HubError, NotAnswered, OCPIError

logger = logging.getLogger(__name__)
T = TypeVar("T")

Work = Callable[[float], T]  # given the seconds that are left


def at_once(
    works: Sequence[Work[T]], seconds: float, enough: Callable[[T | OCPIError], bool]
) -> list[T | OCPIError | None]:
    """What each came to, in their order: NotAnswered when the time is over, None when another was enough.

    What has not begun by then does not begin any more; what has begun ends by its own timeout.
    """
    until = time.monotonic() + seconds
    running = {
        _pool().submit(copy_context().run, _run, work, until): place for place, work in enumerate(works)
    }
    results: list[T | OCPIError | None] = [None] * len(works)
    try:
        for done in as_completed(running, timeout=seconds):
            results[running[done]] = done.result()
            if enough(done.result()):
                break
    except TimeoutError:
        results = [_too_late() if result is None else result for result in results]
    finally:
        for future in running:
            future.cancel()
    return results


@cache
def _pool() -> ThreadPoolExecutor:
    """As many threads as relays may run at once: who finds no place among those ends at once, so nobody queues."""
    return ThreadPoolExecutor(settings.HUB_RELAYS_TOGETHER, thread_name_prefix="authorize")


def _run(work: Work[T], until: float) -> T | OCPIError:
    left = until - time.monotonic()
    try:
        return work(left) if left > 0 else _too_late()
    except OCPIError as error:
        return error
    except Exception as error:  # one of several: the others go on
        logger.exception("a provider was not asked, by a fault of the hub")
        note("hub.fault", None, "tokens", f"a provider was not asked to authorize: {type(error).__name__}")
        return HubError("the hub failed on asking this party")
    finally:
        connection.close()


def _too_late() -> NotAnswered:
    return NotAnswered("no answer in time")

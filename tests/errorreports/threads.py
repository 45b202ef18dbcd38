"""Several at once, each on a thread and a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection


def at_once(*works: Callable[[], Any], seconds: float = 120) -> list[Any]:
    """Run them in threads that start together; what each returned. Whoever takes longer fails the test."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        try:
            start.wait(30)
            return work()
        finally:
            connection.close()

    pool = ThreadPoolExecutor(len(works))
    try:
        return list(pool.map(run, works, timeout=seconds))
    finally:
        pool.shutdown(wait=False)

"""Rows that are written a moment later, by a thread of the process, so that no request waits for them or fails.

For what tells of the work and is not the work itself: error reports, the journal of messages. What cannot be
written, because the database is away for long or more comes than can be written, is dropped, counted and told in
the log once a minute. Whatever must not be lost belongs into the transaction that it is about.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from ocpi_hub import metrics

logger = logging.getLogger(__name__)

Row = TypeVar("Row")

PAUSE = 2.0  # seconds without trying after the database refused
PATIENCE = 5.0  # seconds that a process which ends takes to write what is left
TELL_EVERY = 60.0  # seconds between two lines of the log about what was dropped

_writers: "list[Writer[object]]" = []


class Writer(Generic[Row]):
    """Takes rows from any thread; `write` gets them in batches, in the order in which they came."""

    def __init__(
        self,
        name: str,
        write: Callable[[list[Row]], object],
        *,
        most: int = 10_000,
        batch: int = 500,
        every: float = 0.25,
        weight: Callable[[Row], int] = lambda row: 0,
        most_weight: int = 0,
    ) -> None:
        """At most `most` rows wait; a batch is written `every` so many seconds, at once when it is full.

        Where rows differ much in size, those that wait weigh no more than `most_weight` together.
        """
        self.name, self.batch, self.every, self.most = name, batch, every, most
        self._weight, self.most_weight = weight, most_weight
        self._weighs = 0  # what waits, all together
        self.dropped = 0
        self._write = write
        self._waiting: deque[Row] = deque()
        self._lock = threading.Lock()  # of the thread and the counts; `put` takes it only to start or drop
        self._writing = threading.Lock()  # one batch at a time, so that their order holds
        self._full = threading.Event()
        self._owner: int | None = None  # the process whose thread is running; a fork starts its own
        self._told_at = float("-inf")
        _writers.append(self)  # type: ignore[arg-type]

    def put(self, row: Row) -> None:
        """Have it written soon. Never blocks, never raises."""
        if len(self._waiting) >= self.most or not self._bears(row):
            self._drop(1)
            return
        self._waiting.append(row)
        if len(self._waiting) >= self.batch:
            self._full.set()
        if self._owner != os.getpid():
            self._start()

    def flush(self) -> None:
        """Write what waits, in the calling thread and its transaction; raises what `write` raises."""
        with self._writing:
            while rows := self._take():
                self._relieve(rows)
                self._write(rows)

    def waiting(self) -> int:
        return len(self._waiting)

    def forget(self) -> None:
        self._waiting.clear()
        self._weighs = 0

    def _bears(self, row: Row) -> bool:
        """Whether this row may wait as well; if so, it is counted in."""
        if not self.most_weight:
            return True
        weight = self._weight(row)
        with self._lock:
            fits = self._weighs + weight <= self.most_weight
            self._weighs += weight if fits else 0
        return fits

    def _relieve(self, rows: list[Row]) -> None:
        """These rows do not wait any more."""
        if self.most_weight:
            weight = sum(map(self._weight, rows))
            with self._lock:
                self._weighs -= weight

    def _take(self) -> list[Row]:
        rows: list[Row] = []
        while len(rows) < self.batch and self._waiting:
            rows.append(self._waiting.popleft())
        return rows

    def _start(self) -> None:
        if not settings.HUB_BACKGROUND:  # tests flush by themselves, inside their transaction
            return
        with self._lock:
            if self._owner != os.getpid():
                threading.Thread(target=self._run, name=self.name, daemon=True).start()
                atexit.register(self.finish)
                self._owner = os.getpid()

    def _run(self) -> None:
        while True:
            self._full.wait(self.every)
            self._full.clear()
            while self._waiting and settings.HUB_BACKGROUND:
                if not self._write_one():
                    time.sleep(PAUSE)
                elif len(self._waiting) < self.batch:
                    break  # under load some always wait; batches of a few would cost more than their rows

    def _write_one(self) -> bool:
        """One batch; False when the database is away, and the batch waits at its front again."""
        with self._writing:
            rows = self._take()
            left = deque(rows)
            try:
                self._write_or_drop(rows, left)
            except (OperationalError, InterfaceError) as error:
                self._waiting.extendleft(reversed(left))
                logger.warning("the %s waits: the database refused: %s", self.name, type(error).__name__)
                return False
            finally:
                connection.close()
                self._relieve(rows[: len(rows) - len(left)])
        return True

    def _write_or_drop(self, rows: list[Row], left: deque[Row]) -> None:
        """What can never be written must not hold up all that comes after it. `left` keeps what is not done."""
        try:
            self._write(rows)
        except Exception as error:
            if _is_away(error):
                raise
            if len(rows) > 1:
                for row in rows:
                    self._write_or_drop([row], left)
                return
            logger.exception("a row of the %s is lost to a fault of the hub", self.name)
            self._drop(1)
        for _ in rows:
            left.popleft()

    def _drop(self, count: int) -> None:
        with self._lock:
            self.dropped += count
            metrics.dropped_rows.labels(self.name).inc(count)
            now = time.monotonic()
            tell = now - self._told_at > TELL_EVERY
            self._told_at = now if tell else self._told_at
        if tell:
            logger.warning("rows of the %s are dropped, %d by now: too many wait", self.name, self.dropped)

    def finish(self) -> None:
        """At the end of the process: what waits gets a last chance."""
        end = time.monotonic() + PATIENCE
        while self._waiting and time.monotonic() < end and self._write_one():
            pass


def _is_away(error: Exception) -> bool:
    """Whether the database does not take anything now; a row beyond its limits (class 54) it will never take."""
    beyond_limits = str(getattr(error.__cause__, "sqlstate", None) or "").startswith("54")
    return isinstance(error, OperationalError | InterfaceError) and not beyond_limits


def flush() -> None:
    """Write all that waits in this process, now; for tests and for commands that report on it."""
    for writer in _writers:
        writer.flush()


def forget() -> None:
    """Drop what waits in this process: a test must not write what another one left."""
    for writer in _writers:
        writer.forget()

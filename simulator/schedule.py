"""What a platform does a moment later: answers that follow, and the next step of a charge."""

import heapq
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from time import monotonic

log = logging.getLogger(__name__)
Act = Callable[[], object]
LONGEST = 3600.0  # seconds of one wait; what is due in a thousand years would be too much for the clock


class Schedule:
    """Acts by the moment at which they are due. Nothing happens before `start`, or without `work`."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.changed = threading.Condition()
        self.heap: list[tuple[float, int, Act]] = []
        self.numbers = count()

    def __len__(self) -> int:
        return len(self.heap)

    def after(self, seconds: float, act: Act) -> None:
        with self.changed:
            heapq.heappush(self.heap, (monotonic() + seconds, next(self.numbers), act))
            self.changed.notify()

    def work(self, clock: float) -> int:
        """Do what is due at this moment, but not what that brings about; says how much it was."""
        acts = self.due(clock)
        for act in acts:
            self.do(act)
        return len(acts)

    def due(self, clock: float) -> list[Act]:
        with self.changed:
            acts = []
            while self.heap and self.heap[0][0] <= clock:
                acts.append(heapq.heappop(self.heap)[2])
            return acts

    def do(self, act: Act) -> None:
        try:
            act()
        except Exception as error:  # one act that fails must not end the others
            log.exception("A scheduled act failed")
            self.tell(f"{type(error).__name__}: {error}")

    def start(self, threads: int = 8) -> None:
        threading.Thread(target=self._run, args=(ThreadPoolExecutor(threads),), daemon=True).start()

    def _run(self, pool: ThreadPoolExecutor) -> None:
        while True:
            with self.changed:
                pause = self.heap[0][0] - monotonic() if self.heap else None
                if pause is None or pause > 0:
                    self.changed.wait(None if pause is None else min(pause, LONGEST))
            for act in self.due(monotonic()):
                pool.submit(self.do, act)

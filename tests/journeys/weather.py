"""What happens to receivers while they are pushed to: they answer badly, cut, hang and go away, by chance."""

import os
import random
import signal
import threading
import time
from collections import Counter
from typing import Any

import httpx

from tests.journeys.hub import Simulated
from tests.journeys.processes import wait_until

# How often, and what; `times` is how many requests meet it.
FAULTS: tuple[tuple[int, dict[str, Any]], ...] = (
    (3, {"answer": 500}),
    (2, {"answer": 503, "retry_after": 1}),
    (3, {"answer": 429, "retry_after": 1}),
    (2, {"status_code": 3000}),
    (3, {"cut": True}),
    (3, {"cut": "after"}),
    (3, {"cut": "half"}),
    (2, {"cut": "half", "module": "cdrs"}),
    (2, {"cut": "after", "module": "cdrs"}),
    (1, {"silent": True}),
    (1, {"drip": 0.3}),
    (1, {"away": 3}),
)
STOPPED = 2.0  # seconds that a process hangs as a whole
PAUSE = 1.0  # seconds between two faults of one receiver, at most
LONGEST = 3.0  # seconds that a fault waits for requests
MOST_TIMES = 4


class Weather:
    """A thread for each receiver that lets it misbehave again and again, until it is over; then all behave."""

    def __init__(self, receivers: list[Simulated], seed: object) -> None:
        self.receivers, self.seed = receivers, seed
        self.over = threading.Event()
        self.stopped: Counter[str] = Counter()
        self.threads = [threading.Thread(target=self._run, args=(receiver,)) for receiver in receivers]

    def __enter__(self) -> "Weather":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()
        for receiver in self.receivers:
            wait_until(lambda one=receiver: self._tell(one, {}), 60, f"{receiver.party} is there again")

    def _run(self, receiver: Simulated) -> None:
        chance = random.Random(f"{self.seed}/{receiver.party}/weather")
        while not self.over.wait(PAUSE * chance.random()):
            self._let_it_be_met(receiver)
            if chance.random() < 0.02:
                self._hang(receiver)
                continue
            (fault,) = chance.choices([one for _, one in FAULTS], [often for often, _ in FAULTS])
            times = 1 if fault.keys() & {"silent", "drip"} else chance.randint(1, MOST_TIMES)
            self._tell(receiver, fault if "away" in fault else {**fault, "times": times})

    def _let_it_be_met(self, receiver: Simulated) -> None:
        """The last fault waits for requests that meet it, for a while."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end and not self.over.wait(PAUSE / 4):
            try:
                if receiver.control.get("faults").json() is None:
                    return
            except httpx.HTTPError:
                continue

    def _tell(self, receiver: Simulated, fault: dict[str, Any]) -> bool:
        """Whoever is away does not hear it."""
        try:
            receiver.misbehave(**fault)
        except httpx.HTTPError:
            return False
        return True

    def _hang(self, receiver: Simulated) -> None:
        self.stopped["hung"] += 1
        os.kill(receiver.process.pid, signal.SIGSTOP)
        self.over.wait(STOPPED)
        os.kill(receiver.process.pid, signal.SIGCONT)

    def met(self) -> Counter[str]:
        """Requests that met a fault, by its kind, and how often somebody was away or hung."""
        total = Counter(self.stopped)
        for receiver in self.receivers:
            total.update(receiver.status()["faults_met"])
        return total

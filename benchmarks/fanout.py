"""Deliveries of one worker beside the same PUTs without a database, and beside partners that hang.

Locations are pushed while the worker is stopped; then it goes on, expands them for a hundred eMSPs, delivers them
and records every attempt, and the time runs from there to the last delivery that is written down.
"""

import os
import signal
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial

from benchmarks.bare import FanOut
from benchmarks.figures import Figure, at_least, compared, side_by_side, under
from benchmarks.hub import Hub
from benchmarks.processes import BadRun, answer_of, free_port, serving, wait_until
from benchmarks.pushing import Pusher, operator, provider

NAME = "fanout"
PARTNERS = 100
THREADS = 32  # HUB_WORKER_THREADS
PATIENCE = 300.0  # seconds


def measure(quick: bool) -> list[Figure]:
    locations, rounds = (5, 1) if quick else (60, 5)
    with ExitStack() as stack:
        field = Field(stack, locations)
        field.deliver()
        field.bare()
        sides = side_by_side(field.per_second, field.bare, rounds)
        note = f"{PARTNERS} eMSPs, {locations} Locations, {THREADS} threads, attempts recorded"
        return [
            compared("deliveries of one worker", "/s", "PUTs alone", sides, at_least(0.5), note),
            *(field.beside_the_healthy(hung, rounds) for hung in (1, 10)),
        ]


class Field:
    """A hub with a hundred eMSPs, of which the first hang when they are told to."""

    def __init__(self, stack: ExitStack, locations: int) -> None:
        self.hub = hub = stack.enter_context(Hub())
        self.healthy, self.hung = free_port(), free_port()
        ports = (str(self.healthy), str(self.hung))
        self.receiver = stack.enter_context(
            serving("receiver", self.healthy, hub.folder, "benchmarks.receiver", *ports)
        )
        providers = [provider(number, self.healthy) for number in range(PARTNERS)]
        sender, *registered = hub.register([operator(), *providers])
        self.partners = [one.platform_id for one in registered]
        self.urls = [f"{one.url}/receiver/locations" for one in providers]
        self.pusher = Pusher(hub.port, sender, locations)
        self.locations = locations

    # ------------------------------------------------------------------------------------------ throughput
    def per_second(self) -> float:
        return self.locations * PARTNERS / self.deliver()

    def bare(self) -> float:
        requests = self.pusher.requests
        paths = [request.path.split("/")[-3:] for request in requests]
        question = FanOut(self.urls, paths, [request.body for request in requests], THREADS)
        return float(answer_of("benchmarks.bare", asdict(question)))

    def deliver(self, others: int = 0) -> float:
        """The seconds until all but the first `others` partners have everything."""
        self.hub.settle()
        worker = self.hub.pid("worker")
        os.kill(worker, signal.SIGSTOP)
        try:
            for _ in range(self.locations):
                self.pusher.next()
            ((began,),) = self.hub.sql("SELECT now()")
        finally:
            os.kill(worker, signal.SIGCONT)
        waiting = self.partners[others:]
        wait_until(lambda: not self.is_open(waiting), PATIENCE, "the deliveries have arrived")
        ((count, seconds),) = self.hub.sql(
            "SELECT count(*), extract(epoch FROM max(finished_at) - %s) FROM exchange_delivery"
            " WHERE state = 'DELIVERED' AND tries = 1 AND finished_at > %s AND platform_id = ANY(%s)",
            began,
            began,
            waiting,
        )
        if count != len(waiting) * self.locations:
            raise BadRun(f"{count} of {len(waiting) * self.locations} deliveries arrived at the first try")
        return float(seconds)

    def is_open(self, partners: list[int]) -> bool:
        ((waiting,),) = self.hub.sql(
            "SELECT EXISTS (SELECT FROM exchange_message WHERE expanded_at IS NULL) OR EXISTS (SELECT FROM"
            " exchange_delivery WHERE state IN ('PENDING', 'SENDING') AND platform_id = ANY(%s))",
            partners,
        )
        return bool(waiting)

    # ------------------------------------------------------------------------------------------ who hangs
    def beside_the_healthy(self, hung: int, rounds: int) -> Figure:
        sides = side_by_side(partial(self.with_hung, hung), partial(self.deliver, hung), rounds)
        who = "one partner hangs" if hung == 1 else f"{hung} of {PARTNERS} partners hang"
        return compared(f"time until the others have all, {who}", "s", "nobody hangs", sides, under(1.25))

    def with_hung(self, hung: int) -> float:
        """Each run meets them anew: afterwards they answer what waited and take the rest."""
        self.move(hung, self.hung)
        try:
            seconds = self.deliver(hung)
            if not self.is_open(self.partners[:hung]):
                raise BadRun("the partners that should hang have everything")
            os.kill(self.receiver.pid, signal.SIGUSR1)
            self.hub.settle()
            os.kill(self.receiver.pid, signal.SIGUSR2)
        finally:
            self.move(hung, self.healthy)
        return seconds

    def move(self, count: int, port: int) -> None:
        """Give the first partners another port."""
        self.hub.sql(
            r"UPDATE partners_endpoint SET url = regexp_replace(url, ':\d+/', %s) WHERE platform_id = ANY(%s)",
            f":{port}/",
            self.partners[:count],
        )

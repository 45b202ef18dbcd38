"""What partners that take requests and never answer cost the relays to the others.

Of a hundred providers one hangs, with 200 relays at it, and then ten, with 200 relays at them together. Relays to
the others go on at a steady pace, with and without those at the hung ones in turn, and their p95 is compared.
Nothing that opens a breaker helps here: after each run the hung ones answer what waited, so each run meets them anew.
"""

import math
import os
import signal
import time
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from benchmarks import load
from benchmarks.figures import Figure, at_most, compared, side_by_side, single, under
from benchmarks.hub import Hub, Partner, Registered
from benchmarks.load import Outcome, Request
from benchmarks.processes import BadRun, free_port, serving, threads
from benchmarks.relay import asking

NAME = "bulkhead"
PARTNERS = 100
SENDERS = 10  # of the relays to the others, and as many of those to the hung ones
RELAYS = 200  # at the hung ones
PAUSE = 0.1  # seconds between an answer and the next request of a connection
HUNG = 10  # of the partners, at the most


def measure(quick: bool) -> list[Figure]:
    seconds, rounds = (2.0, 1) if quick else (8.0, 5)
    with ExitStack() as stack:
        hub = stack.enter_context(Hub())
        field = Field(hub, stack)
        field.run(0, 2.0)
        places, threads_before = field.places(), threads(hub.web)
        figures = [line for hung in (1, HUNG) for line in beside_the_healthy(field, hung, seconds, rounds)]
        lost = places - field.places()
        note = f"before, {places} relays could wait for the hung, asked one after the other"
        name = "places for relays that are lost afterwards"
        return [
            *figures,
            single(name, lost, "", at_most(0), note),
            single("threads of the web process", threads(hub.web), "", note=f"{threads_before} before"),
        ]


def beside_the_healthy(field: "Field", hung: int, seconds: float, rounds: int) -> list[Figure]:
    field.others.clear()
    sides = side_by_side(partial(field.run, hung, seconds), partial(field.run, 0, seconds), rounds)
    who = "one partner hangs" if hung == 1 else f"{hung} of {PARTNERS} partners hang"
    count = sum(others.count + others.failed for others in field.others)
    longest = max(others.longest for others in field.others)
    failed = sum(others.failed for others in field.others)
    note = f"{RELAYS} relays at once at the hung, {SENDERS} connections to the others"
    how = ", ".join(sorted({outcome for others in field.others for outcome in others.outcomes}))
    return [
        compared(f"p95 of relays, {who}", "ms", "nobody hangs", sides, under(1.25), note),
        single(f"longest relay, {who}", longest, "ms", at_most(1000, "ms"), f"of {count}"),
        single(f"relays to the others that failed, {who}", failed, "", at_most(0), f"of {count}: {how}"),
    ]


class Field:
    """The hub with its hundred partners, of which the first hang when they are told to."""

    def __init__(self, hub: Hub, stack: ExitStack) -> None:
        self.hub = hub
        self.others: list[Outcome] = []  # of the relays to the others, beside hung partners
        healthy, hung = free_port(), free_port()
        ports = (str(healthy), str(hung))
        self.receiver = stack.enter_context(
            serving("receiver", healthy, hub.folder, "benchmarks.receiver", *ports)
        )
        registered = hub.register(
            [
                *(partner("EMSP", number, healthy) for number in range(2 * SENDERS)),
                *(partner("CPO", number, hung if number < HUNG else healthy) for number in range(PARTNERS)),
            ]
        )
        self.senders, self.burdening = registered[:SENDERS], registered[SENDERS : 2 * SENDERS]
        self.partners = registered[2 * SENDERS :]

    def run(self, hung: int, seconds: float) -> float:
        """The p95 of the relays to the others while so many partners hang, in milliseconds."""
        if not hung:
            return self.to_others(seconds).without_failures().p95
        with self.waiting(self.relays(self.burdening, self.partners[:hung]), RELAYS) as burden:
            self.others.append(self.to_others(seconds))
            self.tell(signal.SIGUSR1)
            waited = burden.outcome().count
        self.tell(signal.SIGUSR2)
        others = self.others[-1]
        if waited < 2 * hung:
            raise BadRun(f"the hung partners were no burden: {waited} of {RELAYS} relays waited for them")
        # Who is refused is quickly answered; that is no relay.
        return math.inf if others.failed > others.count / 20 else others.p95

    def to_others(self, seconds: float) -> Outcome:
        streams = self.relays(self.senders, self.partners[HUNG:])
        with load.started(self.hub.port, streams, seconds, connections=SENDERS, pause=PAUSE) as others:
            return others.outcome()

    def waiting(self, streams: list[list[Request]], count: int) -> AbstractContextManager[load.Load]:
        """Relays that are sent once."""
        return load.started(self.hub.port, streams, 0, connections=count)

    def relays(self, senders: list[Registered], to: list[Registered]) -> list[list[Request]]:
        """Each sender asks one after the other, and no two begin with the same."""
        begin = [number * len(to) // len(senders) for number in range(len(senders))]
        return [
            [asking(sender, one)[0] for one in to[first:] + to[:first]]
            for first, sender in zip(begin, senders, strict=True)
        ]

    def tell(self, number: int) -> None:
        """USR1: the hung answer what waits, and go on answering; USR2: they hang again."""
        os.kill(self.receiver.pid, number)

    def places(self) -> int:
        """How many relays the hub lets wait for each of the hung alone, in all: none more finds a place."""
        return sum(self.places_of(one) for one in self.partners[:HUNG])

    def places_of(self, to: Registered) -> int:
        # All of one sender: whoever has nothing waiting there may go beyond the limit, in whatever order they come.
        relays = [[asking(self.burdening[0], to)[0]]]
        with self.waiting(relays, 2 * SENDERS) as burden:
            time.sleep(1)  # until each of them waits or was refused; nothing else tells
            self.tell(signal.SIGUSR1)
            waited = burden.outcome().count
        self.tell(signal.SIGUSR2)
        return waited


def partner(role: str, number: int, port: int) -> Partner:
    country_code = "NL" if role == "CPO" else "DE"
    name = f"{role.lower()} {number}"
    return Partner(
        name, f"http://127.0.0.1:{port}/{name.replace(' ', '')}", (f"{country_code}-{number:03d}-{role}",)
    )

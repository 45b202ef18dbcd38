"""What a push costs its sender when many receive it: the worker expands the Message, so it should cost nothing.

Hubs with 1, 100 and 1,000 eMSPs connected stand beside each other. One Location is pushed at one of them at a
time, and the next one when everybody has it.
"""

from contextlib import ExitStack

from benchmarks.figures import Figure, at_most, compared, side_by_side
from benchmarks.hub import Hub
from benchmarks.processes import free_port, serving
from benchmarks.pushing import Pusher, operator, provider

NAME = "expansion"
LOCATIONS = 50
WARM_UP = 3  # pushes


def measure(quick: bool) -> list[Figure]:
    rounds = 3 if quick else 15
    with ExitStack() as stack:
        one, *more = [Side(stack, count) for count in ((1, 20) if quick else (1, 100, 1000))]
        return [
            compared(
                f"answer to a push of a Location, {many.count} eMSPs",
                "ms",
                "with 1 eMSP",
                side_by_side(many.push, one.push, rounds),
                at_most(1.2),
            )
            for many in more
        ]


class Side:
    """A hub with so many eMSPs."""

    def __init__(self, stack: ExitStack, count: int) -> None:
        self.count = count
        self.hub = stack.enter_context(Hub())
        port = free_port()
        stack.enter_context(serving("receiver", port, self.hub.folder, "benchmarks.receiver", str(port)))
        sender, *_ = self.hub.register([operator(), *(provider(number, port) for number in range(count))])
        self.pusher = Pusher(self.hub.port, sender, LOCATIONS)
        for _ in range(WARM_UP):
            self.push()

    def push(self) -> float:
        milliseconds = self.pusher.next()
        self.hub.settle()
        return milliseconds

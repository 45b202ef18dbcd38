"""What the journal of every hop costs relays and pushes, beside a hub without it; how fast it finds a journey.

Two hubs alike stand side by side, one of them with HUB_JOURNAL=off, and ask the same partner process. A journey is
looked for through the page of the admin, among the hops of 100,000 messages.
"""

from contextlib import ExitStack
from functools import partial

from benchmarks import relay, sessions
from benchmarks.figures import Figure, at_least, compared, side_by_side, single, under
from benchmarks.hub import Hub
from benchmarks.load import Request, Side, cpu_of
from benchmarks.processes import BadRun, answer_of, free_port, serving

NAME = "journal"
LEAST = 0.95  # of what the hub does without it


def measure(quick: bool) -> list[Figure]:
    # Many short rounds: the difference is small beside what else a machine does.
    seconds, rounds, messages = (1.0, 1, 2_000) if quick else (2.0, 21, 100_000)
    return [*cost(seconds, rounds), *search(messages)]


# -------------------------------------------------------------------------------------------------- its cost
class Loaded:
    """A hub with its partners, and the requests that they send."""

    def __init__(self, stack: ExitStack, journal: str) -> None:
        self.hub = stack.enter_context(Hub(HUB_JOURNAL=journal, HUB_JOURNAL_MB="10000"))
        port = free_port()
        stack.enter_context(serving("receiver", port, self.hub.folder, "benchmarks.receiver", str(port)))
        operators, providers = relay.partners(self.hub, f"http://127.0.0.1:{port}")
        self.side = Side(self.hub.port, self.hub.web)
        self.streams = {
            "relay of GET tokens/<uid>": [
                relay.asking(one, to) for one, to in zip(providers, operators, strict=True)
            ],
            "PUT Session, worker paused": [
                sessions.pushing(one, to) for one, to in zip(operators, providers, strict=True)
            ],
        }

    def run(self, streams: list[list[Request]], seconds: float) -> float:
        return self.side.run(streams, seconds)


def cost(seconds: float, rounds: int) -> list[Figure]:
    figures = []
    with ExitStack() as stack:
        full, off = Loaded(stack, "full"), Loaded(stack, "off")
        for one in (full, off):
            stack.enter_context(sessions.paused(one.hub.pid("worker")))
        for name, streams in full.streams.items():
            same = off.streams[name]
            full.side.warm_up(streams, seconds)
            off.side.warm_up(same, seconds)
            sides = side_by_side(partial(full.run, streams, seconds), partial(off.run, same, seconds), rounds)
            note = cpu_of(full.side, off.side)
            figures.append(
                compared(f"{name}, with the journal", "requests/s", "without", sides, at_least(LEAST), note)
            )
        must_have_noted(full.hub, off.hub)
    return figures


def must_have_noted(full: Hub, off: Hub) -> None:
    (((hops,),), ((none,),)) = (hub.sql("SELECT count(*) FROM journal_hop") for hub in (full, off))
    dropped = "rows of the journal are dropped" in full.log("web")
    if not hops or none or dropped:
        raise BadRun(f"{hops} hops with the journal, {none} without; dropped: {dropped}")


# ------------------------------------------------------------------------------------------------ a journey
def search(messages: int) -> list[Figure]:
    with Hub() as hub:
        pair = relay.partners(hub, "http://127.0.0.1:9")
        operator, provider = (side[0].platform_id for side in pair)
        question = {"messages": messages, "operator": operator, "provider": provider}
        said = answer_of("benchmarks.journeys", question, env=hub.env, timeout=900)
    among = f"among {messages:,} messages"
    figures = []
    for asked, found in said["found"].items():
        if found["shown"] not in ("2 hops", "10 journeys", "50 journeys"):
            raise BadRun(f"the search by {asked} shows {found['shown']}")
        note = f"the whole page with {found['shown']}, the slowest of {said['times']}"
        name = f"journey by {asked}, {among}"
        figures.append(single(name, found["milliseconds"], "ms", under(1000, "ms"), note))
    note = f"with its indexes, of {said['hops']:,} hops of Sessions"
    return [*figures, single("disk of a hop", said["bytes"], "bytes", note=note)]

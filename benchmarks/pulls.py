"""A partner's 80,000 Locations pulled by the worker into an empty hub: how fast, and in how much memory.

Then 50,000 that come once more with new time stamps alone, and one with a new name: what goes out to a provider.

Each pull has a hub of its own, and so a worker whose peak of memory is that of the pull alone.
"""

from contextlib import ExitStack
from statistics import median

from benchmarks.figures import Figure, at_most, compared, side_by_side, single
from benchmarks.hub import Hub, Partner
from benchmarks.processes import BadRun, free_port, memory_peak, serving, wait_until

NAME = "pulls"
PATIENCE = 900.0  # seconds


def measure(quick: bool) -> list[Figure]:
    few, many, rounds = (500, 2_000, 1) if quick else (20_000, 80_000, 3)
    speeds: list[float] = []

    def peak(count: int) -> float:
        per_second, megabytes = pulled(count)
        if count == many:
            speeds.append(per_second)
        return megabytes

    sides = side_by_side(lambda: peak(many), lambda: peak(few), rounds)
    return [
        single(f"pull of {many:,} Locations", median(speeds), "objects/s", note=f"median of {rounds}"),
        single(f"peak memory of the worker, {many:,}", sides.value, "MB", at_most(300, "MB")),
        compared(f"peak memory of the worker, {many:,}", "MB", f"with {few:,}", sides, at_most(1.2)),
        *restamped(2_000 if quick else 50_000),
    ]


def pulled(count: int) -> tuple[float, float]:
    """Objects a second, and the worker's peak of memory in megabytes."""
    with ExitStack() as stack:
        hub, port = stack.enter_context(Hub()), free_port()
        command = ("benchmarks.sender", str(port), str(count))
        stack.enter_context(serving("sender", port, hub.folder, *command))
        url = f"http://127.0.0.1:{port}"
        hub.register([Partner("operator", url, ("NL-ABC-CPO",), ("locations",), ("SENDER",))])
        # A worker pulls what nobody has begun to pull half a minute after the registration.
        hub.sql("UPDATE partners_platform SET connected_at = now() - interval '1 minute'")
        done = "SELECT id FROM exchange_pull WHERE state <> 'RUNNING'"
        wait_until(lambda: hub.sql(done), PATIENCE, "the pull is over")
        ((received, new, state, error, seconds),) = hub.sql(
            "SELECT received, new, state, error, extract(epoch FROM finished_at - started_at) FROM exchange_pull"
        )
        if (received, new, state) != (count, count, "DONE"):
            raise BadRun(f"{received} of {count} were pulled, {new} of them new: {state} {error}")
        return count / float(seconds), memory_peak(hub.pid("worker"))


def restamped(count: int) -> list[Figure]:
    """Deliveries of what did not change; the one that did shows that others would have gone out."""
    with ExitStack() as stack:
        hub, listing, taking = stack.enter_context(Hub()), free_port(), free_port()
        stack.enter_context(
            serving("sender", listing, hub.folder, "benchmarks.sender", str(listing), str(count))
        )
        stack.enter_context(serving("receiver", taking, hub.folder, "benchmarks.receiver", str(taking)))
        operator = Partner(
            "operator", f"http://127.0.0.1:{listing}", ("NL-ABC-CPO",), ("locations",), ("SENDER",)
        )
        hub.register([operator])
        hub.sql("UPDATE partners_platform SET connected_at = now() - interval '1 minute'")
        wait_until(lambda: hub.sql(DONE) == [(1,)], PATIENCE, "the first pull is over")
        hub.settle()
        provider = Partner(
            "provider", f"http://127.0.0.1:{taking}", ("DE-MSP-EMSP",), ("locations",), ("RECEIVER",)
        )
        hub.register([provider])
        hub.sql("UPDATE exchange_pullplan SET wanted = 'ALL', wanted_at = now()")
        wait_until(lambda: hub.sql(DONE) == [(2,)], PATIENCE, "the second pull is over")
        hub.settle()
        ((received, changed, unchanged, seconds),) = hub.sql(
            "SELECT received, changed, unchanged, extract(epoch FROM finished_at - started_at)"
            " FROM exchange_pull ORDER BY id DESC LIMIT 1"
        )
        ((deliveries,),) = hub.sql("SELECT count(*) FROM exchange_delivery")
        if (received, changed, unchanged, deliveries > 0) != (count, 1, count - 1, True):
            raise BadRun(f"of {received} {changed} changed, {unchanged} did not: {deliveries} deliveries")
        return [
            single(f"deliveries of {count - 1:,} re-stamped Locations", deliveries - changed, "", at_most(0)),
            single(f"pull of {count:,} re-stamped Locations", count / float(seconds), "objects/s"),
        ]


DONE = "SELECT count(*) FROM exchange_pull WHERE state = 'DONE'"

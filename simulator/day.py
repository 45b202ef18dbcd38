"""A day of traffic, in a few minutes: drivers come by the hour of the day, by card and by app, and go again."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import NamedTuple

import httpx

from simulator import ocpi
from simulator.cars import ARRIVALS
from simulator.story import Told
from simulator.terminal import Failed

HOURS = 24
NEWS_EVERY = 10.0  # seconds
REMOTE = 0.3  # of all charges are started from the eMSP's app
STOPPED = 0.4  # of these are stopped by it as well
THREADS = 16
NEEDED = ("tokens SENDER", "sessions RECEIVER", "cdrs RECEIVER")
QUIET = 5.0  # seconds without movement, after which nothing more is expected
PATIENCE = 120.0  # seconds for what is under way at midnight
NAMED = 3  # missing objects that are named


class Event(NamedTuple):
    hour: float  # of the day
    what: str  # card, start, stop
    reference: str


def events(chance: random.Random, charges: int, remote: float = REMOTE) -> list[Event]:
    """What drivers do on this day, in order."""
    found = []
    for number in range(charges):
        hour = chance.choices(range(HOURS), ARRIVALS)[0] + chance.random()
        if chance.random() >= remote:
            found.append(Event(hour, "card", ""))
            continue
        reference = f"day-{chance.getrandbits(48):012x}-{number}"
        found.append(Event(hour, "start", reference))
        if chance.random() < STOPPED:
            found.append(Event(hour + chance.uniform(0.2, 2), "stop", reference))
    return sorted(one for one in found if one.hour < HOURS)


class Day:
    """So many charges, while a day passes in so many minutes; `say` writes a line, `look` watches the processes."""

    def __init__(
        self,
        cpo: Told,
        emsp: Told,
        charges: int,
        minutes: float,
        say: Callable[[str], None],
        look: Callable[[], None],
        seed: str = "1",
    ) -> None:
        self.cpo, self.emsp, self.say, self.look = cpo, emsp, say, look
        self.charges, self.seconds = charges, minutes * 60
        offers = self.cpo.status()["hub_offers"]
        self.lacking = [name for name in NEEDED if name not in offers]
        self.remote = REMOTE if "commands RECEIVER" in offers else 0.0
        self.events = events(random.Random(f"{seed}/day"), charges, self.remote)
        self.refused: Counter[str] = Counter()  # charges that did not come about, by reason
        self.failed = 0
        self.began = 0.0

    def tell(self) -> None:
        if self.lacking:
            self.say(f"A day of charges does not pass: the hub has no {' and no '.join(self.lacking)}")
            return
        self.say(
            f"A day of {self.charges:,} charges passes in {self.seconds / 60:g} min, "
            f"{100 * (1 - self.remote):.0f} % by card and {100 * self.remote:.0f} % from the app"
        )
        self.before = self.seen()
        midnight = (ocpi.now() - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        self.cpo.post("clock", speed=86_400 / self.seconds, at=ocpi.format_time(midnight))
        pool = ThreadPoolExecutor(THREADS)
        try:
            self.pass_by(pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        self.cpo.post("stop")
        self.settle()
        self.cpo.post("clock")
        for line in self.summary():
            self.say(line)

    # -- while it passes

    def pass_by(self, pool: ThreadPoolExecutor) -> None:
        self.began = time.monotonic()
        news = self.began + NEWS_EVERY
        waiting = list(reversed(self.events))
        while self.hour < HOURS:
            while waiting and waiting[-1].hour <= self.hour:
                pool.submit(self.do, waiting.pop())
            if time.monotonic() >= news:
                self.look()
                self.say(f"{self.clock}  {self.news()}")
                news += NEWS_EVERY
            time.sleep(0.02)

    @property
    def hour(self) -> float:
        return (time.monotonic() - self.began) / self.seconds * HOURS

    @property
    def clock(self) -> str:
        minutes = min(int(self.hour * 60), HOURS * 60 - 1)
        return f"{minutes // 60:02}:{minutes % 60:02}"

    def do(self, event: Event) -> None:
        try:
            if event.what == "card":
                self.card()
            else:
                self.app(event)
        except (httpx.HTTPError, Failed, ValueError, LookupError) as error:  # the others go on
            self.failed += 1
            self.refused[type(error).__name__] += 1

    def card(self) -> None:
        told = self.cpo.post("charge")
        if not told["session"]:
            self.refused[told.get("problem") or told["allowed"]] += 1

    def app(self, event: Event) -> None:
        try:
            order = self.emsp.post("command", command=event.what, reference=event.reference)
        except Failed as error:  # nothing is free, or the Session that was to be stopped is over
            if event.what == "start":
                self.refused[str(error).rpartition(": ")[2]] += 1
            return
        if event.what == "start" and order["state"] == "refused":
            self.refused[
                (order["response"] or {}).get("result") or f"{order['status_code']} {order['message']}"
            ] += 1

    # -- what is counted

    def seen(self) -> dict[str, int]:
        cpo, emsp = self.cpo.status(), self.emsp.status()
        queues = cpo["pushes_by_module"]
        commands = emsp["commands"]
        return {
            "authorizations": sum(cpo["authorizations"].values()),
            "allowed": cpo["authorizations"].get("ALLOWED", 0) + cpo["authorizations"].get("WHITELIST", 0),
            "status changes": cpo["changes"],
            "sessions": cpo["charging"]["started"],
            "sessions received": emsp["received"]["sessions"],
            "patches": emsp["received_by_method"]["sessions"].get("PATCH", 0),
            "puts": emsp["received_by_method"]["sessions"].get("PUT", 0),
            "CDRs sent": queues["cdrs"]["sent"],
            "CDRs received": emsp["received"]["cdrs"],
            "commands": commands["total"],
            "commands accepted": sum(commands.get(state, 0) for state in ("accepted", "overdue", "done")),
            "results": commands.get("done", 0),
            **{name: count for name, count in commands.items() if name.startswith("result ")},
            "refused": sum(queue["refused"] for queue in queues.values()),
            "failed": sum(queue["failed"] for queue in queues.values()) + cpo["results"]["failed"],
            "requests": emsp["requests"] + cpo["requests"],
        }

    def now(self) -> dict[str, int]:
        return {name: count - self.before.get(name, 0) for name, count in self.seen().items()}

    def waiting(self) -> int:
        """What is still to be sent, charged or answered."""
        cpo, emsp = self.cpo.status(), self.emsp.status()
        pending = sum(queue["pending"] for queue in cpo["pushes_by_module"].values())
        return int(pending + cpo["charging"]["running"] + emsp["commands"].get("accepted", 0))

    def news(self) -> str:
        seen, cpo = self.now(), self.cpo.status()
        pending = sum(queue["pending"] for queue in cpo["pushes_by_module"].values())
        return (
            f"{seen['authorizations']:,} authorizations, {seen['sessions']:,} sessions "
            f"({cpo['charging']['running']:,} charging), {seen['patches']:,} patches {seen['puts']:,} puts, "
            f"CDRs {seen['CDRs sent']:,} sent {seen['CDRs received']:,} received, "
            f"{seen['commands']:,} commands {seen['results']:,} results, "
            f"{seen['refused']:,} refused, {seen['failed'] + self.failed:,} failed, {pending:,} waiting"
        )

    def settle(self) -> None:
        """Midnight: every car leaves, and what that brings about is awaited as long as something moves."""
        deadline = time.monotonic() + PATIENCE
        last, since = self.seen(), time.monotonic()
        while time.monotonic() < deadline:
            self.look()
            seen = self.seen()
            whole = seen["CDRs sent"] - self.before["CDRs sent"] == self.now()["CDRs received"]
            if not self.waiting() and whole and self.missing("sessions") == []:
                return
            if seen != last:
                last, since = seen, time.monotonic()
            elif time.monotonic() - since > QUIET and not self.waiting():
                return
            time.sleep(0.5)

    def missing(self, module: str) -> list[str]:
        """What the CPO has and the eMSP has not, or has otherwise."""
        sent, received = self.cpo.get(f"digests/{module}"), self.emsp.get(f"digests/{module}")
        return sorted(key for key, digest in sent.items() if received.get(key) != digest)

    def summary(self) -> Iterator[str]:
        seen = self.now()
        results = {
            name.removeprefix("result "): seen[name]
            for name in seen
            if name.startswith("result ") and seen[name]
        }
        results.pop("ACCEPTED", None)
        self.refused.update(results)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.refused.most_common())
        yield (
            f"The day is over: {self.charges:,} charges wanted, {seen['sessions']:,} charged"
            + (f"; not: {reasons}" if reasons else "")
        )
        yield f"Authorizations: {seen['authorizations']:,}, of which {seen['allowed']:,} may charge"
        yield from self.balance("Sessions", "sessions", seen["sessions"], seen["sessions received"])
        yield from self.balance("CDRs", "cdrs", seen["CDRs sent"], seen["CDRs received"])
        yield (
            f"Commands: {seen['commands']:,} sent, {seen['commands accepted']:,} accepted, "
            f"{seen['results']:,} results"
        )
        if seen["refused"] or seen["failed"] or self.failed:
            yield (
                f"Pushes: {seen['refused']:,} refused for good, {seen['failed']:,} failed and were sent again; "
                f"{self.failed:,} calls of the simulator failed"
            )

    def balance(self, title: str, module: str, sent: int, received: int) -> Iterator[str]:
        missing = self.missing(module)
        if not missing:
            yield f"{title}: {sent:,} sent, {received:,} received, all with the same content"
            return
        named = ", ".join(missing[:NAMED]) + (
            f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        )
        yield f"{title}: {sent:,} sent, {received:,} received; not the same at the eMSP: {named}"

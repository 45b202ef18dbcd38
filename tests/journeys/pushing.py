"""Changes that an owner pushes in order, each again until it is acknowledged, as a partner's own outbox would."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import count

import httpx

from simulator import ocpi
from tests.journeys.changing import Change, Changing, Document
from tests.journeys.hub import Simulated

GIVES_UP = 0.2  # of the changes without an acknowledgement are followed by a newer state instead


class Pusher:
    """Some threads, each with objects of its own; `release` lets them make so many changes."""

    def __init__(
        self, sender: Simulated, objects: Iterable[Changing], threads: int = 4, seed: object = 0
    ) -> None:
        self.sender, self.objects, self.seed = sender, list(objects), seed
        self.acknowledged = self.released = self.changes = 0
        self.answers: Counter[str] = Counter()
        self.without_envelope: list[str] = []
        self.refused: list[str] = []
        self.truth: dict[str, dict[str, Document | None]] = defaultdict(dict)  # what was acknowledged last
        self.readers: dict[tuple[str, str], str] = {}  # of what is for one party, by module and key
        self.pushed: Counter[str] = Counter()  # by module
        self.numbers = count(1)
        self.over = False
        self.turn = threading.Condition()
        self.threads = [
            threading.Thread(target=self.work, args=(number, self.objects[number::threads]))
            for number in range(min(threads, len(self.objects)))
        ]

    def __enter__(self) -> "Pusher":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.turn:
            self.over = True
            self.turn.notify_all()
        for thread in self.threads:
            thread.join()

    def release(self, changes: int) -> None:
        with self.turn:
            self.released += changes
            self.turn.notify_all()

    @property
    def done(self) -> bool:
        return self.acknowledged == self.released

    def expected(self, module: str = "locations") -> dict[str, Document]:
        """The final state of every object that was pushed, as the partners key it."""
        return {key: state for key, state in self.truth[module].items() if state is not None}

    # ---------------------------------------------------------------------------------------------- at work
    def work(self, thread: int, mine: list[Changing]) -> None:
        chance = random.Random(f"{self.seed}/{self.sender.party}/{thread}")
        with httpx.Client(base_url=self.sender.http.base_url, trust_env=False, timeout=10) as http:
            while self.may_go_on():
                self.insist(http, chance.choice(mine), chance)

    def may_go_on(self) -> bool:
        with self.turn:
            self.turn.wait_for(lambda: self.over or self.changes < self.released)
            self.changes += not self.over
            return not self.over

    def insist(self, http: httpx.Client, changing: Changing, chance: random.Random) -> None:
        """Push one change until it is acknowledged; now and then it is overtaken by a newer one meanwhile."""
        change = changing.change(next(self.numbers))
        again = False
        while not self.accepted(http, change, again):
            if self.over:
                return
            time.sleep(0.1)
            again = True
            if change.method != "POST" and chance.random() < GIVES_UP:
                change = changing.change(next(self.numbers), whole=True)
        with self.turn:
            self.acknowledged += 1
            self.pushed[change.module] += 1
            self.truth[change.module][change.key] = change.state
            if change.reader:
                self.readers[change.module, change.key] = change.reader

    def accepted(self, http: httpx.Client, change: Change, again: bool) -> bool:
        url = f"receiver/{change.module}/{change.path}".rstrip("/")
        body = None if change.body is None else ocpi.encode(change.body)
        headers = {**self.sender.headers, **ocpi.routing(None, change.sender)}
        try:
            answer = http.request(change.method, url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self.note(type(error).__name__)
            return False
        self.note(f"HTTP {answer.status_code}")
        try:
            code = answer.json()["status_code"]
        except (ValueError, KeyError):
            self.without_envelope.append(f"HTTP {answer.status_code} {answer.text[:200]}")
            return False
        # Whoever deletes again what may be deleted already hears that there is none.
        gone = again and change.method == "DELETE" and answer.status_code == 404
        if code // 1000 == 2 and not gone:
            self.refused.append(f"{change.method} {url}: {answer.text[:300]}")
        return gone or bool(answer.status_code < 300 and code == 1000)

    def note(self, answer: str) -> None:
        with self.turn:
            self.answers[answer] += 1

"""Changes that an owner pushes in order, each again until it is acknowledged, as a CPO's own outbox would."""

import threading
import time
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from simulator import ocpi
from tests import examples
from tests.journeys.hub import Simulated

Document = dict[str, Any]
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED")


class Pusher:
    """Some threads, each with Locations of its own; `release` lets them make so many changes."""

    def __init__(self, cpo: Simulated, objects: int = 24, threads: int = 4) -> None:
        self.cpo = cpo
        self.documents = [self.location(number) for number in range(objects)]
        self.acknowledged = self.released = self.changes = 0
        self.answers: Counter[str] = Counter()
        self.without_envelope: list[str] = []
        self.seconds: list[float] = []
        self.over = False
        self.turn = threading.Condition()
        self.threads = [
            threading.Thread(target=self.work, args=(self.documents[number::threads],))
            for number in range(threads)
        ]

    def location(self, number: int) -> Document:
        country_code, party_id = self.cpo.party
        owner = {"country_code": country_code, "party_id": party_id, "id": f"LOC{number}"}
        return examples.location(**owner, evses=[examples.evse(uid="1"), examples.evse(uid="2")])

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

    def expected(self) -> dict[str, Document]:
        """The final state of every Location that was pushed, as the partners key it."""
        return {
            "/".join((*self.cpo.party, doc["id"])).upper(): doc for doc in self.documents if "name" in doc
        }

    # ---------------------------------------------------------------------------------------------- at work
    def work(self, mine: list[Document]) -> None:
        with httpx.Client(base_url=self.cpo.http.base_url, trust_env=False, timeout=10) as http:
            turn = 0
            while (number := self.next_change()) is not None:
                self.change(http, mine[turn % len(mine)], number)
                turn += 1

    def next_change(self) -> int | None:
        with self.turn:
            self.turn.wait_for(lambda: self.over or self.changes < self.released)
            if self.over:
                return None
            self.changes += 1
            return self.changes

    def change(self, http: httpx.Client, document: Document, number: int) -> None:
        """By turns the whole Location, an EVSE, and a status by PATCH; a Location comes whole at first."""
        stamp = ocpi.format_time(BEGIN + timedelta(milliseconds=number))
        evse = document["evses"][number % 2]
        status = STATUSES[number % 3]
        path = self.cpo.path(document["id"])
        if "name" not in document or number % 5 == 0:
            document |= {"name": f"Change {number}", "last_updated": stamp}
            method, body = "PUT", deepcopy(document)
        else:
            evse |= {"status": status, "last_updated": stamp}
            document["last_updated"] = stamp
            path += f"/{evse['uid']}"
            whole = number % 5 == 1
            method = "PUT" if whole else "PATCH"
            body = deepcopy(evse) if whole else {"status": status, "last_updated": stamp}
        self.insist(http, method, path, ocpi.encode(body))

    def insist(self, http: httpx.Client, method: str, path: str, body: bytes) -> None:
        while not self.accepted(http, method, path, body) and not self.over:
            time.sleep(0.1)
        with self.turn:
            self.acknowledged += 1

    def accepted(self, http: httpx.Client, method: str, path: str, body: bytes) -> bool:
        began = time.perf_counter()
        try:
            answer = http.request(method, path, content=body, headers=self.cpo.headers)
        except httpx.HTTPError as error:
            self.note(type(error).__name__)
            return False
        self.note(f"HTTP {answer.status_code}")
        try:
            code = answer.json()["status_code"]
        except (ValueError, KeyError):
            self.without_envelope.append(f"HTTP {answer.status_code} {answer.text[:200]}")
            return False
        self.seconds.append(time.perf_counter() - began)
        return bool(answer.status_code < 300 and code == 1000)

    def note(self, answer: str) -> None:
        with self.turn:
            self.answers[answer] += 1

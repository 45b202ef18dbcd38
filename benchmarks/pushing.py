"""A CPO that pushes Locations one after the other over one connection, and the eMSPs that get them."""

import time
from collections.abc import Iterator

from benchmarks import documents, load
from benchmarks.hub import Partner, Registered
from benchmarks.load import Connection, Request
from benchmarks.processes import BadRun

OPERATOR = "NL-ABC"
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def operator() -> Partner:
    """One that offers no lists, so that nothing is pulled from it."""
    return Partner("operator", "http://127.0.0.1:9", (f"{OPERATOR}-CPO",), ("locations",), ("RECEIVER",))


def provider(number: int, port: int) -> Partner:
    """One of many; it takes Locations and nothing else."""
    party_id = "".join(_LETTERS[number // share % 36] for share in (1296, 36, 1))
    url = f"http://127.0.0.1:{port}/{number}"
    return Partner(f"provider {number}", url, (f"DE-{party_id}-EMSP",), ("locations",), ("RECEIVER",))


class Pusher:
    """`next()` pushes the next Location as it is now; each of them comes again and again."""

    def __init__(self, port: int, sender: Registered, count: int) -> None:
        self.requests = [request(number, sender) for number in range(count)]
        self.pushed = 0
        self.connection = Connection(port, self.bytes_of(f"127.0.0.1:{port}"))

    def bytes_of(self, host: str) -> Iterator[bytes]:
        while True:
            yield self.requests[self.pushed % len(self.requests)].raw(host)
            self.pushed += 1

    def next(self) -> float:
        """How many milliseconds the answer took."""
        # The hub may have closed a connection on which nothing came for a while.
        self.connection.socket.close()
        self.connection.connect()
        self.connection.send()
        while not self.connection.receive():
            pass
        seconds = time.perf_counter() - self.connection.began
        outcome = self.connection.outcome()
        if not outcome.endswith("/1000"):
            raise BadRun(f"a push was answered by {outcome}")
        return seconds * 1000


def request(number: int, sender: Registered) -> Request:
    location = documents.location(number, *OPERATOR.split("-")) | {"last_updated": load.NOW}
    path = f"/ocpi/2.2.1/receiver/locations/{OPERATOR.replace('-', '/')}/{location['id']}"
    return Request("PUT", path, sender.headers(), documents.compact(location))

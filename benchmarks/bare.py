"""The PUTs of a fan-out and nothing else: JSON in, JSON out, in a process of its own.

The hub's own clients, one for each partner, and as many threads as a worker has; no database, no queue, no record
of what became of it. A thread works for one partner at a time, as a drain does.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ocpi_hub.protocol.client import PlatformClient, join
from ocpi_hub.protocol.headers import MessageIDs, Routing
from ocpi_hub.protocol.types import PartyRef

ROUTING = Routing(to=PartyRef("DE", "MSP"), sender=PartyRef("NL", "HUB"))


@dataclass(frozen=True)
class FanOut:
    urls: list[str]  # of the partners' Receiver endpoints
    segments: list[list[str]]  # of each object below it
    bodies: list[str]
    threads: int

    def per_second(self) -> float:
        clients = [PlatformClient("token", allow_private=True) for _ in self.urls]
        began = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            done = sum(pool.map(self.send, clients, self.urls))
        return done / (time.perf_counter() - began)

    def send(self, client: PlatformClient, url: str) -> int:
        for segments, body in zip(self.segments, self.bodies, strict=True):
            address = join(url, *segments)
            answer = client.request("PUT", address, ids=MessageIDs.new(), routing=ROUTING, body=body.encode())
            if not answer.ok:
                raise SystemExit(f"{address} answered {answer.http_status}")
        return len(self.bodies)


def main() -> None:
    question: dict[str, Any] = json.load(sys.stdin)
    json.dump(FanOut(**question).per_second(), sys.stdout)


if __name__ == "__main__":
    main()

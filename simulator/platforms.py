"""A platform: what a CPO and an eMSP have in common. Parties, own objects, received ones, and the hub."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from simulator import documents, ocpi
from simulator.endpoints import Endpoints
from simulator.hub import Client, Refused, Reply, Unreachable, join, with_query
from simulator.interfaces import Receiver, Sender
from simulator.objects import Item, Module, Objects
from simulator.ocpi import OCPIError, Party
from simulator.pulling import Pull
from simulator.pushing import Part, Pushes
from simulator.registration import Registration
from simulator.schedule import Schedule
from simulator.server import Answer, Request
from simulator.state import State


@dataclass(frozen=True, slots=True)
class Settings:
    name: str
    parties: Sequence[Party]
    base_url: str  # what the hub sees, without a slash at its end
    seed: str = "1"
    count: int = 100
    page_size: int = 50
    source: str = ""  # where own objects come from; when it changes, changes kept of them are void
    speed: float = 600  # how many times faster than the clock a car charges
    needs_location: bool = False  # an eMSP that authorizes nobody without knowing where
    strict_cdrs: bool = False  # an eMSP that refuses a CDR that it has
    announced: Sequence[
        str
    ] = ()  # the roles to register in, one for each party, where not that of the platform


class Platform:
    """The first module of `owns` is what a platform has to offer, the first of `takes` what it needs."""

    role = ""
    owns: tuple[Module, ...]
    takes: tuple[Module, ...]

    def __init__(self, settings: Settings, state: State, client: Client) -> None:
        self.settings, self.state, self.client = settings, state, client
        self.role = next(iter(settings.announced), self.role)
        self.chance = random.Random()
        self.errors: deque[dict[str, str]] = deque(maxlen=50)
        self.error_count = self.changes = 0
        self.last_change = ""
        self.endpoints = Endpoints(self)
        self.log, self.faults = self.endpoints.log, self.endpoints.faults
        self.schedule = Schedule(self.tell)
        self.controls: dict[tuple[str, str], Callable[[Request], Any]] = {}
        self.registration = Registration(
            state,
            client,
            f"{settings.base_url}/ocpi/versions",
            self.roles(),
            needed=self.takes[0].name,
            offer=self.offer,
        )
        self.owned = {module.name: Objects(module, settings.parties[0]) for module in self.owns}
        self.taken = {module.name: Objects(module) for module in self.takes}
        self.own, self.received = self.owned[self.owns[0].name], self.taken[self.takes[0].name]
        self.queues = {module.name: self.queue(module) for module in self.owns}
        self.pushes = self.queues[self.owns[0].name]
        self.pulls = {name: Pull(self, objects) for name, objects in self.taken.items()}
        self.senders = {name: self.sender_of(objects) for name, objects in self.owned.items()}
        self.receivers = {name: self.receiver_of(objects) for name, objects in self.taken.items()}
        self.sender, self.receiver = self.senders[self.owns[0].name], self.receivers[self.takes[0].name]
        for name, sender in self.senders.items():
            self.endpoints.offer("sender", name, sender)
        for name, receiver in self.receivers.items():
            self.endpoints.offer("receiver", name, receiver)

    def roles(self) -> list[dict[str, Any]]:
        return [
            {
                "role": self.role_of(party),
                "country_code": party.country_code,
                "party_id": party.party_id,
                "business_details": {"name": self.settings.name, "website": "https://simulator.example"},
            }
            for party in self.settings.parties
        ]

    def role_of(self, party: Party) -> str:
        """The last role that was given is that of all further parties."""
        given = self.settings.announced or (self.role,)
        return given[min(self.settings.parties.index(party), len(given) - 1)]

    def offer(self) -> list[str]:
        """Our interfaces, such as `locations SENDER`."""
        rows = self.endpoints.details()["endpoints"]
        return [f"{row['identifier']} {row['role']}" for row in rows]

    def queue(self, module: Module) -> Pushes:
        return Pushes(partial(self.push, module), partial(self.current, module), self.tell)

    def sender_of(self, objects: Objects) -> Sender:
        url = self.url("sender", objects.module.name)
        return Sender(objects, self.settings.page_size, url, len(self.settings.parties))

    def receiver_of(self, objects: Objects) -> Receiver:
        return Receiver(objects)

    def url(self, *path: str) -> str:
        return self.endpoints.url(*path)

    def handle(self, request: Request) -> Answer:
        return self.endpoints.handle(request)

    def tell(self, error: str) -> None:
        """Keep an error for /simulator/status."""
        self.error_count += 1
        self.errors.append({"at": ocpi.format_time(ocpi.now()), "error": error})

    # -- own objects

    def load(self, raws: Iterable[bytes]) -> None:
        """Own objects as they are made, then what earlier runs have changed."""
        self.own.load(raws)
        if self.state["source"] != self.settings.source:
            self.state["source"], self.state["changed"] = self.settings.source, {}
        for text in (self.state["changed"] or {}).values():
            self.own.put(text.encode())

    def keep(self, raw: bytes) -> Item:
        """An own object is new or has changed; also after a restart."""
        self.own.put(raw)
        item = self.own.get(self.own.key_of(raw))
        assert item is not None
        with self.state.lock:
            changed = self.state["changed"] or {}
            changed[item.key] = raw.decode()
            self.state["changed"] = changed
        return item

    def change(self) -> None:
        """Something happens in the field: an own object changes, and the hub is told."""
        raise NotImplementedError

    # -- calls to the hub

    def current(self, module: Module, part: Part) -> bytes:
        item = self.item(module, part)
        if len(part) == 1:
            return item.raw
        nodes = documents.descend(item.document, module, part[1:])
        assert nodes is not None, part
        return ocpi.encode(nodes[-1])

    def push(self, module: Module, method: str, part: Part, body: bytes) -> Reply:
        """Bring a change of an own object, or ask for that object, below the hub's Receiver interface."""
        item = self.item(module, part)
        assert item.owner is not None, part
        document = item.document
        path = (*item.owner, document[module.id_field], *part[1:])
        query = {"type": document["type"]} if module.typed else {}
        routing = ocpi.routing(self.registration.hub_party, item.owner)
        content = None if method in ("GET", "DELETE") else body
        return self.call(module.name, "RECEIVER", method, path, content, routing, query)

    def item(self, module: Module, part: Part) -> Item:
        item = self.owned[module.name].get(part[0])
        assert item is not None, part
        return item

    def call(
        self,
        module: str,
        role: str,
        method: str,
        path: Sequence[str] = (),
        body: bytes | None = None,
        routing: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> Reply:
        """A request below one of the hub's endpoints."""
        endpoint = self.registration.endpoint(module, role)
        if endpoint is None:
            raise Unreachable(f"The hub has no {module} {role}, or we are not registered")
        url = with_query(join(endpoint, *path), **(query or {}))
        return self.client.call(method, url, self.registration.token, routing, body)

    def pull(self) -> int:
        """What we need of the hub, all of it."""
        return next(iter(self.pulls.values())).run()

    def attempt(self, what: str, act: Callable[[], Any]) -> Any:
        """Call the hub; a failure is kept as an error, and answered by None."""
        try:
            return act()
        except (Unreachable, Refused, OCPIError, msgspec.MsgspecError) as error:
            self.tell(f"{what}: {error}")
            return None

    # -- what /simulator/status shows

    def status(self) -> dict[str, Any]:
        return {
            "name": self.settings.name,
            "role": self.role,
            "registered": self.registration.registered,
            "hub": str(self.registration.hub_party) if self.registration.hub_party else None,
            "hub_offers": self.registration.offers,
            "parties": [str(party) for party in self.settings.parties],
            "own": {name: len(objects) for name, objects in self.owned.items()},
            "served": self.sender.served,
            "received": {name: len(objects) for name, objects in self.taken.items()},
            "received_by_owner": self.received.count_by_owner(),
            "pull": next(iter(self.pulls.values())).progress,
            "changes": self.changes,
            "last_change": self.last_change,
            "pushes": self.pushes.counts(),
            "pushes_by_module": {name: queue.counts() for name, queue in self.queues.items()},
            "pushes_received": self.receiver.pushes,
            "stale_pushes_received": self.receiver.stale,
            "last_push_at": self.receiver.last_push,
            "received_by_method": {name: one.taken.copy() for name, one in self.receivers.items()},
            "requests": self.log.count,
            "faults_met": self.faults.met.copy(),
            "error_count": self.error_count,
            "errors": list(self.errors),
            **self.more(),
        }

    def more(self) -> dict[str, Any]:
        """What this kind of platform adds to its status."""
        return {}

"""A platform: what a CPO and an eMSP have in common. Parties, own objects, received ones, and the hub."""

import logging
import random
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import msgspec

from simulator import documents, ocpi
from simulator.control import control
from simulator.faults import Faults, RequestLog
from simulator.hub import Client, Refused, Reply, Unreachable, join, pages, with_query
from simulator.interfaces import Receiver, Sender, refuse_method
from simulator.objects import Item, Module, Objects
from simulator.ocpi import OCPIError, Party
from simulator.pushing import Part, Pushes
from simulator.registration import Registration
from simulator.server import Answer, Request
from simulator.state import State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    name: str
    parties: Sequence[Party]
    base_url: str  # what the hub sees, without a slash at its end
    seed: str = "1"
    count: int = 100
    page_size: int = 50
    source: str = ""  # where own objects come from; when it changes, changes kept of them are void


class Platform:
    role = ""
    owns: Module
    takes: Module

    def __init__(self, settings: Settings, state: State, client: Client) -> None:
        self.settings, self.state, self.client = settings, state, client
        self.own = Objects(self.owns, settings.parties[0])
        self.received = Objects(self.takes, None)
        self.chance = random.Random()
        self.errors: deque[dict[str, str]] = deque(maxlen=50)
        self.error_count = self.changes = 0
        self.last_change = ""
        self.pulling = threading.Lock()
        self.pull_progress: dict[str, Any] = {
            "running": False,
            "finished_at": None,
            "received": 0,
            "total": None,
        }
        self.log, self.faults = RequestLog(), Faults()
        self.pushes = Pushes(self.push, self.current, self.tell)
        self.sender = Sender(self.own, settings.page_size, self.url("sender", self.owns.name))
        self.receiver = Receiver(self.received)
        self.registration = Registration(
            state, client, f"{settings.base_url}/ocpi/versions", self.roles(), needed=self.takes.name
        )

    def roles(self) -> list[dict[str, Any]]:
        return [
            {
                "role": self.role,
                "country_code": party.country_code,
                "party_id": party.party_id,
                "business_details": {"name": self.settings.name, "website": "https://simulator.example"},
            }
            for party in self.settings.parties
        ]

    def url(self, *path: str) -> str:
        return "/".join((f"{self.settings.base_url}/ocpi/{ocpi.VERSION}", *path))

    def tell(self, error: str) -> None:
        """Keep an error for /simulator/status."""
        self.error_count += 1
        self.errors.append({"at": ocpi.format_time(ocpi.now()), "error": error})

    # -- own objects

    def load(self, raws: Iterable[bytes]) -> None:
        """Own objects as they are made, then the changes of earlier runs."""
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

    def current(self, part: Part) -> bytes:
        item = self.own.get(part[0])
        assert item is not None, part
        if len(part) == 1:
            return item.raw
        nodes = documents.descend(item.document, self.owns, part[1:])
        assert nodes is not None, part
        return ocpi.encode(nodes[-1])

    def push(self, method: str, part: Part, body: bytes) -> Reply:
        item = self.own.get(part[0])
        assert item is not None, part
        assert item.owner is not None, part
        document = item.document
        path = (*item.owner, document[self.owns.id_field], *part[1:])
        query = {"type": document["type"]} if self.owns.typed else {}
        routing = ocpi.routing(self.registration.hub_party, item.owner)
        return self.push_to(self.owns.name, method, path, None if method == "GET" else body, routing, query)

    def push_to(
        self,
        module: str,
        method: str,
        path: Sequence[str],
        body: bytes | None,
        routing: dict[str, str],
        query: dict[str, str],
    ) -> Reply:
        """A request to the hub's Receiver interface."""
        endpoint = self.registration.endpoint(module, "RECEIVER")
        if endpoint is None:
            raise Unreachable(f"The hub has no {module} RECEIVER, or we are not registered")
        url = with_query(join(endpoint, *path), **query)
        return self.client.call(method, url, self.registration.token, routing, body)

    def pull(self) -> int:
        """Everything that the hub has for us; what it no longer has is forgotten (PAG-14)."""
        with self.pulling:
            seen: set[str] = set()
            began = monotonic()
            progress = self.pull_progress = {
                "running": True,
                "finished_at": None,
                "received": 0,
                "total": None,
            }
            try:
                for page in self._pages():
                    seen.update(self.received.put_newer(raw) for raw in page.objects)
                    progress.update(received=len(seen), total=page.total)
                self.received.drop_others(seen, began)
                progress["finished_at"] = ocpi.format_time(ocpi.now())
            finally:
                progress["running"] = False
            return len(seen)

    def _pages(self, **query: Any) -> Any:
        endpoint = self.registration.endpoint(self.takes.name, "SENDER")
        if endpoint is None:
            raise Unreachable(f"The hub has no {self.takes.name} SENDER, or we are not registered")
        sender = self.settings.parties[0]
        return pages(
            self.client,
            with_query(endpoint, **query),
            self.registration.token,
            self.registration.hub_party,
            sender,
        )

    def offered(self) -> int | None:
        """How many objects the hub has for us, by the head of a page of one."""
        for page in self._pages(limit=1):
            return int(page.total) if page.total is not None else None
        return None

    def attempt(self, what: str, act: Any) -> Any:
        """Call the hub; a failure is kept as an error, and answered by None."""
        try:
            return act()
        except (Unreachable, Refused, OCPIError, msgspec.MsgspecError) as error:
            self.tell(f"{what}: {error}")
            return None

    # -- calls from the hub

    def handle(self, request: Request) -> Answer:
        segments = request.segments
        if segments[:1] == ["simulator"]:
            return control(self, request, segments[1:])
        entry = self.log.add(request, secret="credentials" in segments)
        answer = self._misbehaved(request, segments)
        entry["status"] = None if answer.cut else answer.status
        for name in ("X-Request-ID", "X-Correlation-ID"):
            if value := request.headers.get(name):
                answer.headers[name] = value
        return answer

    def _misbehaved(self, request: Request, segments: list[str]) -> Answer:
        interface = segments[2] if segments[:2] == ["ocpi", ocpi.VERSION] and segments[2:] else "versions"
        fault = self.faults.take(interface)
        if fault is None:
            return self.answer(request, segments)
        return self.faults.before(fault) or self.faults.after(fault, self.answer(request, segments))

    def answer(self, request: Request, segments: list[str]) -> Answer:
        try:
            return self.route(request, segments)
        except OCPIError as error:
            headers = {"Allow": error.allow} if error.allow else {}
            return Answer(error.http_status, ocpi.envelope(code=error.code, message=error.message), headers)
        except Exception:
            log.exception("%s %s failed", request.method, request.target)
            self.tell(f"{request.method} {request.target} failed; see the log")
            return Answer(500, ocpi.envelope(code=3000, message="The simulator has a fault"))

    def route(self, request: Request, segments: list[str]) -> Answer:
        caller = self.registration.caller(ocpi.presented_tokens(request.headers.get("Authorization")))
        if caller is None:
            raise OCPIError(2000, "Unknown or missing credentials token", 401)
        match segments:
            case ["ocpi", "versions"]:
                refuse_method(request, "GET")
                return Answer(body=ocpi.envelope([{"version": ocpi.VERSION, "url": self.url()}]))
            case ["ocpi", ocpi.VERSION]:
                refuse_method(request, "GET")
                return Answer(body=ocpi.envelope(self.details()))
            case ["ocpi", ocpi.VERSION, "credentials"]:
                return self.credentials(request, caller)
            case ["ocpi", ocpi.VERSION, "sender" | "receiver" as interface, module, *path]:
                if caller != "hub":
                    raise OCPIError(2000, "This token opens versions and credentials only", 401)
                return self.functional(request, interface, module, path)
        raise OCPIError(2000, "There is nothing at this path", 404)

    def details(self) -> dict[str, Any]:
        rows = (
            ("credentials", "SENDER", self.url("credentials")),
            (self.owns.name, "SENDER", self.url("sender", self.owns.name)),
            (self.takes.name, "RECEIVER", self.url("receiver", self.takes.name)),
        )
        endpoints = [{"identifier": name, "role": role, "url": url} for name, role, url in rows]
        return {"version": ocpi.VERSION, "endpoints": endpoints}

    def credentials(self, request: Request, caller: str) -> Answer:
        refuse_method(request, "GET", "POST", "PUT", "DELETE")
        registered = caller == "hub" and self.registration.registered
        if request.method == "GET":
            tokens = ocpi.presented_tokens(request.headers.get("Authorization"))
            return Answer(body=ocpi.envelope(self.registration.credentials(tokens[0])))
        if registered == (request.method == "POST"):
            raise OCPIError(2000, "Already registered" if registered else "Not registered yet", 405, "GET")
        if request.method == "DELETE":
            self.registration.forget()
            return Answer(body=ocpi.envelope())
        return Answer(body=ocpi.envelope(self.registration.accept(self.receiver.body(request))))

    def functional(self, request: Request, interface: str, module: str, path: Sequence[str]) -> Answer:
        to, sender = ocpi.routed(request.headers, "to"), ocpi.routed(request.headers, "from")
        if to and to not in self.settings.parties:
            raise OCPIError(2001, f"OCPI-to names {to}, which is not a party of this platform")
        if (interface, module) == ("sender", self.owns.name):
            owner = to if len(self.settings.parties) > 1 else None
            answer = self.sender.answer(request, path, owner)
        elif (interface, module) == ("receiver", self.takes.name):
            answer = self.receiver.answer(request, path)
        else:
            raise OCPIError(2000, "There is nothing at this path", 404)
        answer.headers.update(ocpi.routing(sender, to or self.settings.parties[0]))
        return answer

    def status(self) -> dict[str, Any]:
        return {
            "name": self.settings.name,
            "role": self.role,
            "registered": self.registration.registered,
            "hub": str(self.registration.hub_party) if self.registration.hub_party else None,
            "parties": [str(party) for party in self.settings.parties],
            "own": {self.owns.name: len(self.own)},
            "served": self.sender.served,
            "received": {self.takes.name: len(self.received)},
            "received_by_owner": self.received.count_by_owner(),
            "pull": self.pull_progress,
            "changes": self.changes,
            "last_change": self.last_change,
            "pushes": {
                "sent": self.pushes.sent,
                "pending": len(self.pushes.due),
                "refused": self.pushes.refused,
                "failed": self.pushes.failed,
            },
            "pushes_received": self.receiver.pushes,
            "stale_pushes_received": self.receiver.stale,
            "last_push_at": self.receiver.last_push,
            "requests": self.log.count,
            "error_count": self.error_count,
            "errors": list(self.errors),
        }

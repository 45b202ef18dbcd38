"""The simulated CPO: owns Locations, Tariffs, Sessions and CDRs, lets cars charge, and receives Tokens."""

from collections.abc import Iterable
from typing import Any

from simulator import documents, ocpi, profiles
from simulator.authorize import Authorizing
from simulator.charging import Charging
from simulator.commands import CommandsReceiver
from simulator.drivers import Drivers
from simulator.hub import Client, Reply
from simulator.journal import Journal
from simulator.objects import CDRS, CLIENTS, LOCATIONS, SESSIONS, TARIFFS, TOKENS, Item, Module
from simulator.ocpi import Party
from simulator.places import Places, Spot, usable
from simulator.platforms import Platform, Settings
from simulator.profiles import ProfilesReceiver
from simulator.pushing import Part, Pushes
from simulator.reservations import Reservations
from simulator.results import Results
from simulator.sessions import SessionsSender
from simulator.state import State
from simulator.tariffs import tariffs

NEXT = {  # what an EVSE may do next, the likely thing more often
    "AVAILABLE": ("CHARGING", "CHARGING", "CHARGING", "CHARGING", "BLOCKED", "OUTOFORDER"),
    "CHARGING": ("AVAILABLE", "AVAILABLE", "AVAILABLE", "BLOCKED"),
    "BLOCKED": ("AVAILABLE",),
    "OUTOFORDER": ("AVAILABLE", "INOPERATIVE"),
    "INOPERATIVE": ("AVAILABLE",),
    "UNKNOWN": ("AVAILABLE",),
}
ENDED = ("COMPLETED", "INVALID")  # Sessions
GUESSES = 50  # how many Locations are looked at for one that is healthy enough


class CPO(Platform):
    role = "CPO"
    owns = (LOCATIONS, TARIFFS, SESSIONS, CDRS)
    takes = (TOKENS, CLIENTS)

    def __init__(self, settings: Settings, state: State, client: Client) -> None:
        super().__init__(settings, state, client)
        self.owned[TARIFFS.name].load(tariffs(settings.parties))
        self.places = Places(self.own, self.chance)
        self.charging = Charging(self)
        self.results, self.reservations = Results(self), Reservations(self)
        self.authorizing = Authorizing(self)
        self.journal = Journal(state.path.with_suffix(".charges"))
        self.cdr_urls: dict[str, str | None] = {}  # where the hub says that a CDR is, by its key
        sessions = SessionsSender(self.senders[SESSIONS.name], self.charging)
        self.endpoints.offer("sender", SESSIONS.name, sessions)
        commands = CommandsReceiver(self, self.results, self.reservations)
        self.endpoints.offer("receiver", "commands", commands)
        self.endpoints.offer("receiver", profiles.NAME, ProfilesReceiver(self, self.results))
        drivers = Drivers(self)
        self.controls |= {
            ("POST", "charge"): drivers.charge,
            ("POST", "stop"): drivers.stop,
            ("POST", "clock"): drivers.clock,
            ("POST", "cancel"): drivers.cancel,
            ("GET", "free"): drivers.free,
            ("GET", "charges"): drivers.charges,
            ("GET", "cdrs"): lambda _: self.cdr_urls.copy(),
        }

    # -- what outlives a restart

    def load(self, raws: Iterable[bytes]) -> None:
        if self.state["source"] != self.settings.source:
            self.journal.void()
        super().load(raws)
        objects, taken = self.journal.read()
        for (module, key), raw in objects.items():
            self.owned[module].put(raw)
            if module == SESSIONS.name:
                self.resume(key)
            elif (module, key) in taken:
                self.cdr_urls[key] = taken[module, key]
            else:
                self.queues[module].add((key,))

    def resume(self, key: str) -> None:
        """Nobody knows what became of a charge that was under way: its Session will not be billed."""
        item = self.item(SESSIONS, (key,))
        document = item.document
        if document["status"] in ENDED:
            return
        stamp = ocpi.later(document["last_updated"], ocpi.now())
        raw = ocpi.encode({**document, "status": "INVALID", "last_updated": stamp})
        self.write(SESSIONS, raw)
        self.queues[SESSIONS.name].add((key,))
        location = LOCATIONS.key(item.owner, document["location_id"])
        self.set_status((location, document["evse_uid"]), "AVAILABLE")

    def write(self, module: Module, raw: bytes) -> str:
        """Own a Session or a CDR as it is now, also after a restart; answers its key."""
        objects = self.owned[module.name]
        objects.put(raw)
        key = objects.key_of(raw)
        self.journal.write(module.name, key, raw)
        return key

    # -- what happens in the field

    def change(self) -> None:
        """Some EVSE changes its status; mostly told by PATCH, now and then by a PUT of the EVSE."""
        with self.own.lock:
            picked = self.pick()
            if picked is None:
                self.tell("No Location is healthy enough for a status change")
                return
            item, evse = picked
            status = self.chance.choice(NEXT[evse["status"]])
            self.set_status((item.key, evse["uid"]), status, whole=self.chance.random() < 0.1)

    def set_status(self, spot: Spot, status: str, whole: bool = False) -> None:
        key, uid = spot
        with self.own.lock:
            item = self.own.get(key)
            document = item.document if item else {}
            nodes = documents.descend(document, LOCATIONS, [uid])
            if item is None or nodes is None:
                return
            uid = nodes[-1]["uid"]
            stamp = ocpi.later(document.get("last_updated"), ocpi.now())
            documents.merge(nodes, {"status": status, "last_updated": stamp})
            self.keep(ocpi.encode(document))
            self.changes += 1
            self.last_change = f"{item.owner} {document['id']} {uid} {status}"
            if whole:
                self.pushes.add((key, uid), "PUT")
            else:
                patch = ocpi.encode({"status": status, "last_updated": stamp})
                self.pushes.add((key, uid), "PATCH", patch)

    def pick(self) -> tuple[Item, dict[str, Any]] | None:
        for _ in range(GUESSES if len(self.own) else 0):
            item = self.own.at(self.chance.randrange(len(self.own)))
            evses = self.changing(item)
            if evses:
                return item, self.chance.choice(evses)
        return None

    def changing(self, item: Item) -> list[dict[str, Any]]:
        """The EVSEs whose status may change by itself: those that a hub can find, and at which nobody charges."""
        document = item.document
        return [
            evse
            for evse in (document["evses"] if usable(document, item) else ())
            if isinstance(evse, dict)
            and isinstance(evse.get("uid"), str)
            and str(evse.get("status")) in NEXT
            and (item.key, evse["uid"].upper()) not in self.places.taken
        ]

    # -- what goes to the hub

    def tariffs(self, owner: Party) -> dict[str, dict[str, Any]]:
        """This party's Tariffs by their id, as they are now."""
        items = self.owned[TARIFFS.name].items()
        return {tariff["id"]: tariff for tariff in (one.document for one in items if one.owner == owner)}

    def queue(self, module: Module) -> Pushes:
        queue = super().queue(module)
        queue.whole = "POST" if module is CDRS else "PUT"
        return queue

    def push(self, module: Module, method: str, part: Part, body: bytes) -> Reply:
        if method != "POST":
            return super().push(module, method, part, body)
        routing = ocpi.routing(self.registration.hub_party, self.item(module, part).owner)
        reply = self.call(module.name, "RECEIVER", method, (), body, routing)
        if reply.success:
            self.cdr_urls[part[0]] = url = reply.headers.get("location")
            self.journal.note_taken(module.name, part[0], url)
        return reply

    def more(self) -> dict[str, Any]:
        return {
            "charging": {
                "started": self.charging.started,
                "running": len(self.charging.running),
                "completed": self.charging.completed,
            },
            "authorizations": self.authorizing.counts.copy(),
            "results": {"sent": self.results.sent, "failed": self.results.failed},
            "cdrs_without_location": list(self.cdr_urls.values()).count(None),
        }

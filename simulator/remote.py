"""What the eMSP's app does from afar: commands to a CPO, and charging profiles of a Session."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from simulator import ocpi
from simulator.hub import Unreachable
from simulator.interfaces import Call, nothing_here, read_object
from simulator.objects import SESSIONS
from simulator.ocpi import Party
from simulator.orders import Order, Orders, ProfileOrder, WhereOrder
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.emsp import EMSP

COMMANDS = {
    "start": "START_SESSION",
    "stop": "STOP_SESSION",
    "reserve": "RESERVE_NOW",
    "cancel": "CANCEL_RESERVATION",
    "unlock": "UNLOCK_CONNECTOR",
}
METHODS = {"get": "GET", "set": "PUT", "clear": "DELETE"}
GUESSES = 200  # how many Locations are looked at for a free EVSE
PROFILES = "chargingprofiles"


class Remote:
    def __init__(self, platform: "EMSP") -> None:
        self.platform = platform
        self.commands = Orders(platform.url("sender", "commands"))
        self.profiles = Orders(platform.url("sender", PROFILES))
        self.active: dict[str, list[Any]] = {}  # the profiles that CPOs told us of, by Session

    # -- commands

    def command(self, wanted: WhereOrder) -> dict[str, Any]:
        name = COMMANDS.get(wanted.command, wanted.command)
        if name not in COMMANDS.values():
            raise ValueError(f"{wanted.command} is none of {', '.join(COMMANDS)}")
        to, asked, sender = self.asked(name, wanted)
        order = self.commands.open(name, to, asked)
        body = ocpi.encode({"response_url": order.response_url, **asked})
        self.send(self.commands, order, "POST", "commands", name, body, ocpi.routing(to, sender))
        self.commands.wait(order, wanted.wait)
        return order.shown()

    def asked(self, name: str, wanted: WhereOrder) -> tuple[Party, dict[str, Any], Party]:
        """To whom, what, and from which of our parties."""
        sender = self.platform.settings.parties[0]
        to = Party.parse(wanted.to) if wanted.to else None
        if name == "STOP_SESSION":
            owner, session_id = self.session(wanted.session, wanted.reference)
            return to or owner, {"session_id": session_id}, sender
        if name == "CANCEL_RESERVATION":
            if not wanted.reservation:
                raise ValueError("Say which reservation")
            return to or self.reserved_at(wanted.reservation), {"reservation_id": wanted.reservation}, sender
        owner, where = self.where(wanted)
        if name == "UNLOCK_CONNECTOR":
            return to or owner, where, sender
        token = self.token(wanted.uid)
        asked = {**where, "token": token, "authorization_reference": wanted.reference or str(uuid.uuid4())}
        if name == "RESERVE_NOW":
            asked.pop("connector_id", None)
            asked["reservation_id"] = wanted.reservation or uuid.uuid4().hex
            expires = ocpi.now().replace(microsecond=0) + timedelta(seconds=wanted.seconds)
            asked["expiry_date"] = ocpi.format_time(expires)
        return to or owner, asked, Party(token["country_code"], token["party_id"])

    def where(self, wanted: WhereOrder) -> tuple[Party, dict[str, str]]:
        if wanted.location is None:
            return self.free()
        known = self.platform.received.find(wanted.location)
        names = {"location_id": wanted.location, "evse_uid": wanted.evse, "connector_id": wanted.connector}
        where = {name: value for name, value in names.items() if value}
        owner = known.owner if known else None
        if owner is None and wanted.to is None:
            raise ValueError(f"We know no Location {wanted.location}: say to whom")
        return owner or Party.parse(str(wanted.to)), where

    def free(self) -> tuple[Party, dict[str, str]]:
        """Some EVSE that is AVAILABLE as far as we know."""
        locations, chance = self.platform.received, self.platform.chance
        for _ in range(GUESSES if len(locations) else 0):
            item = locations.at(chance.randrange(len(locations)))
            location = item.document
            free = [evse for evse in location.get("evses") or () if evse.get("status") == "AVAILABLE"]
            if free and item.owner:
                evse = chance.choice(free)
                names = {"location_id": location["id"], "evse_uid": evse["uid"]}
                return item.owner, {**names, "connector_id": evse["connectors"][0]["id"]}
        raise ValueError("No EVSE that we know is AVAILABLE")

    def token(self, uid: str | None) -> dict[str, Any]:
        """One of our own Tokens whole, of a driver who may charge unless this one was asked for."""
        for item in self.platform.own.items() if uid else self.platform.shuffled():
            token: dict[str, Any] = item.document
            if token["uid"].upper() == uid.upper() if uid else token["valid"]:
                return token
        raise ValueError(f"We have no Token {uid or 'that is valid'}")

    def session(self, session_id: str | None, reference: str | None = None) -> tuple[Party, str]:
        """Whose Session this is; without an id the latest that is ACTIVE, with the reference if one is given."""
        sessions = self.platform.taken[SESSIONS.name]
        if session_id:
            known = sessions.find(session_id)
            return (known.owner if known and known.owner else self.somebody()), session_id
        for item in reversed(sessions.items()):
            if item.owner and (reference or "").encode() in item.raw:
                document = item.document
                if document["status"] == "ACTIVE":
                    return item.owner, str(document["id"])
        raise ValueError("No Session that we know is ACTIVE")

    def reserved_at(self, reservation: str) -> Party:
        for order in reversed(list(self.commands.known.values())):
            if order.asked.get("reservation_id") == reservation and order.kind == "RESERVE_NOW":
                return Party.parse(order.to)
        return self.somebody()

    def somebody(self) -> Party:
        """A CPO that we know of, for what nobody owns."""
        for item in self.platform.received.items():
            if item.owner:
                return item.owner
        raise ValueError("We know no CPO: say to whom")

    # -- charging profiles

    def profile(self, wanted: ProfileOrder) -> dict[str, Any]:
        if wanted.profile not in METHODS:
            raise ValueError(f"{wanted.profile} is none of {', '.join(METHODS)}")
        owner, session_id = self.session(wanted.session)
        to = Party.parse(wanted.to) if wanted.to else owner
        asked = {"session_id": session_id}
        order = self.profiles.open(f"{wanted.profile.upper()}_PROFILE", to, asked)
        method, query, body = METHODS[wanted.profile], {"response_url": order.response_url}, None
        if method == "GET":
            query["duration"] = str(wanted.duration)
        elif method == "PUT":
            body = ocpi.encode({"charging_profile": charging_profile(wanted), **query})
            query = {}
        routing = ocpi.routing(to, self.platform.settings.parties[0])
        self.send(self.profiles, order, method, PROFILES, session_id, body, routing, query)
        self.profiles.wait(order, wanted.wait)
        return order.shown()

    def send(
        self,
        orders: Orders,
        order: Order,
        method: str,
        module: str,
        path: str,
        body: bytes | None,
        routing: dict[str, str],
        query: dict[str, str] | None = None,
    ) -> None:
        try:
            reply = self.platform.call(module, "RECEIVER", method, (path,), body, routing, query)
        except Unreachable as error:
            orders.unanswered(order, error)
            self.platform.tell(f"{order.kind}: {error}")
        else:
            orders.answered(order, reply)


def charging_profile(wanted: ProfileOrder) -> dict[str, Any]:
    if wanted.charging_profile is not None:
        return wanted.charging_profile
    if wanted.kw is None:
        raise ValueError("Say kw, or charging_profile")
    watts = (Decimal(str(wanted.kw)) * 1000).quantize(Decimal("0.1"))
    return {"charging_rate_unit": "W", "charging_profile_period": [{"start_period": 0, "limit": watts}]}


class ProfilesSender:
    """Results of what we asked about profiles by POST, and profiles that have changed by PUT."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        if request.method != "PUT":
            return self.remote.profiles.take(request, path)
        if len(path) != 1:
            raise nothing_here()
        self.remote.active.setdefault(path[0], []).append(read_object(request))
        return Answer(body=ocpi.envelope())


def read(request: Request, shape: Any) -> Any:
    return msgspec.json.decode(request.body or b"{}", type=shape)

"""What drivers do at the CPO's EVSEs, when somebody asks the simulator for it: charge by card, and leave."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from simulator import cars, ocpi
from simulator.cars import Stay
from simulator.charging import Clock, Taken, tariff_of
from simulator.places import Place
from simulator.server import Request

if TYPE_CHECKING:
    from simulator.cpo import CPO

SHOWN = 50  # free places, at most


class ChargeOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A charge by card. What is left out is chosen: some card that we know, some free EVSE, some car."""

    uid: str | None = None
    location: str | None = None
    evse: str = ""
    connector: str = ""
    minutes: int | None = None  # that the car needs
    kwh: Decimal | None = None  # or so much energy
    idle_minutes: int = 0  # that it stays when it is full


class StopOrder(msgspec.Struct, forbid_unknown_fields=True):
    session: str | None = None  # without it all of them


class ClockOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The day in which cars charge: begins now, at this moment, and runs so much faster than ours."""

    speed: float | None = None
    at: str | None = None


class Drivers:
    def __init__(self, platform: "CPO") -> None:
        self.platform = platform

    def charge(self, request: Request) -> dict[str, Any]:
        wanted = msgspec.json.decode(request.body or b"{}", type=ChargeOrder)
        place = self.place(wanted)
        uid = wanted.uid or self.some_card()
        if place is None or uid is None:
            problem = "No EVSE is free" if place is None else "We know no card"
            return {"session": None, "problem": problem, "allowed": None, "unanswered": None}
        permit = self.platform.authorizing.permit(uid, place)
        told = {**msgspec.to_builtins(permit), "uid": uid, "session": None, "problem": None}
        told.update(zip(("location", "evse", "connector"), place.ids, strict=True))
        if permit.allowed != "ALLOWED" or permit.token is None:
            return told
        reference, stay = permit.authorization_reference, self.stay(wanted, place)
        try:
            charge = self.platform.charging.start(place, permit.token, permit.auth_method, reference, stay)
        except Taken as taken:
            return {**told, "problem": str(taken)}
        return {**told, "session": charge.session["id"]}

    def place(self, wanted: ChargeOrder) -> Place | None:
        if wanted.location is None:
            return self.platform.places.any()
        try:
            return self.platform.places.find(wanted.location, wanted.evse, wanted.connector)
        except LookupError as error:
            raise ValueError(f"There is no {error.args[0]} here") from error

    def some_card(self) -> str | None:
        cards = [one.document["uid"] for one in self.platform.received.items() if one.key.endswith("/RFID")]
        return self.platform.chance.choice(cards) if cards else None

    def stay(self, wanted: ChargeOrder, place: Place) -> Stay | None:
        if wanted.minutes is None and wanted.kwh is None:
            return None
        usual = self.platform.charging.clock.stay(self.platform, place)
        stay = cars.short(usual.kw, wanted.minutes) if wanted.minutes else Stay(Decimal(1), usual.kw)
        idle = cars.hours(wanted.idle_minutes / 60) if wanted.idle_minutes else Decimal(0)
        return Stay(wanted.kwh or stay.kwh, stay.kw, idle)

    def stop(self, request: Request) -> dict[str, int]:
        wanted = msgspec.json.decode(request.body or b"{}", type=StopOrder)
        charging = self.platform.charging
        charges = list(charging.running.values())
        if wanted.session is not None:
            charges = [one for one in charges if one.session["id"].upper() == wanted.session.upper()]
        for charge in charges:
            charging.stop(charge)
        return {"stopped": len(charges)}

    def free(self, request: Request) -> list[dict[str, Any]]:
        """Where a car could charge now, an EVSE of each Location."""
        return [
            {
                "key": place.item.key,
                **dict(zip(("location", "evse", "connector"), place.ids, strict=True)),
                "kw": place.kw,
                "tariff": tariff_of(place, self.platform.tariffs(place.owner)),
            }
            for place in self.platform.places.free(SHOWN)
        ]

    def charges(self, request: Request) -> list[dict[str, Any]]:
        """Who charges now, and who did lately."""
        charging = self.platform.charging
        return [
            {
                "session": charge.session["id"],
                "reference": charge.session.get("authorization_reference"),
                **dict(zip(("location", "evse", "connector"), charge.place.ids, strict=True)),
                "status": charge.session["status"],
                "kwh": charge.delivered,
            }
            for charge in dict.fromkeys([*list(charging.running.values()), *list(charging.recent)])
        ]

    def clock(self, request: Request) -> dict[str, float]:
        wanted = msgspec.json.decode(request.body or b"{}", type=ClockOrder)
        at = ocpi.parse_time(wanted.at) if wanted.at else None
        speed = wanted.speed or self.platform.settings.speed
        self.platform.charging.clock = Clock(speed, at)
        return {"speed": speed}

    def cancel(self, request: Request) -> dict[str, bool]:
        wanted = msgspec.json.decode(request.body or b"{}", type=dict[str, str])
        return {"canceled": self.platform.reservations.withdraw(wanted.get("reservation", ""))}

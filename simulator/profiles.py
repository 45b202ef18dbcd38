"""Charging profiles as the CPO takes them (mod_charging_profiles.asciidoc)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from simulator import ocpi
from simulator.charging import Charge
from simulator.hub import Unreachable
from simulator.interfaces import Call, nothing_here, read_object, refuse_method, text
from simulator.ocpi import OCPIError, Party
from simulator.places import PHASES
from simulator.results import Act, Results, direct
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.cpo import CPO

NAME = "chargingprofiles"
VOLTS = 230
TENTH = Decimal("0.1")


class Profile:
    """What somebody wants a charge to take at most, from the hour of the charge at which it was set."""

    def __init__(self, document: dict[str, Any], power_type: str, since: Decimal) -> None:
        self.since = since
        factor = Decimal(VOLTS * PHASES.get(power_type, 1)) if unit(document) == "A" else Decimal(1)
        self.periods = [(start, limit * factor / 1000) for start, limit in periods(document)]

    def kw(self, hours: Decimal) -> Decimal | None:
        """The limit at this hour of the charge; None where the profile says nothing."""
        seconds = (hours - self.since) * 3600
        limits = [limit for start, limit in self.periods if start <= seconds]
        return limits[-1] if limits else None

    def following(self, hours: Decimal) -> list[tuple[int, Decimal]]:
        """What comes after this hour: seconds from it, and kW."""
        seconds = int((hours - self.since) * 3600)
        return [(start - seconds, limit) for start, limit in self.periods if start > seconds]


def unit(document: dict[str, Any]) -> str:
    if document.get("charging_rate_unit") not in ("W", "A"):
        raise OCPIError(2001, "$.charging_profile.charging_rate_unit is neither W nor A")
    return str(document["charging_rate_unit"])


def periods(document: dict[str, Any]) -> list[tuple[int, Decimal]]:
    found = []
    for number, one in enumerate(document.get("charging_profile_period") or ()):
        start, limit = one.get("start_period"), one.get("limit")
        if not isinstance(start, int) or not isinstance(limit, int | Decimal):
            place = f"$.charging_profile.charging_profile_period[{number}]"
            raise OCPIError(2001, f"{place} needs start_period and limit, both numbers")
        found.append((start, Decimal(limit)))
    return sorted(found)


class ProfilesReceiver:
    def __init__(self, platform: "CPO", results: Results) -> None:
        self.platform, self.results = platform, results
        self.setters: dict[str, Party] = {}  # who has set a profile, by the key of the Session

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        refuse_method(request, "GET", "PUT", "DELETE")
        if len(path) != 1:
            raise nothing_here()
        body: dict[str, Any] = read_object(request) if request.method == "PUT" else dict(request.query)
        url = text(body, "response_url")
        wanted = self.wanted(request.method, body)
        known = self.platform.charging.sessions.find(path[0])
        if known is None or call.to not in (None, known.owner):
            return direct("UNKNOWN_SESSION")
        charge = self.platform.charging.running.get(known.key)
        if charge is None:
            return direct("REJECTED", message="This Session is over")
        self.results.follow(request, url, call, self.act(request.method, charge, wanted, call))
        return direct("ACCEPTED")

    def wanted(self, method: str, body: dict[str, Any]) -> Any:
        if method == "GET":
            if not text(body, "duration").isdecimal():
                raise OCPIError(2001, "duration is no number of seconds")
            return int(body["duration"])
        if method == "PUT":
            profile = body.get("charging_profile")
            if not isinstance(profile, dict):
                raise OCPIError(2001, "$.charging_profile is missing or is no object")
            Profile(profile, "", Decimal(0))  # that it can be understood
            return profile
        return None

    def act(self, method: str, charge: Charge, wanted: Any, call: Call) -> Act:
        if method == "GET":
            return lambda: {"result": "ACCEPTED", "profile": active(charge, wanted)}
        if method == "PUT":
            return lambda: self.set(charge, wanted, call)
        return lambda: self.clear(charge)

    def set(self, charge: Charge, document: dict[str, Any], call: Call) -> dict[str, Any]:
        with charge.lock:
            charge.profile = Profile(document, charge.place.connector["power_type"], charge.elapsed)
        token = charge.session["cdr_token"]
        hub = self.platform.registration.hub_party
        owner = Party(token["country_code"].upper(), token["party_id"].upper())
        self.setters[charge.key] = call.sender if call.sender and call.sender != hub else owner
        self.platform.schedule.after(0.1, lambda: self.update(charge))
        return {"result": "ACCEPTED"}

    def clear(self, charge: Charge) -> dict[str, Any]:
        with charge.lock:
            if charge.profile is None:
                return {"result": "UNKNOWN"}
            charge.profile = None
        self.platform.schedule.after(0.1, lambda: self.update(charge))
        return {"result": "ACCEPTED"}

    def update(self, charge: Charge) -> None:
        """Whoever has set a profile hears how the charge goes on (CHP-08, CHP-09)."""
        routing = ocpi.routing(self.setters[charge.key], charge.place.owner)
        body = ocpi.encode(active(charge))
        try:
            reply = self.platform.call(NAME, "SENDER", "PUT", (charge.session["id"],), body, routing)
        except Unreachable as error:
            self.platform.tell(f"Profile of {charge.session['id']}: {error}")
        else:
            if not reply.success:
                problem = f"HTTP {reply.status}, {reply.code} {reply.message}"
                self.platform.tell(f"Profile of {charge.session['id']}: {problem}")


def active(charge: Charge, duration: int | None = None) -> dict[str, Any]:
    """What the charge may take from now on, in W; without a profile what its EVSE can give (ADV-52)."""
    with charge.lock:
        profile, most, hours = charge.profile, charge.place.kw, charge.elapsed
        now = profile.kw(hours) if profile else None
        limits = [(0, most if now is None else now), *(profile.following(hours) if profile else ())]
        start = charge.moment()
    document: dict[str, Any] = {
        "charging_rate_unit": "W",
        "charging_profile_period": [
            {"start_period": start, "limit": (min(limit, most) * 1000).quantize(TENTH)}
            for start, limit in limits
            if duration is None or start < duration
        ],
    }
    if duration is not None:
        document["duration"] = duration
    return {"start_date_time": start, "charging_profile": document}

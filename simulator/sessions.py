"""Sessions of the CPO (mod_sessions.asciidoc): the document of a charge, and the preferences of its driver."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from simulator import ocpi
from simulator.interfaces import Call, Sender, read_object, refuse_method, text
from simulator.ocpi import OCPIError
from simulator.places import Place
from simulator.server import Answer, Request
from simulator.tariffs import CHEAP, NORMAL

if TYPE_CHECKING:
    from simulator.charging import Charge, Charging

PROFILES = ("CHEAP", "FAST", "GREEN", "REGULAR")
OFFERED = {"REGULAR": NORMAL, "CHEAP": CHEAP}  # the Tariff that goes with each profile that we have


def cdr_token(token: dict[str, Any]) -> dict[str, Any]:
    return {name: token[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}


def session(
    session_id: str,
    place: Place,
    token: dict[str, Any],
    auth_method: str,
    reference: str | None,
    currency: str,
    status: str,
    start: str,
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "country_code": place.location["country_code"],
        "party_id": place.location["party_id"],
        "id": session_id,
        "start_date_time": start,
        "kwh": Decimal("0.000"),
        "cdr_token": cdr_token(token),
        "auth_method": auth_method,
        "location_id": place.location["id"],
        "evse_uid": place.evse["uid"],
        "connector_id": place.connector["id"],
        "currency": currency,
        "charging_periods": [],
        "status": status,
        "last_updated": ocpi.later(None, ocpi.now()),
    }
    if reference:
        fields["authorization_reference"] = reference
    return fields


class SessionsSender:
    """The list, and below each Session its charging preferences."""

    def __init__(self, sender: Sender, charging: "Charging") -> None:
        self.sender, self.charging = sender, charging

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        if len(path) == 2 and path[1] == "charging_preferences":
            refuse_method(request, "PUT")
            return Answer(body=ocpi.envelope(self.preferences(path[0], read_object(request))))
        return self.sender.answer(request, path, call)

    def preferences(self, session_id: str, wanted: dict[str, Any]) -> str:
        known = self.charging.sessions.find(session_id)
        if known is None:
            raise OCPIError(2001, f"There is no Session {session_id} here", 404)
        profile = text(wanted, "profile_type")
        if profile not in PROFILES:
            raise OCPIError(2001, f"$.profile_type is {profile!r}")
        charge = self.charging.running.get(known.key)
        if charge is None:
            return "NOT_POSSIBLE"
        return self.prefer(charge, profile, wanted)

    def prefer(self, charge: "Charge", profile: str, wanted: dict[str, Any]) -> str:
        if "CHARGING_PREFERENCES_CAPABLE" not in (charge.place.evse.get("capabilities") or ()):
            raise OCPIError(2001, "The EVSE of this Session takes no preferences", 404)
        tariff_ids = charge.place.connector.get("tariff_ids") or ()
        if OFFERED.get(profile) not in tariff_ids:
            return "PROFILE_TYPE_NOT_SUPPORTED"
        if profile == "CHEAP" and not wanted.get("departure_time"):
            return "DEPARTURE_REQUIRED"
        if profile == "CHEAP" and not wanted.get("energy_need"):
            return "ENERGY_NEED_REQUIRED"
        charge.tariff_id = OFFERED[profile]
        return "ACCEPTED"

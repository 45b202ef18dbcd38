"""CDRs (mod_cdrs.asciidoc): written by the CPO when a charge is over, received by the eMSP."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simulator import ocpi, tariffs
from simulator.interfaces import Call, Receiver, nothing_here, read_object, refuse_method, text
from simulator.objects import CDRS, Objects
from simulator.ocpi import OCPIError, Party
from simulator.places import Place
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.charging import Charge

COPIED = ("cdr_token", "auth_method", "authorization_reference")  # from the Session
UNKNOWN = "#NA"  # what cannot be known


def cdr(charge: "Charge") -> dict[str, Any]:
    session, periods = charge.session, charge.session["charging_periods"]
    used = {period["tariff_id"] for period in periods}
    fields: dict[str, Any] = {
        "country_code": session["country_code"],
        "party_id": session["party_id"],
        "id": "C" + session["id"][1:],
        "start_date_time": session["start_date_time"],
        "end_date_time": session["end_date_time"],
        "session_id": session["id"],
        **{name: session[name] for name in COPIED if name in session},
        "cdr_location": cdr_location(charge.place),
        "currency": session["currency"],
        "tariffs": [tariff for name, tariff in charge.tariffs.items() if name in used],
        "charging_periods": periods,
        "total_energy": tariffs.volume(periods, "ENERGY"),
        "total_time": tariffs.volume(periods, "TIME", "PARKING_TIME"),
        "total_parking_time": tariffs.volume(periods, "PARKING_TIME"),
        **tariffs.costs(charge.tariffs, periods),
        "last_updated": ocpi.later(session["last_updated"], ocpi.now()),
    }
    return fields


def cdr_location(place: Place) -> dict[str, Any]:
    """The Location as it was when the charge began, within the lengths that a CDR allows."""
    location, evse, connector = place.location, place.evse, place.connector
    lengths = {"name": 255, "address": 45, "city": 45, "postal_code": 10, "state": 20, "country": 3}
    fields: dict[str, Any] = {"id": location["id"]}
    for name, length in lengths.items():
        if isinstance(location.get(name), str):
            fields[name] = location[name][:length]
    coordinates = {name: location["coordinates"][name] for name in ("latitude", "longitude")}
    return {
        **fields,
        "coordinates": coordinates,
        "evse_uid": evse["uid"],
        "evse_id": evse.get("evse_id") or UNKNOWN,
        "connector_id": connector["id"],
        "connector_standard": connector["standard"],
        "connector_format": connector["format"],
        "connector_power_type": connector["power_type"],
    }


class CDRReceiver(Receiver):
    """Takes a CDR once, and says where it can be read again (CDR-04, CDR-07)."""

    def __init__(self, objects: Objects, url: str, strict: bool = False) -> None:
        super().__init__(objects)
        self.url, self.strict = url, strict  # a strict one refuses the same CDR, too, when it comes again

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        if path:
            refuse_method(request, "GET")
            if len(path) != 3:
                raise nothing_here()
            return self.get("/".join(path), path)
        refuse_method(request, "POST")
        return self.post(request)

    def post(self, request: Request) -> Answer:
        body = read_object(request)
        owner = Party(text(body, "country_code").upper(), text(body, "party_id").upper())
        place = "/".join((self.url, *owner, text(body, "id")))
        with self.objects.lock:
            known = self.objects.get(CDRS.key(owner, body["id"]))
            if known and known.document != body:
                raise OCPIError(2001, f"The CDR {body['id']} is here already, with other content")
            if known and self.strict:
                raise OCPIError(2001, f"The CDR {body['id']} is here already")
            if known is None:
                self.objects.put(request.body)
            self.note("POST")
        return Answer(200 if known else 201, ocpi.envelope(), {"Location": place})

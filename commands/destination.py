"""To whom a command goes, and which commands the hub answers by itself (interpretations, P124, P125, P127)."""

from typing import Any

from commands.models import Command
from commands.states import NEVER_GOT_IT
from ocpi_hub.exchange.exceptions import InvalidParameters
from ocpi_hub.exchange.interfaces.asking import known, one_of, open_to, owner_of
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.relays.callbacks import in_place
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.protocol.codec import parse
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.types import PartyRef

MODULE = "commands"
NEEDS_CONNECTOR = "START_SESSION_CONNECTOR_REQUIRED"


def must_own_the_token(wire: Any, sender: PartyRef) -> None:
    """Providers let their own customers charge, and nobody else's (CMD-15)."""
    token = getattr(wire, "token", None)
    if token is None:
        return
    owner = PartyRef(token.country_code, token.party_id)
    if owner.key != sender.key:
        raise in_place(
            "REJECTED",
            f"$.token: belongs to {owner}, and {sender} sends this; a command uses tokens of its sender",
            StatusCode.INVALID_PARAMETERS,
        )


def operator_for(wire: Any, route: Route) -> PartyRef:
    """The addressee; without one whose Session, Location or reservation it is. Raises OCPIError."""
    if hasattr(wire, "session_id"):
        return _of_session(wire.session_id, route)
    if hasattr(wire, "location_id"):
        return route.to or _of_location(wire.location_id, route.sender)
    return route.to or _of_reservation(wire.reservation_id, route.sender)


def _of_session(session_id: str, route: Route) -> PartyRef:
    rows = open_to(route.sender, MODULE, known("sessions", session_id, route.to))
    own = [row for row in rows if row.audience == route.sender.key]
    if rows and not own:
        raise in_place("REJECTED", f"session {session_id} is not one of {route.sender}'s customers")
    operator = route.to or owner_of(own, f"a session {session_id}")
    if operator is None:
        message = f"this hub knows no session {session_id}; if there is one, name its operator in OCPI-to"
        raise in_place("UNKNOWN_SESSION", message)
    return operator


def _of_location(location_id: str, sender: PartyRef) -> PartyRef:
    found = open_to(sender, MODULE, known("locations", location_id))
    rows = [row for row in found if row.audience in ("", sender.key)]
    operator = owner_of(rows, f"a location {location_id}")
    if operator is None:
        message = f"this hub knows no location {location_id}; if there is one, name its operator in OCPI-to"
        raise in_place("REJECTED", message, StatusCode.UNKNOWN_LOCATION)
    return operator


def _of_reservation(reservation_id: str, sender: PartyRef) -> PartyRef:
    """Reservations are known by the RESERVE_NOWs of this provider that went through the hub."""
    made = Command.objects.filter(
        command="RESERVE_NOW", from_party=sender.key, reservation_id__iexact=reservation_id
    ).exclude(state__in=NEVER_GOT_IT)
    terms = Terms.of([sender.key])
    keys = [
        key
        for key in made.order_by("to_party").values_list("to_party", flat=True).distinct()
        if terms.allow(sender.key, key, MODULE)
    ]
    operator = one_of({key: PartyRef.parse(key) for key in keys}, f"a reservation {reservation_id} of yours")
    if operator is None:
        message = f"this hub knows no reservation {reservation_id} of {sender}; name its operator in OCPI-to"
        raise in_place("REJECTED", message)
    return operator


def must_name_a_connector(wire: Any, operator: PartyRef, sender: PartyRef) -> None:
    """At an EVSE that says so, START_SESSION needs connector_id (LOC-22). What the hub does not know may be."""
    if not hasattr(wire, "connector_id") or wire.connector_id is not None or wire.evse_uid is None:
        return
    rows = [row for row in known("locations", wire.location_id, operator) if row.audience in ("", sender.key)]
    for row in sorted(rows, key=lambda row: row.audience, reverse=True)[:1]:
        evse = store.part_of(type(row), row.document, (wire.evse_uid,))
        if evse and NEEDS_CONNECTOR in (parse(evse).get("capabilities") or []):
            raise InvalidParameters(
                f"$.connector_id: required field is missing; {row}/{wire.evse_uid} needs it"
            )

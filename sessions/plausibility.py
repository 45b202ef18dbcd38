"""What looks wrong in a Session (mod_sessions.asciidoc; interpretations, P85, P88).

findings()  pure: the sentences about one Session
beside()    what the hub knows beside some Sessions, with a fixed number of queries
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Model

from ocpi_hub.exchange.objects.findings import (
    CLOCK,
    FILLER,
    minute,
    other_reference,
    plain,
    thousandfold,
    volume,
)
from ocpi_hub.exchange.objects.grants import Given, Use, given
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.protocol.sessions import Session
from ocpi_hub.protocol.types import PartyRef


class Beside(NamedTuple):
    """What the hub knows beside one Session."""

    has_location: bool = True
    has_evse: bool = True  # at that Location
    given: Given = Given()


def findings(session: Session, beside: Beside, now: datetime) -> list[str]:
    provider = PartyRef(session.cdr_token.country_code, session.cdr_token.party_id)
    return [
        *_place(session, beside),
        *_times(session, now),
        *_energy(session),
        *_fillers(session),
        *other_reference(session.authorization_reference, session.auth_method, beside.given, provider),
    ]


def _place(session: Session, beside: Beside) -> Iterator[str]:
    if not beside.has_location:
        yield f"The hub knows no Location {session.location_id} of {owner(session)}."
    elif not beside.has_evse and session.evse_uid != FILLER:
        yield f"The hub knows no EVSE {session.evse_uid} at Location {session.location_id}."


def _times(session: Session, now: datetime) -> Iterator[str]:
    start, end = session.start_date_time, session.end_date_time
    if end is not None and end < start:
        yield f"It ends at {minute(end)}, before it starts at {minute(start)}."
    if start > now + CLOCK:
        yield f"It starts at {minute(start)}, and the hub's clock says {minute(now)}: one of the clocks is wrong."


def _energy(session: Session) -> Iterator[str]:
    measured = volume(session.charging_periods, "ENERGY")
    if measured is None:
        return
    if thousandfold(measured, session.kwh):
        yield (
            f"The charging periods add up to {plain(measured)} kWh, about a thousand times kwh,"
            f" which is {plain(session.kwh)}: they look like Wh."
        )
    elif thousandfold(session.kwh, measured):
        yield (
            f"kwh is {plain(session.kwh)}, about a thousand times the {plain(measured)} kWh that the charging"
            " periods add up to: it looks like Wh."
        )


def _fillers(session: Session) -> Iterator[str]:
    """A reservation may lack EVSE and Connector, also when it is over and was not used."""
    unused = session.status in ("COMPLETED", "INVALID") and session.kwh == 0
    if session.status == "RESERVATION" or unused:
        return
    for name in ("evse_uid", "connector_id"):
        if getattr(session, name) == FILLER:
            yield f"{name} is {FILLER}, which only a reservation may have, and the status is {session.status}."


def owner(session: Session) -> PartyRef:
    return PartyRef(session.country_code, session.party_id)


# --------------------------------------------------------------------------------------- from the database
def beside(sessions: list[Session]) -> list[Beside]:
    known = _places(sessions)
    references = _given(sessions)
    if known is None:
        return [Beside(given=found) for found in references]
    return [
        Beside((place := _place_of(session)) in known, (*place, session.evse_uid.upper()) in known, found)
        for session, found in zip(sessions, references, strict=True)
    ]


def _given(sessions: list[Session]) -> list[Given]:
    """What providers gave; a Session by the list alone, without a reference, has nothing to compare."""
    by_list = [
        session.auth_method == "WHITELIST" and not session.authorization_reference for session in sessions
    ]
    if all(by_list):
        return [Given()] * len(sessions)
    return given([_use(session) for session in sessions])


def _place_of(session: Session) -> tuple[str, str]:
    return owner(session).key, session.location_id.upper()


def _places(sessions: list[Session]) -> set[tuple[str, ...]] | None:
    """(owner, Location) and (owner, Location, EVSE) of those that the hub has; None without the module."""
    locations = owned_models().get("locations")
    if locations is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            _PLACES.format(locations=locations._meta.db_table, evses=_evses_of(locations)),
            {
                "owners": list({owner(session).key for session in sessions}),
                "places": list({session.location_id.upper() for session in sessions}),
                "evses": list({session.evse_uid.upper() for session in sessions}),
            },
        )
        rows = cursor.fetchall()
    return {part for row in rows for part in (row[:2], row)}


def _evses_of(locations: type[Model]) -> str:
    """The table of their EVSEs."""
    return locations._meta.get_field("evse_rows").related_model._meta.db_table  # type: ignore[union-attr]


# Written out, because it is asked with every push of a Session.
_PLACES = """
SELECT place.owner_key, place.key, evse.key
FROM {locations} place LEFT JOIN {evses} evse ON evse.location_id = place.id AND evse.key = ANY(%(evses)s)
WHERE place.deleted_at IS NULL AND place.owner_key = ANY(%(owners)s) AND place.key = ANY(%(places)s)
"""


def _use(session: Session) -> Use:
    token = session.cdr_token
    provider = PartyRef(token.country_code, token.party_id)
    end = session.end_date_time or session.last_updated
    return Use(provider, token.uid, owner(session), end, session.authorization_reference)

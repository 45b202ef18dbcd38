"""Reservations: an EVSE is kept for one Token until somebody charges, cancels, or the time is over."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator import ocpi
from simulator.charging import new_id, tariff_of
from simulator.interfaces import Call
from simulator.objects import SESSIONS
from simulator.ocpi import Party
from simulator.places import Place
from simulator.sessions import session

if TYPE_CHECKING:
    from simulator.cpo import CPO

Key = tuple[Party, str]  # the eMSP and its id of the reservation


@dataclass(eq=False)
class Reservation:
    key: Key
    place: Place
    uid: str  # of the Token
    session: dict[str, Any]
    url: str  # where its result went, and where a cancellation by the CPO goes
    call: Call


class Reservations:
    def __init__(self, platform: "CPO") -> None:
        self.platform = platform
        self.active: dict[Key, Reservation] = {}

    def reserve(self, place: Place, body: dict[str, Any], expires: datetime, call: Call) -> None:
        """The same id again takes the place of the one before (ADV-49)."""
        token = body["token"]
        key = Party(token["country_code"].upper(), token["party_id"].upper()), body["reservation_id"].upper()
        if key in self.active:
            self.end(self.active[key])
        self.platform.charging.occupy(place, "RESERVED")
        tariffs = self.platform.tariffs(place.owner)
        currency, now = tariffs[tariff_of(place, tariffs)]["currency"], ocpi.format_time(ocpi.now())
        reference = body.get("authorization_reference")
        document = session(new_id(), place, token, "COMMAND", reference, currency, "RESERVATION", now)
        reservation = Reservation(key, place, token["uid"], document, body["response_url"], call)
        self.active[key] = reservation
        self.tell(reservation)
        wait = max(0.0, (expires - ocpi.now()).total_seconds())
        self.platform.schedule.after(wait, lambda: self.expire(reservation))

    def tell(self, reservation: Reservation) -> None:
        key = self.platform.write(SESSIONS, ocpi.encode(reservation.session))
        self.platform.queues[SESSIONS.name].add((key,))

    def expire(self, reservation: Reservation) -> None:
        if self.active.get(reservation.key) is reservation:
            self.end(reservation)

    def end(self, reservation: Reservation) -> None:
        """Unused: its Session is over (SES-13), and costs nothing."""
        self.free(reservation)
        self.platform.set_status(reservation.place.spot, "AVAILABLE")
        now = ocpi.later(reservation.session["last_updated"], ocpi.now())
        reservation.session.update(status="COMPLETED", end_date_time=now, last_updated=now)
        self.tell(reservation)

    def free(self, reservation: Reservation) -> None:
        self.active.pop(reservation.key, None)
        self.platform.places.taken.discard(reservation.place.spot)

    def use(self, place: Place, token: dict[str, Any]) -> str:
        """The id of the reserved Session that this Token takes up here, if it has one."""
        for reservation in list(self.active.values()):
            if reservation.place.spot == place.spot and reservation.uid.upper() == token["uid"].upper():
                self.free(reservation)
                self.platform.set_status(place.spot, "AVAILABLE")
                return str(reservation.session["id"])
        return ""

    def cancel(self, party: Party | None, reservation_id: str) -> bool:
        """By the eMSP that made it; by its id alone when nobody says who asks."""
        reservation = self.find(party, reservation_id)
        if reservation:
            self.end(reservation)
        return reservation is not None

    def find(self, party: Party | None, reservation_id: str) -> Reservation | None:
        for (owner, known), reservation in list(self.active.items()):
            if known == reservation_id.upper() and party in (None, owner):
                return reservation
        return None

    def withdraw(self, reservation_id: str) -> bool:
        """By the CPO: the eMSP hears of it where the result of its command went (CMD-20)."""
        reservation = self.find(None, reservation_id)
        if reservation is None:
            return False
        self.end(reservation)
        body = ocpi.encode({"result": "CANCELED_RESERVATION"})
        self.platform.results.post(reservation.url, reservation.call, body)
        return True

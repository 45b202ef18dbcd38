"""Commands as the CPO takes them (mod_commands.asciidoc): a direct answer, then a result."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from simulator import ocpi
from simulator.charging import Taken
from simulator.interfaces import Call, nothing_here, read_object, refuse_method, text
from simulator.ocpi import OCPIError, Party
from simulator.places import OCCUPIED, Place
from simulator.reservations import Reservations
from simulator.results import Results, direct
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.cpo import CPO

Body = dict[str, Any]
Follow = Callable[[], str]  # does it, and says with what result


class Refusal(Exception):
    """A direct answer that is not ACCEPTED: nothing follows."""

    def __init__(self, result: str, code: int = 1000, message: str | None = None) -> None:
        super().__init__(message)
        self.result, self.code, self.message = result, code, message


class CommandsReceiver:
    def __init__(self, platform: "CPO", results: Results, reservations: Reservations) -> None:
        self.platform, self.results, self.reservations = platform, results, reservations
        self.commands: dict[str, Callable[[Body, Call], Follow]] = {
            "START_SESSION": self.start_session,
            "STOP_SESSION": self.stop_session,
            "RESERVE_NOW": self.reserve_now,
            "CANCEL_RESERVATION": self.cancel_reservation,
            "UNLOCK_CONNECTOR": self.unlock_connector,
        }

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        refuse_method(request, "POST")
        command = self.commands.get(path[0]) if len(path) == 1 else None
        if command is None:
            raise nothing_here()
        body = read_object(request)
        url = text(body, "response_url")
        try:
            follow = command(body, call)
        except Refusal as refusal:
            return direct(refusal.result, code=refusal.code, message=refusal.message)
        self.results.follow(request, url, call, lambda: {"result": outcome(follow)})
        return direct("ACCEPTED")

    def start_session(self, body: Body, call: Call) -> Follow:
        token = self.token(body, call)
        if body.get("connector_id") and not body.get("evse_uid"):
            raise OCPIError(2001, "$.evse_uid is missing: $.connector_id needs it")
        place = self.place(body, call, "evse_uid", "connector_id")
        reference = text(body, "authorization_reference", needed=False)

        def start() -> str:
            session_id = self.reservations.use(place, token)
            here = self.platform.places.find(*place.ids, owner=place.owner)  # as it is now
            self.platform.charging.start(
                here, token, "COMMAND", reference, pending=True, session_id=session_id
            )
            return "ACCEPTED"

        return start

    def stop_session(self, body: Body, call: Call) -> Follow:
        session_id = text(body, "session_id")
        known = self.platform.charging.sessions.find(session_id)
        if known is None or call.to not in (None, known.owner):
            raise Refusal("UNKNOWN_SESSION")
        self.require_owner(call, known.document["cdr_token"])
        charge = self.platform.charging.running.get(known.key)
        if charge is None:
            raise Refusal("REJECTED", message="This Session is over")

        def stop() -> str:
            self.platform.charging.stop(charge)
            return "ACCEPTED"

        return stop

    def reserve_now(self, body: Body, call: Call) -> Follow:
        self.token(body, call)
        text(body, "reservation_id")
        expires = ocpi.parse_time(text(body, "expiry_date"))
        if expires is None:
            raise OCPIError(2001, "$.expiry_date is no time")
        place = self.place(body, call, "evse_uid")

        def reserve() -> str:
            self.reservations.reserve(place, body, expires, call)
            return "ACCEPTED"

        return reserve

    def cancel_reservation(self, body: Body, call: Call) -> Follow:
        reservation_id, party = text(body, "reservation_id"), self.asker(call)

        def cancel() -> str:
            return "ACCEPTED" if self.reservations.cancel(party, reservation_id) else "UNKNOWN_RESERVATION"

        return cancel

    def unlock_connector(self, body: Body, call: Call) -> Follow:
        for name in ("evse_uid", "connector_id"):
            text(body, name)
        self.place(body, call, "evse_uid", "connector_id")
        return lambda: "ACCEPTED"

    # -- what several commands have in common

    def token(self, body: Body, call: Call) -> Body:
        """The whole Token that comes along; an eMSP uses only its own (CMD-15)."""
        token = body.get("token")
        if not isinstance(token, dict):
            raise OCPIError(2001, "$.token is missing or is no object")
        for name in ("country_code", "party_id", "uid", "type", "contract_id"):
            text(token, name)
        self.require_owner(call, token)
        return token

    def require_owner(self, call: Call, token: Body) -> None:
        owner = Party(token["country_code"].upper(), token["party_id"].upper())
        if self.asker(call) not in (None, owner):
            raise Refusal("REJECTED", message=f"The Token is of {owner}, the command of {call.sender}")

    def asker(self, call: Call) -> Party | None:
        """The eMSP that sends a command; None when the hub speaks for it, or nobody is named."""
        return None if call.sender == self.platform.registration.hub_party else call.sender

    def place(self, body: Body, call: Call, *names: str) -> Place:
        text(body, "location_id")
        evse, connector = (*(text(body, name, needed=False) for name in names), "")[:2]
        try:
            return self.platform.places.find(body["location_id"], evse, connector, owner=call.to)
        except LookupError as error:
            raise Refusal("REJECTED", 2003, f"There is no {error.args[0]} here") from error


def outcome(follow: Follow) -> str:
    try:
        return follow()
    except Taken as taken:
        return str(taken) or OCCUPIED

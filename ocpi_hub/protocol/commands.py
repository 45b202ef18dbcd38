"""Commands (mod_commands.asciidoc)."""

from typing import Literal

from .tokens import Token
from .types import URL, CiString36, DateTime, DisplayText, Int, ObjectID, RuleBroken, Wire

CommandType = Literal[
    "CANCEL_RESERVATION", "RESERVE_NOW", "START_SESSION", "STOP_SESSION", "UNLOCK_CONNECTOR"
]
CommandResponseType = Literal["NOT_SUPPORTED", "REJECTED", "ACCEPTED", "UNKNOWN_SESSION"]
CommandResultType = Literal[
    "ACCEPTED",
    "CANCELED_RESERVATION",
    "EVSE_OCCUPIED",
    "EVSE_INOPERATIVE",
    "FAILED",
    "NOT_SUPPORTED",
    "REJECTED",
    "TIMEOUT",
    "UNKNOWN_RESERVATION",
]


class CancelReservation(Wire, kw_only=True):
    response_url: URL
    reservation_id: ObjectID


class ReserveNow(Wire, kw_only=True):
    response_url: URL
    token: Token
    expiry_date: DateTime
    reservation_id: ObjectID
    location_id: ObjectID
    evse_uid: ObjectID | None = None
    authorization_reference: CiString36 | None = None


class StartSession(Wire, kw_only=True):
    response_url: URL
    token: Token
    location_id: ObjectID
    evse_uid: ObjectID | None = None
    connector_id: ObjectID | None = None
    authorization_reference: CiString36 | None = None

    def __post_init__(self) -> None:
        if self.connector_id is not None and self.evse_uid is None:
            raise RuleBroken("evse_uid", "needed with connector_id")


class StopSession(Wire, kw_only=True):
    response_url: URL
    session_id: ObjectID


class UnlockConnector(Wire, kw_only=True):
    response_url: URL
    location_id: ObjectID
    evse_uid: ObjectID
    connector_id: ObjectID


COMMANDS: dict[str, type[Wire]] = {
    "CANCEL_RESERVATION": CancelReservation,
    "RESERVE_NOW": ReserveNow,
    "START_SESSION": StartSession,
    "STOP_SESSION": StopSession,
    "UNLOCK_CONNECTOR": UnlockConnector,
}


class CommandResponse(Wire, kw_only=True):
    result: CommandResponseType
    timeout: Int
    message: list[DisplayText] | None = None


class CommandResult(Wire, kw_only=True):
    result: CommandResultType
    message: list[DisplayText] | None = None

from typing import Any, get_args

import pytest

from ocpi_hub.protocol.codec import check
from ocpi_hub.protocol.commands import (
    COMMANDS,
    CancelReservation,
    CommandResponse,
    CommandResult,
    CommandType,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from tests import examples

from .refusals import changed, problem, without

BODIES = {
    "CANCEL_RESERVATION": examples.cancel_reservation,
    "RESERVE_NOW": examples.reserve_now,
    "START_SESSION": examples.start_session,
    "STOP_SESSION": examples.stop_session,
    "UNLOCK_CONNECTOR": examples.unlock_connector,
}


def test_every_command_has_a_body() -> None:
    assert tuple(COMMANDS) == get_args(CommandType) == tuple(BODIES)


@pytest.mark.row("CMD-02")
@pytest.mark.parametrize("command", COMMANDS)
def test_the_body_fits_its_command(command: str) -> None:
    check(BODIES[command](), COMMANDS[command])


@pytest.mark.row("CMD-02")
@pytest.mark.parametrize(
    ("command", "other", "missing"),
    [
        ("START_SESSION", "STOP_SESSION", "token"),
        ("STOP_SESSION", "START_SESSION", "session_id"),
        ("RESERVE_NOW", "START_SESSION", "expiry_date"),
        ("CANCEL_RESERVATION", "STOP_SESSION", "reservation_id"),
        ("UNLOCK_CONNECTOR", "CANCEL_RESERVATION", "location_id"),
    ],
)
def test_the_body_of_another_command_is_refused(command: str, other: str, missing: str) -> None:
    assert problem(BODIES[other](), COMMANDS[command]) == f"$.{missing}: required field is missing"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_where_its_result_goes(command: str) -> None:
    body = BODIES[command]()
    url = "https://msp.example/" + "x" * 235

    check({**body, "response_url": url}, COMMANDS[command])
    assert problem({**body, "response_url": url + "x"}, COMMANDS[command]) == (
        "$.response_url: longer than 255 characters"
    )
    assert problem({**body, "response_url": "/results/1"}, COMMANDS[command]) == (
        "$.response_url: not an absolute http or https URL"
    )
    assert problem(without(body, "response_url"), COMMANDS[command]) == (
        "$.response_url: required field is missing"
    )


@pytest.mark.row("CMD-18")
def test_a_connector_is_named_with_its_evse() -> None:
    check(without(examples.start_session(), "connector_id"), StartSession)
    check(without(examples.start_session(), "connector_id", "evse_uid"), StartSession)

    assert problem(without(examples.start_session(), "evse_uid"), StartSession) == (
        "$.evse_uid: needed with connector_id"
    )
    assert problem(examples.start_session(evse_uid=None), StartSession) == (
        "$.evse_uid: needed with connector_id"
    )


def test_a_reservation_may_be_for_any_evse() -> None:
    assert check(without(examples.reserve_now(), "evse_uid"), ReserveNow).evse_uid is None


@pytest.mark.parametrize(
    ("raw", "struct", "field"),
    [
        (examples.start_session(), StartSession, "location_id"),
        (examples.start_session(), StartSession, "evse_uid"),
        (examples.start_session(), StartSession, "connector_id"),
        (examples.start_session(), StartSession, "authorization_reference"),
        (examples.reserve_now(), ReserveNow, "reservation_id"),
        (examples.reserve_now(), ReserveNow, "authorization_reference"),
        (examples.cancel_reservation(), CancelReservation, "reservation_id"),
        (examples.stop_session(), StopSession, "session_id"),
        (examples.unlock_connector(), UnlockConnector, "location_id"),
        (examples.unlock_connector(), UnlockConnector, "evse_uid"),
        (examples.unlock_connector(), UnlockConnector, "connector_id"),
    ],
)
def test_ids_in_commands_have_36_characters(raw: Any, struct: type, field: str) -> None:
    check({**raw, field: "x" * 36}, struct)

    assert problem({**raw, field: "x" * 37}, struct) == f"$.{field}: longer than 36 characters"
    assert problem({**raw, field: "é"}, struct) == f"$.{field}: holds characters other than printable ASCII"


@pytest.mark.parametrize("command", ["START_SESSION", "RESERVE_NOW"])
def test_a_command_carries_a_whole_token(command: str) -> None:
    raw = changed(BODIES[command](), "token.contract_id", None)

    assert problem(raw, COMMANDS[command]) == "$.token.contract_id: required, so null is not allowed"


@pytest.mark.row("CMD-03")
@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (
            examples.command_response(result="TIMEOUT"),
            "$.result: 'TIMEOUT' is not one of ACCEPTED, NOT_SUPPORTED, REJECTED, UNKNOWN_SESSION",
        ),
        (without(examples.command_response(), "timeout"), "$.timeout: required field is missing"),
        (
            examples.command_response(timeout="30"),
            "$.timeout: not a whole number, but text; leave out the quotes",
        ),
        (examples.command_response(message={"language": "en", "text": "no"}), "$.message: not a list"),
        (
            examples.command_response(message=[{"language": "eng", "text": "no"}]),
            "$.message[0].language: longer than 2 characters",
        ),
    ],
)
def test_a_wrong_answer_to_a_command_is_named(raw: Any, error: str) -> None:
    assert problem(raw, CommandResponse) == error


def test_answer_and_result_have_words_of_their_own() -> None:
    assert check(examples.command_response(result="UNKNOWN_SESSION"), CommandResponse).timeout == 30
    assert check(examples.command_result(result="UNKNOWN_RESERVATION"), CommandResult).message is None
    assert problem(examples.command_result(result="UNKNOWN_SESSION"), CommandResult) == (
        "$.result: 'UNKNOWN_SESSION' is not one of ACCEPTED, CANCELED_RESERVATION, EVSE_INOPERATIVE, "
        "EVSE_OCCUPIED, FAILED, NOT_SUPPORTED, REJECTED, TIMEOUT, UNKNOWN_RESERVATION"
    )

from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.protocol import cdrs, sessions
from ocpi_hub.protocol.codec import check, dump
from ocpi_hub.protocol.sessions import ChargingPreferences, Session
from tests.examples import charging_preferences, session

from .refusals import changed, problem, without


def test_a_session_is_accepted() -> None:
    checked = check(session(), Session)

    assert (checked.kwh, checked.status) == (Decimal(20), "ACTIVE")
    assert checked.end_date_time is None


def test_sessions_and_cdrs_share_tokens_and_periods() -> None:
    assert sessions.CdrToken is cdrs.CdrToken
    assert sessions.ChargingPeriod is cdrs.ChargingPeriod


@pytest.mark.parametrize(
    ("place", "length"),
    [
        ("id", 36),
        ("authorization_reference", 36),
        ("location_id", 36),
        ("evse_uid", 36),
        ("connector_id", 36),
        ("meter_id", 255),
        ("cdr_token.uid", 36),
        ("cdr_token.contract_id", 36),
        ("charging_periods[0].tariff_id", 36),
    ],
)
def test_lengths_of_a_session(place: str, length: int) -> None:
    check(changed(session(), place, "x" * length), Session)

    error = problem(changed(session(), place, "x" * (length + 1)), Session)
    assert error == f"$.{place}: longer than {length} characters"


@pytest.mark.row("SES-12", "SES-14")
def test_a_reservation_may_lack_evse_and_connector() -> None:
    raw = session(status="RESERVATION", kwh=0, evse_uid="#NA", connector_id="#NA", charging_periods=[])

    assert check(raw, Session).evse_uid == "#NA"


@pytest.mark.row("SES-16")
def test_a_missing_total_stays_missing() -> None:
    checked = check(without(session(), "total_cost"), Session)

    assert checked.total_cost is None
    assert b"total_cost" not in dump(checked)


def test_a_session_that_ends_before_it_starts_is_odd_but_read() -> None:
    check(session(end_date_time="2026-03-01T06:59:59Z"), Session)


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (
            "status",
            "RESERVED",
            "'RESERVED' is not one of ACTIVE, COMPLETED, INVALID, PENDING, RESERVATION",
        ),
        ("auth_method", "RFID", "'RFID' is not one of AUTH_REQUEST, COMMAND, WHITELIST"),
        ("kwh", "20", "not a number, but text; leave out the quotes"),
        ("kwh", None, "required, so null is not allowed"),
        ("currency", "€", "not a currency code of three letters"),
        ("evse_uid", "", "empty"),
        ("charging_periods[0].dimensions", [], "needs at least one entry"),
        ("charging_periods[0].dimensions[0].volume", True, "not a number"),
        ("total_cost.excl_vat", None, "required, so null is not allowed"),
    ],
)
def test_a_wrong_field_of_a_session_is_named(place: str, value: Any, error: str) -> None:
    assert problem(changed(session(), place, value), Session) == f"$.{place}: {error}"


@pytest.mark.parametrize("volume", [-1, 101])
def test_a_state_of_charge_is_a_share(volume: int) -> None:
    dimension = {"type": "STATE_OF_CHARGE", "volume": volume}

    assert problem(changed(session(), "charging_periods[0].dimensions[1]", dimension), Session) == (
        "$.charging_periods[0].dimensions[1].volume: not between 0 and 100"
    )


@pytest.mark.row("SES-05")
def test_preferences_need_their_type_alone() -> None:
    assert check({"profile_type": "GREEN"}, ChargingPreferences).discharge_allowed is None
    assert problem(without(charging_preferences(), "profile_type"), ChargingPreferences) == (
        "$.profile_type: required field is missing"
    )
    assert problem(charging_preferences(profile_type="SLOW"), ChargingPreferences) == (
        "$.profile_type: 'SLOW' is not one of CHEAP, FAST, GREEN, REGULAR"
    )

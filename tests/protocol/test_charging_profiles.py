from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.protocol.charging_profiles import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfile,
    ChargingProfilePeriod,
    ChargingProfileResponse,
    ChargingProfileResult,
    ClearProfileResult,
    SetChargingProfile,
)
from ocpi_hub.protocol.codec import check, read
from tests.examples import active_charging_profile, charging_profile_response, set_charging_profile

from .refusals import changed, problem, without


@pytest.mark.row("CHP-02")
def test_a_profile_is_set_and_told() -> None:
    assert check(set_charging_profile(), SetChargingProfile).charging_profile.charging_rate_unit == "A"
    assert check(active_charging_profile(), ActiveChargingProfile).charging_profile.duration is None
    assert problem(without(set_charging_profile(), "response_url"), SetChargingProfile) == (
        "$.response_url: required field is missing"
    )


@pytest.mark.row("CHP-13")
@pytest.mark.parametrize(
    "number", ["8", "8.1", "-8.1", "8.5", "8.10", "8.10000", "0.0", "1E+3", "100000000000000000000000000000"]
)
def test_limits_have_one_decimal(number: str) -> None:
    period = read(b'{"start_period":0,"limit":%s}' % number.encode(), ChargingProfilePeriod)
    profile = read(b'{"charging_rate_unit":"W","min_charging_rate":%s}' % number.encode(), ChargingProfile)

    assert period.limit == profile.min_charging_rate == Decimal(number)


@pytest.mark.row("CHP-13")
@pytest.mark.parametrize(
    "number", ["8.15", "8.25", "-0.01", "1E-2", "8.1000000001", "12345678901234567890123456789.01"]
)
def test_limits_of_more_decimals_are_refused(number: str) -> None:
    place = "charging_profile_period[1].limit"
    limit = changed(set_charging_profile(), f"charging_profile.{place}", Decimal(number))
    rate = changed(set_charging_profile(), "charging_profile.min_charging_rate", Decimal(number))

    assert problem(limit, SetChargingProfile) == f"$.charging_profile.{place}: more than one decimal"
    assert problem(rate, SetChargingProfile) == "$.charging_profile.min_charging_rate: more than one decimal"


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        ("charging_profile.charging_rate_unit", "kW", "'kW' is not one of A, W"),
        ("charging_profile.duration", Decimal("0.5"), "not a whole number"),
        (
            "charging_profile.charging_profile_period[0].start_period",
            None,
            "required, so null is not allowed",
        ),
        (
            "charging_profile.charging_profile_period[0].limit",
            "16",
            "not a number, but text; leave out the quotes",
        ),
        ("charging_profile.charging_profile_period", {}, "not a list"),
        ("response_url", "https://", "not an absolute http or https URL"),
    ],
)
def test_a_wrong_field_of_a_profile_is_named(place: str, value: Any, error: str) -> None:
    assert problem(changed(set_charging_profile(), place, value), SetChargingProfile) == f"$.{place}: {error}"


def test_a_profile_may_have_no_periods() -> None:
    assert check({"charging_rate_unit": "W"}, ChargingProfile).charging_profile_period is None


@pytest.mark.row("CHP-04")
def test_the_answer_has_result_and_timeout() -> None:
    assert check(charging_profile_response(result="TOO_OFTEN"), ChargingProfileResponse).timeout == 30
    assert problem(without(charging_profile_response(), "timeout"), ChargingProfileResponse) == (
        "$.timeout: required field is missing"
    )
    assert problem(charging_profile_response(result="UNKNOWN"), ChargingProfileResponse) == (
        "$.result: 'UNKNOWN' is not one of ACCEPTED, NOT_SUPPORTED, REJECTED, TOO_OFTEN, UNKNOWN_SESSION"
    )


@pytest.mark.row("CHP-05")
@pytest.mark.parametrize("struct", [ActiveChargingProfileResult, ChargingProfileResult, ClearProfileResult])
def test_results_know_three_words(struct: Any) -> None:
    assert check({"result": "UNKNOWN"}, struct).result == "UNKNOWN"
    assert problem({"result": "TOO_OFTEN"}, struct) == (
        "$.result: 'TOO_OFTEN' is not one of ACCEPTED, REJECTED, UNKNOWN"
    )


@pytest.mark.row("CHP-05")
def test_an_active_profile_is_expected_but_not_insisted_on() -> None:
    told = {"result": "ACCEPTED", "profile": active_charging_profile()}

    assert check(told, ActiveChargingProfileResult).profile == check(told["profile"], ActiveChargingProfile)
    assert check({"result": "ACCEPTED"}, ActiveChargingProfileResult).profile is None

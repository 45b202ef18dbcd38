"""Charging profiles (mod_charging_profiles.asciidoc)."""

from typing import Literal

from .types import URL, DateTime, Int, Number, RuleBroken, Wire

ChargingRateUnit = Literal["W", "A"]
ChargingProfileResponseType = Literal["ACCEPTED", "NOT_SUPPORTED", "REJECTED", "TOO_OFTEN", "UNKNOWN_SESSION"]
ChargingProfileResultType = Literal["ACCEPTED", "REJECTED", "UNKNOWN"]


def require_one_decimal(field: str, number: Number) -> None:
    """By value, so 8.10 passes. As a fraction, because arithmetic of Decimal rounds what has many digits."""
    _, denominator = number.as_integer_ratio()
    if 10 % denominator:
        raise RuleBroken(field, "more than one decimal")


class ChargingProfilePeriod(Wire, kw_only=True):
    start_period: Int
    limit: Number

    def __post_init__(self) -> None:
        require_one_decimal("limit", self.limit)


class ChargingProfile(Wire, kw_only=True):
    start_date_time: DateTime | None = None
    duration: Int | None = None
    charging_rate_unit: ChargingRateUnit
    min_charging_rate: Number | None = None
    charging_profile_period: list[ChargingProfilePeriod] | None = None

    def __post_init__(self) -> None:
        if self.min_charging_rate is not None:
            require_one_decimal("min_charging_rate", self.min_charging_rate)


class SetChargingProfile(Wire, kw_only=True):
    charging_profile: ChargingProfile
    response_url: URL


class ActiveChargingProfile(Wire, kw_only=True):
    start_date_time: DateTime
    charging_profile: ChargingProfile


class ChargingProfileResponse(Wire, kw_only=True):
    result: ChargingProfileResponseType
    timeout: Int


class ActiveChargingProfileResult(Wire, kw_only=True):
    """`profile` is expected when the result is ACCEPTED, but its absence is no reason to lose the result."""

    result: ChargingProfileResultType
    profile: ActiveChargingProfile | None = None


class ChargingProfileResult(Wire, kw_only=True):
    result: ChargingProfileResultType


class ClearProfileResult(Wire, kw_only=True):
    result: ChargingProfileResultType

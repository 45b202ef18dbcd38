"""Tariffs (mod_tariffs.asciidoc)."""

from typing import Annotated, Literal

from msgspec import Meta

from .locations import EnergyMix
from .types import (
    URL,
    ClockTime,
    CountryCode,
    Currency,
    DateTime,
    DisplayText,
    Int,
    LocalDate,
    Number,
    ObjectID,
    PartyID,
    Price,
    RuleBroken,
    Wire,
)

DayOfWeek = Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
ReservationRestrictionType = Literal["RESERVATION", "RESERVATION_EXPIRES"]
TariffDimensionType = Literal["ENERGY", "FLAT", "PARKING_TIME", "TIME"]
TariffType = Literal["AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR"]


class PriceComponent(Wire, kw_only=True):
    """No `vat` means that none applies, which is not a `vat` of 0; the `step_size` of a FLAT says nothing."""

    type: TariffDimensionType
    price: Number
    vat: Number | None = None
    step_size: Int


class TariffRestrictions(Wire, kw_only=True):
    start_time: ClockTime | None = None
    end_time: ClockTime | None = None
    start_date: LocalDate | None = None
    end_date: LocalDate | None = None
    min_kwh: Number | None = None
    max_kwh: Number | None = None
    min_current: Number | None = None
    max_current: Number | None = None
    min_power: Number | None = None
    max_power: Number | None = None
    min_duration: Int | None = None
    max_duration: Int | None = None
    day_of_week: list[DayOfWeek] | None = None
    reservation: ReservationRestrictionType | None = None


class TariffElement(Wire, kw_only=True):
    price_components: Annotated[list[PriceComponent], Meta(min_length=1)]
    restrictions: TariffRestrictions | None = None

    def __post_init__(self) -> None:
        if self.restrictions is None or self.restrictions.reservation is None:
            return
        for index, component in enumerate(self.price_components):
            if component.type not in ("FLAT", "TIME"):
                raise RuleBroken(f"price_components[{index}].type", "a reservation costs FLAT and TIME only")


class Tariff(Wire, kw_only=True):
    country_code: CountryCode
    party_id: PartyID
    id: ObjectID
    currency: Currency
    type: TariffType | None = None
    tariff_alt_text: list[DisplayText] | None = None
    tariff_alt_url: URL | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: Annotated[list[TariffElement], Meta(min_length=1)]
    start_date_time: DateTime | None = None
    end_date_time: DateTime | None = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

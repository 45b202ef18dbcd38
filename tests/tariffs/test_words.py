"""A Tariff in the words that an operator reads."""

import json
from typing import Any

import pytest

from ocpi_hub.protocol.codec import read
from ocpi_hub.protocol.tariffs import PriceComponent, TariffRestrictions
from ocpi_hub.protocol.types import Price
from tariffs import words


def component(**changes: Any) -> PriceComponent:
    made = {"type": "ENERGY", "price": 0.25, "step_size": 1, **changes}
    return read(json.dumps(made).encode(), PriceComponent)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "0.25 EUR a kWh"),
        ({"type": "TIME", "price": 6}, "6 EUR an hour"),
        ({"type": "PARKING_TIME", "price": 1.50}, "1.5 EUR an hour"),
        ({"type": "FLAT", "price": 0}, "0 EUR a session"),
        ({"price": 1e-5}, "0.00001 EUR a kWh"),
    ],
)
def test_a_price_has_its_unit(changes, said):
    assert words.price(component(**changes), "EUR") == said


@pytest.mark.row("TAR-12")
@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, "none"), ({"vat": None}, "none"), ({"vat": 0}, "0 %"), ({"vat": 7.50}, "7.5 %")],
)
def test_a_vat_of_0_is_not_told_as_none(changes, said):
    assert words.vat(component(**changes)) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step_size": 1000}, "1000 Wh"),
        ({"type": "TIME", "step_size": 60}, "1 min"),
        ({"type": "PARKING_TIME", "step_size": 5430}, "1 h 30 min 30 s"),
        ({"type": "TIME", "step_size": 0}, "0 s"),
        ({"type": "TIME", "step_size": -90}, "-1 min 30 s"),
        ({"type": "FLAT", "step_size": 1}, ""),
    ],
)
def test_a_step_has_the_unit_of_its_dimension(changes, said):
    assert words.step(component(**changes)) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (None, ""),
        (b'{"excl_vat": 1}', "1 EUR"),
        (b'{"excl_vat": 0.50, "incl_vat": 0.60}', "0.5 EUR, 0.6 with VAT"),
    ],
)
def test_a_bound_is_told_with_and_without_vat(amount, said):
    assert words.bound(amount and read(amount, Price), "EUR") == said


WEEK = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


@pytest.mark.parametrize(
    ("restrictions", "said"),
    [
        ({}, "always"),
        ({"start_time": "08:00", "end_time": "22:00"}, "from 08:00 until 22:00"),
        ({"start_time": "08:00"}, "from 08:00"),
        ({"end_date": "2026-04-01"}, "until 2026-04-01"),
        ({"day_of_week": ["SUNDAY", "SATURDAY"]}, "Saturday, Sunday"),
        ({"day_of_week": ["FRIDAY", "MONDAY"]}, "Monday, Friday"),
        ({"day_of_week": WEEK[:5]}, "Monday to Friday"),
        ({"day_of_week": WEEK}, "Monday to Sunday"),
        ({"min_kwh": 20, "max_kwh": 50.5}, "from 20 kWh below 50.5 kWh"),
        ({"max_power": 16}, "below 16 kW"),
        ({"min_current": 32}, "from 32 A"),
        ({"min_duration": 5400}, "after 1 h 30 min"),
        ({"min_duration": 60, "max_duration": 7200}, "after 1 min before 2 h"),
        ({"reservation": "RESERVATION"}, "while it is reserved"),
        ({"reservation": "RESERVATION_EXPIRES"}, "for a reservation that expires"),
        (
            {"start_time": "23:00", "end_time": "07:00", "day_of_week": ["SATURDAY"], "min_duration": 1},
            "Saturday; from 23:00 until 07:00; after 1 s",
        ),
    ],
)
def test_restrictions_are_told_in_words(restrictions, said):
    assert words.restrictions(read(json.dumps(restrictions).encode(), TariffRestrictions)) == said


def test_an_element_without_restrictions_applies_always():
    assert words.restrictions(None) == "always"

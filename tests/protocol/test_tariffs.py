from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.protocol.codec import check, dump
from ocpi_hub.protocol.tariffs import PriceComponent, Tariff, TariffElement, TariffRestrictions
from tests.examples import tariff

from .refusals import changed, problem, without


def component(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "price": 1, "step_size": 1, **fields}


def element(*kinds: str, **restrictions: Any) -> dict[str, Any]:
    return {"price_components": [component(kind) for kind in kinds], "restrictions": restrictions}


def test_a_tariff_is_accepted() -> None:
    checked = check(tariff(), Tariff)

    assert [part.type for part in checked.elements[0].price_components] == ["FLAT", "ENERGY"]
    assert checked.type is None


@pytest.mark.row("TAR-08")
@pytest.mark.parametrize("step_size", [0, 1, 300])
def test_a_flat_price_of_0_may_have_any_step(step_size: int) -> None:
    free = component("FLAT", price=0, step_size=step_size)

    checked = check(tariff(elements=[{"price_components": [free]}]), Tariff)

    assert checked.elements[0].price_components[0].step_size == step_size


@pytest.mark.row("TAR-12")
def test_no_vat_is_not_vat_of_0() -> None:
    none, zero = check(component("TIME"), PriceComponent), check(component("TIME", vat=0), PriceComponent)

    assert (none.vat, zero.vat) == (None, Decimal(0))
    assert dump(none) == b'{"type":"TIME","price":1,"step_size":1}'
    assert dump(zero) == b'{"type":"TIME","price":1,"vat":0,"step_size":1}'


@pytest.mark.row("TAR-18")
@pytest.mark.parametrize("reservation", ["RESERVATION", "RESERVATION_EXPIRES"])
@pytest.mark.parametrize(
    ("kinds", "wrong"),
    [
        (["FLAT"], None),
        (["TIME", "FLAT"], None),
        (["ENERGY"], 0),
        (["FLAT", "TIME", "PARKING_TIME"], 2),
        (["FLAT", "ENERGY", "PARKING_TIME"], 1),
    ],
)
def test_a_reservation_costs_flat_and_time_only(
    reservation: str, kinds: list[str], wrong: int | None
) -> None:
    raw = tariff(elements=[element("ENERGY"), element(*kinds, reservation=reservation)])

    if wrong is None:
        check(raw, Tariff)
    else:
        assert problem(raw, Tariff) == (
            f"$.elements[1].price_components[{wrong}].type: a reservation costs FLAT and TIME only"
        )


@pytest.mark.parametrize("restrictions", [None, {}, {"reservation": None}, {"max_duration": 1800}])
def test_what_is_no_reservation_costs_anything(restrictions: Any) -> None:
    check({**element("ENERGY", "PARKING_TIME"), "restrictions": restrictions}, TariffElement)


@pytest.mark.parametrize("field", ["start_time", "end_time"])
@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("00:00", True),
        ("23:59", True),
        ("24:00", False),
        ("8:00", False),
        ("12:60", False),
        ("1200", False),
        ("12:0", False),
        ("", False),
        ("१२:00", False),
    ],
)
def test_restricted_times_are_hours_and_minutes(field: str, text: str, good: bool) -> None:
    if good:
        check({field: text}, TariffRestrictions)
    else:
        assert problem({field: text}, TariffRestrictions) == f"$.{field}: not a time of day as HH:MM"


@pytest.mark.parametrize("field", ["start_date", "end_date"])
@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("2026-01-01", True),
        ("2999-12-31", True),
        ("1000-10-10", True),
        ("2026-02-31", True),
        ("2026-00-01", False),
        ("2026-13-01", False),
        ("2026-01-00", False),
        ("2026-01-32", False),
        ("0999-01-01", False),
        ("3000-01-01", False),
        ("2026-1-1", False),
        ("20260101", False),
        ("", False),
    ],
)
def test_restricted_dates_are_year_month_and_day(field: str, text: str, good: bool) -> None:
    if good:
        check({field: text}, TariffRestrictions)
    else:
        assert problem({field: text}, TariffRestrictions) == f"$.{field}: not a date as YYYY-MM-DD"


def test_restrictions_longer_than_their_form_are_refused() -> None:
    assert problem({"start_time": "08:00:00"}, TariffRestrictions) == "$.start_time: longer than 5 characters"
    assert problem({"end_date": "2026-01-01Z"}, TariffRestrictions) == "$.end_date: longer than 10 characters"


@pytest.mark.row("TAR-15")
def test_a_night_ends_before_it_starts() -> None:
    night = check({"start_time": "22:00", "end_time": "06:00"}, TariffRestrictions)

    assert (night.start_time, night.end_time) == ("22:00", "06:00")


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        ("elements", [], "needs at least one entry"),
        ("elements[0].price_components", [], "needs at least one entry"),
        (
            "elements[0].price_components[0].type",
            "POWER",
            "'POWER' is not one of ENERGY, FLAT, PARKING_TIME, TIME",
        ),
        ("elements[0].price_components[0].price", "1.00", "not a number, but text; leave out the quotes"),
        ("elements[0].price_components[0].step_size", Decimal("0.5"), "not a whole number"),
        ("elements[0].price_components[0].step_size", None, "required, so null is not allowed"),
        ("elements[0].restrictions.min_duration", Decimal("1.5"), "not a whole number"),
        ("elements[0].restrictions.max_kwh", "20", "not a number, but text; leave out the quotes"),
        ("elements[0].restrictions.day_of_week", "MONDAY", "not a list"),
        (
            "elements[0].restrictions.day_of_week[1]",
            "Monday",
            "'Monday' is not one of FRIDAY, MONDAY, SATURDAY, SUNDAY, THURSDAY, TUESDAY, WEDNESDAY",
        ),
        (
            "elements[0].restrictions.reservation",
            "RESERVED",
            "'RESERVED' is not one of RESERVATION, RESERVATION_EXPIRES",
        ),
        (
            "type",
            "CHEAP",
            "'CHEAP' is not one of AD_HOC_PAYMENT, PROFILE_CHEAP, PROFILE_FAST, PROFILE_GREEN, REGULAR",
        ),
        ("id", "x" * 37, "longer than 36 characters"),
        ("currency", "E", "not a currency code of three letters"),
        ("currency", "978", "not a currency code of three letters"),
        ("currency", "EUR\n", "longer than 3 characters"),
        ("tariff_alt_url", "abc.example", "not an absolute http or https URL"),
        ("tariff_alt_text", {}, "not a list"),
        ("min_price", 5, "not an object"),
    ],
)
def test_a_wrong_field_of_a_tariff_is_named(place: str, value: Any, error: str) -> None:
    raw = tariff(elements=[element("ENERGY", day_of_week=["MONDAY", "TUESDAY"])])

    assert problem(changed(raw, place, value), Tariff) == f"$.{place}: {error}"


def test_a_tariff_needs_its_time_of_change() -> None:
    assert problem(without(tariff(), "last_updated"), Tariff) == "$.last_updated: required field is missing"

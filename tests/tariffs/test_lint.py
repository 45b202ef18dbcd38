"""What is found in Tariffs that OCPI allows: each mistake by its whole sentence, and nothing in what is sound."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpi_hub.protocol.codec import read
from ocpi_hub.protocol.tariffs import Tariff
from tariffs.currencies import ACTIVE, REPLACED, TO_THE_EURO
from tariffs.lint import findings
from tests import examples

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENERGY = {"type": "ENERGY", "price": 1, "vat": 20, "step_size": 1}
TIME = {"type": "TIME", "price": 6, "vat": 20, "step_size": 60}
PARKING = {"type": "PARKING_TIME", "price": 6, "vat": 20, "step_size": 60}
FREE = {"type": "FLAT", "price": 0, "step_size": 0}
NEVER = ", so the element never applies; mend one of them."
FRACTION = " percent looks like a fraction; write "
MINUTE = " looks like a price for a minute; if it is one, multiply it by 60."
FAR_STEP = " are billed at least, however short the session; write 1, or the step that is meant."
NO_STEP = " is no step that could be billed in; write 1 to bill "
IN_CENTS = " looks like an amount in cents; write it in whole units of the currency."


def found(**changes: Any) -> list[str]:
    return findings(tariff(**changes), NOW)


def tariff(**changes: Any) -> Tariff:
    return read(json.dumps(examples.tariff(**changes)).encode(), Tariff)


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"price_components": list(components)}
    return {**made, "restrictions": restrictions} if restrictions else made


def of(*elements: dict[str, Any]) -> list[str]:
    return found(elements=list(elements))


def one(component: dict[str, Any], **changes: Any) -> list[str]:
    return of(element({**component, **changes}))


# ---------------------------------------------------------------------------------------------- what is sound
SOUND = {
    "energy": [element(ENERGY)],
    "free of charge": [element(FREE)],
    "energy, time and a start": [element(ENERGY, TIME, {**FREE, "price": 1})],
    "a cheaper night": [element(ENERGY, start_time="23:00", end_time="07:00"), element(ENERGY)],
    "day and night": [
        element(ENERGY, start_time="07:00", end_time="23:00"),
        element({**ENERGY, "price": 2}, start_time="23:00", end_time="07:00"),
    ],
    "each hour": [
        element(ENERGY, start_time=f"{hour:02}:00", end_time=f"{(hour + 1) % 24:02}:00") for hour in range(24)
    ],
    "a stay that is too long": [element(PARKING, min_duration=5400), element({**PARKING, "price": 0})],
    "a reservation": [element(ENERGY), element(FREE, TIME, reservation="RESERVATION")],
    "time, and another price for a reservation": [
        element(ENERGY, TIME),
        element({**TIME, "price": 3}, reservation="RESERVATION"),
    ],
    "the whole day": [element(ENERGY, start_time="00:00", end_time="00:00")],
    "dear": [element({**ENERGY, "price": 4}, {**TIME, "price": 120}, {**FREE, "price": 250})],
    "vat of a hundredth": [element({**ENERGY, "vat": 1})],
    "no vat": [element({"type": "ENERGY", "price": 1, "step_size": 1})],
    "vat of 0": [element({**ENERGY, "vat": 0})],
    "vat of a third": [element({**ENERGY, "vat": 27})],
    "a step of a day": [element({**PARKING, "step_size": 86_400})],
    "slow and fast": [element(ENERGY, max_power=16), element({**ENERGY, "price": 2})],
}


@pytest.mark.row("TAR-08")
@pytest.mark.parametrize("elements", SOUND.values(), ids=SOUND)
def test_nothing_is_found_in_a_sound_tariff(elements):
    assert of(*elements) == []


def test_nothing_is_found_in_sound_bounds_and_times():
    assert (
        found(
            min_price={"excl_vat": 1, "incl_vat": 1},
            max_price={"excl_vat": 40, "incl_vat": 48},
            start_date_time="2026-01-01T00:00:00Z",
            end_date_time="2026-12-31T23:00:00Z",
        )
        == []
    )


# -------------------------------------------------------------------------------------------- the tariff itself
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("XYZ", "XYZ is no currency of ISO 4217; write one such as EUR."),
        ("XXX", "XXX is no currency of ISO 4217; write one such as EUR."),
        ("eur", "eur is written in lower case; write EUR."),
        ("HRK", "HRK was replaced by EUR on 2023-01-01; convert the prices and write EUR."),
    ],
)
def test_a_currency_that_nobody_pays_in(code, sentence):
    assert found(currency=code) == [f"$.currency: {sentence}"]


def test_a_currency_is_good_until_the_day_that_it_is_replaced():
    leva = tariff(currency="BGN")

    assert findings(leva, datetime(2025, 12, 31, tzinfo=UTC)) == []
    assert findings(leva, datetime(2026, 1, 1, tzinfo=UTC)) == [
        "$.currency: BGN was replaced by EUR on 2026-01-01; convert the prices and write EUR."
    ]


def test_the_list_of_currencies_agrees_with_itself():
    codes = {*ACTIVE, *REPLACED, *TO_THE_EURO}

    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in codes)
    assert ACTIVE.isdisjoint(REPLACED)
    assert {instead for _, instead in REPLACED.values()} <= ACTIVE
    assert set(TO_THE_EURO) <= ACTIVE | set(REPLACED)


WHOLE = {
    "over long ago": (
        {"end_date_time": "2026-01-29T00:00:00Z"},
        "$.end_date_time: the Tariff ended on 2026-01-29; DELETE it when no Connector names it.",
    ),
    "an end before the start": (
        {"start_date_time": "2026-03-01T00:00:00Z", "end_date_time": "2026-03-01T00:00:00"},
        "$.end_date_time: it is not after start_date_time, so the Tariff never applies; mend one of them.",
    ),
    "a minimum above the maximum": (
        {"min_price": {"excl_vat": 2}, "max_price": {"excl_vat": 1}},
        "$.min_price: it is above max_price, so no total fits both; mend one of them.",
    ),
    "a minimum above the maximum with VAT": (
        {"min_price": {"excl_vat": 1, "incl_vat": 3}, "max_price": {"excl_vat": 2, "incl_vat": 2}},
        "$.min_price: it is above max_price, so no total fits both; mend one of them.",
    ),
    "a minimum that is less with VAT": (
        {"min_price": {"excl_vat": 2, "incl_vat": 1}},
        "$.min_price: incl_vat is below excl_vat; check whether the two were swapped.",
    ),
    "a maximum that is less with VAT": (
        {"max_price": {"excl_vat": 2, "incl_vat": 1}},
        "$.max_price: incl_vat is below excl_vat; check whether the two were swapped.",
    ),
    "a negative minimum": (
        {"min_price": {"excl_vat": -1}},
        "$.min_price: it is negative; leave it out when there is no such bound.",
    ),
    "reservations alone": (
        {"elements": [element(TIME, reservation="RESERVATION")]},
        "$.elements: all of them are for reservations, so charging costs nothing; add elements without"
        " restrictions.reservation, or price it in another Tariff.",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), WHOLE.values(), ids=WHOLE)
def test_a_mistake_of_the_whole_tariff(changes, sentence):
    assert found(**changes) == [sentence]


def test_an_end_of_lately_is_none_to_speak_of():
    assert found(end_date_time="2026-01-31T00:00:00Z") == []


# --------------------------------------------------------------------------------------------- price components
COMPONENT = {
    "cents a kWh": (ENERGY, {"price": 45}, "price: 45 EUR a kWh" + IN_CENTS),
    "cents an hour": (TIME, {"price": 300}, "price: 300 EUR an hour" + IN_CENTS),
    "cents a session": (FREE, {"price": 500}, "price: 500 EUR a session" + IN_CENTS),
    "a negative price": (ENERGY, {"price": -1}, "price: -1 EUR a kWh is negative; a price is at least 0."),
    "a price for a minute": (TIME, {"price": 0.25}, "price: 0.25 EUR an hour" + MINUTE),
    "a price for a second": (
        PARKING,
        {"price": 0.005},
        "price: 0.005 EUR an hour looks like a price for a second; multiply it by 3600.",
    ),
    "a price for a Wh": (
        ENERGY,
        {"price": 0.0004},
        "price: 0.0004 EUR a kWh looks like a price for a Wh; multiply it by 1000.",
    ),
    "VAT as a fraction": (ENERGY, {"vat": 0.2}, "vat: 0.2" + FRACTION + "20 for 20 percent."),
    "VAT with decimals as a fraction": (
        ENERGY,
        {"vat": 0.075},
        "vat: 0.075" + FRACTION + "7.5 for 7.5 percent.",
    ),
    "too much VAT": (ENERGY, {"vat": 121}, "vat: 121 percent is more than any country takes; check it."),
    "negative VAT": (ENERGY, {"vat": -20}, "vat: -20 percent is negative; leave it out when no VAT applies."),
    "no step of energy": (ENERGY, {"step_size": 0}, "step_size: 0" + NO_STEP + "Wh as they are."),
    "no step of time": (TIME, {"step_size": 0}, "step_size: 0" + NO_STEP + "seconds as they are."),
    "a step backwards": (PARKING, {"step_size": -1}, "step_size: -1" + NO_STEP + "seconds as they are."),
    "a thousand kWh": (ENERGY, {"step_size": 1_000_000}, "step_size: 1000000 Wh" + FAR_STEP),
    "eleven days": (TIME, {"step_size": 1_000_000}, "step_size: 1000000 seconds" + FAR_STEP),
}


@pytest.mark.parametrize(("component", "changes", "sentence"), COMPONENT.values(), ids=COMPONENT)
def test_a_mistake_of_one_price_component(component, changes, sentence):
    assert one(component, **changes) == [f"$.elements[0].price_components[0].{sentence}"]


def test_its_place_is_named():
    dear = {**TIME, "price": 300}

    assert of(element(ENERGY), element(PARKING, dear)) == [
        "$.elements[1].price_components[1].price: 300 EUR an hour looks like an amount in cents; write it in whole"
        " units of the currency."
    ]


@pytest.mark.parametrize(
    ("currency", "price", "is_cents"),
    [("SEK", 35, False), ("SEK", 45, True), ("HUF", 900, False), ("GBP", 5, True), ("XAF", 500, False)],
)
def test_what_cents_are_depends_on_the_currency(currency, price, is_cents):
    sentences = found(currency=currency, elements=[element({**ENERGY, "price": price})])

    assert [sentence for sentence in sentences if "in cents" in sentence] == sentences
    assert bool(sentences) is is_cents


@pytest.mark.row("TAR-08")
def test_the_step_of_a_flat_price_says_nothing():
    assert one(FREE, step_size=0) == one(FREE, step_size=1_000_000) == []


def test_a_step_that_repeats_the_least_duration():
    overstay = element({**PARKING, "step_size": 5400}, min_duration=5400)

    assert of(overstay, element({**PARKING, "price": 0})) == [
        "$.elements[0].price_components[0].step_size: 5400 repeats min_duration and rounds what follows up to it;"
        " write 1, or the step that is meant."
    ]


def test_the_same_dimension_twice_in_an_element():
    assert of(element(ENERGY, TIME, {**ENERGY, "price": 2})) == [
        "$.elements[0].price_components: ENERGY is in it 2 times, and only one can count; give each an element with"
        " restrictions of its own."
    ]


# ------------------------------------------------------------------------------------------------- restrictions
RESTRICTIONS = {
    "23:59": (
        {"end_time": "23:59"},
        "end_time: the end itself is outside, so 23:59 leaves a minute out; write 00:00.",
    ),
    "19:59": (
        {"end_time": "19:59"},
        "end_time: the end itself is outside, so 19:59 leaves a minute out; write 20:00.",
    ),
    "no time": (
        {"start_time": "08:00", "end_time": "08:00"},
        "end_time: it equals start_time; leave both out for the whole day.",
    ),
    "a day that ends as it begins": (
        {"start_date": "2026-03-01", "end_date": "2026-03-01"},
        "end_date: it is not after start_date, so the element never applies; the end itself is outside.",
    ),
    "last year": ({"end_date": "2025-12-31"}, "end_date: the element ended on 2025-12-31; take it out."),
    "energy in no range": ({"min_kwh": 20, "max_kwh": 20}, "max_kwh: it is not above min_kwh" + NEVER),
    "power in no range": ({"min_power": 50, "max_power": 22}, "max_power: it is not above min_power" + NEVER),
    "current in no range": (
        {"min_current": 32, "max_current": 16},
        "max_current: it is not above min_current" + NEVER,
    ),
    "time in no range": (
        {"min_duration": 3600, "max_duration": 60},
        "max_duration: it is not above min_duration" + NEVER,
    ),
    "below nothing": (
        {"max_kwh": 0},
        "max_kwh: nothing is below 0, so the element never applies; leave it out.",
    ),
    "watts": ({"max_power": 16000}, "max_power: 16000 kW looks like W; divide it by 1000."),
    "watt-hours": ({"min_kwh": 20000}, "min_kwh: 20000 kWh looks like Wh; divide it by 1000."),
}


@pytest.mark.parametrize(("restrictions", "sentence"), RESTRICTIONS.values(), ids=RESTRICTIONS)
def test_a_mistake_of_restrictions(restrictions, sentence):
    assert of(element(ENERGY, **restrictions), element(ENERGY)) == [f"$.elements[0].restrictions.{sentence}"]


@pytest.mark.parametrize("restrictions", [{}, {"day_of_week": []}, {"min_kwh": None}])
def test_restrictions_that_restrict_nothing(restrictions):
    made = {"price_components": [ENERGY], "restrictions": restrictions}

    assert of(made) == ["$.elements[0].restrictions: it restricts nothing; leave it out."]


def test_what_stands_behind_an_element_for_every_case_is_never_used():
    night = element({**ENERGY, "price": 2}, TIME, start_time="23:00", end_time="07:00")

    assert of(element(ENERGY), night, element(TIME)) == [
        "$.elements[1].price_components[0]: $.elements[0] prices ENERGY in every case before it, so it is never"
        " used; put it in front, or take it out."
    ]


def test_what_stands_behind_the_same_restrictions_is_never_used():
    weekend = {"day_of_week": ["SATURDAY", "SUNDAY"]}

    assert of(element(ENERGY, **weekend), element(ENERGY, **weekend), element(ENERGY)) == [
        "$.elements[1].price_components[0]: $.elements[0] prices ENERGY in every case before it, so it is never"
        " used; put it in front, or take it out."
    ]


@pytest.mark.parametrize(
    "elements",
    [
        [element(TIME, min_duration=3600)],
        [element(TIME, min_duration=3600), element({**TIME, "price": 9}, max_kwh=20)],
        [element(TIME, start_time="07:00", end_time="22:59"), element(TIME, start_time="23:00", end_time="07:00")],
        [element(TIME, start_time="08:00"), element(TIME, end_time="07:00")],
        [element(TIME, start_time="08:00", day_of_week=["MONDAY"]), element(TIME, end_time="08:00")],
    ],
)  # fmt: skip
def test_a_dimension_that_is_priced_under_restrictions_only(elements):
    assert of(element(ENERGY), *elements)[-1] == (
        "$.elements[1].price_components[0]: TIME is priced under restrictions only and free where none of them"
        " holds; add an element without restrictions at the end, with a price of 0 if free is meant."
    )


# ---------------------------------------------------------------------------------------------------- many
def test_the_first_fifty_findings_are_listed_and_the_rest_is_counted():
    sentences = of(*[element({**ENERGY, "vat": 0.2}, min_kwh=index + 1) for index in range(60)])

    assert len(sentences) == 51
    assert sentences[49].startswith("$.elements[49].price_components[0].vat: ")
    assert sentences[50] == "$: 11 more findings are not listed."

"""What the hub notes about an odd CDR, at the border of each rule."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cdrs.credits import Credited
from cdrs.plausibility import Beside, KnownSession, findings
from ocpi_hub.exchange.objects.grants import Given
from ocpi_hub.protocol.cdrs import CDR
from ocpi_hub.protocol.codec import check
from tests.examples import cdr, credit_cdr

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
NOTHING = Beside()


def said(known: Beside = NOTHING, **changes: Any) -> list[str]:
    return findings(check(cdr(**changes), CDR), known, NOW)


def period(**volumes: Any) -> dict[str, Any]:
    dimensions = [{"type": kind, "volume": volume} for kind, volume in volumes.items()]
    return {"start_date_time": "2026-03-01T07:00:00Z", "dimensions": dimensions}


def placed(**changes: Any) -> dict[str, Any]:
    return {"cdr_location": cdr()["cdr_location"] | changes}


def charged(energy: Any, *, end: str = "08:00:00", power_type: str = "DC", **changes: Any) -> dict[str, Any]:
    """A CDR whose one period has no energy, so that only the total counts."""
    times = {"end_date_time": f"2026-03-01T{end}Z", "total_time": 1, "charging_periods": [period(TIME=1)]}
    return {"total_energy": energy, **times, **placed(connector_power_type=power_type), **changes}


def test_an_ordinary_cdr_is_not_odd():
    assert said() == []


# -------------------------------------------------------------------------------------------------- energy
@pytest.mark.row("CDR-21")
def test_energy_that_flowed_back_is_remarked():
    negative = charged(Decimal("-5.00"), charging_periods=[period(ENERGY=-5, TIME=1)])

    assert said(**negative) == [
        "total_energy is -5 kWh: energy flowed back into the grid, or its sign is wrong."
    ]
    assert said(**charged(0)) == []


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (charged(1000), []),
        (
            charged(Decimal("1000.01")),
            ["total_energy is 1000.01 kWh, and one charge hardly takes more than 1000 kWh."],
        ),
        (
            charged(Decimal("1500.00")),
            ["total_energy is 1500 kWh, and one charge hardly takes more than 1000 kWh."],
        ),
        (
            charged(1501),
            [
                "total_energy is 1501 kWh in 1 h, 1501 kW on average, and DC gives 1500 kW at most: it looks like"
                " Wh, or the times are wrong."
            ],
        ),
        (charged(100, power_type="AC_3_PHASE"), []),
        (
            charged(101, power_type="AC_1_PHASE"),
            [
                "total_energy is 101 kWh in 1 h, 101 kW on average, and AC gives 100 kW at most: it looks like Wh,"
                " or the times are wrong."
            ],
        ),
        (
            charged(60, end="07:20:00", power_type="AC_2_PHASE"),
            [
                "total_energy is 60 kWh in 0.33 h, 180 kW on average, and AC gives 100 kW at most: it looks like"
                " Wh, or the times are wrong."
            ],
        ),
        (charged(20, end="07:00:00"), []),
        (charged(20, end="07:00:00", total_time=0, charging_periods=[period(ENERGY=20)]), []),
    ],
)
def test_more_than_a_charger_gives_or_a_battery_takes_is_remarked(changes, sentences):
    assert said(**changes) == sentences


def test_where_a_time_is_unknown_total_time_counts():
    unknown = charged(20_000, start_date_time="1970-01-01T00:00:00Z")

    assert said(Beside(unknown_as_1970=True), **unknown) == [
        "total_energy is 20000 kWh in 1 h, 20000 kW on average, and DC gives 1500 kW at most: it looks like Wh,"
        " or the times are wrong."
    ]


TOTAL_IN_WH = (
    "total_energy is {} kWh, about a thousand times the 20 kWh that the charging periods add up to:"
    " it looks like Wh."
)


@pytest.mark.parametrize(
    ("total", "measured", "sentences"),
    [
        (20, ["20"], []),
        (20, ["10.5", "9.5"], []),
        (20, ["20.2"], []),
        (20, ["19.8"], []),
        (20, ["20.21"], ["total_energy is 20 kWh, and the charging periods add up to 20.21 kWh."]),
        (20, ["19.79"], ["total_energy is 20 kWh, and the charging periods add up to 19.79 kWh."]),
        (1, ["1.1"], []),
        (1, ["1.11"], ["total_energy is 1 kWh, and the charging periods add up to 1.11 kWh."]),
        (0, ["0.1"], []),
        (20_000, ["20"], [TOTAL_IN_WH.format(20000)]),
        (18_000, ["20"], [TOTAL_IN_WH.format(18000)]),
        (22_000, ["10", "10"], [TOTAL_IN_WH.format(22000)]),
        (
            20,
            ["20000"],
            [
                "The charging periods add up to 20000 kWh, about a thousand times total_energy, which is 20 kWh:"
                " they look like Wh."
            ],
        ),
    ],
)
def test_energy_is_what_the_periods_add_up_to(total, measured, sentences):
    periods = [period(ENERGY=Decimal(volume)) for volume in measured]

    assert said(total_energy=total, charging_periods=periods) == sentences


# --------------------------------------------------------------------------------------------------- times
def ahead(name: str, clock: str) -> str:
    return f"{name} is 2026-03-01 {clock} UTC, and the hub's clock says 2026-03-01 09:00 UTC: one of them is wrong."


@pytest.mark.parametrize(
    ("start", "end", "sentences"),
    [
        ("2026-03-01T07:00:00Z", "2026-03-01T07:00:00Z", []),
        (
            "2026-03-01T07:00:00Z",
            "2026-03-01T06:59:59Z",
            ["It ends at 2026-03-01 06:59 UTC, before it starts at 2026-03-01 07:00 UTC."],
        ),
        ("2026-03-01T07:00:00Z", "2026-03-01T09:05:00Z", []),
        (
            "2026-03-01T07:00:00Z",
            "2026-03-01T09:05:01Z",
            [ahead("end_date_time", "09:05")],
        ),
        (
            "2026-03-01T10:00:00Z",
            "2026-03-01T11:00:00Z",
            [ahead("start_date_time", "10:00"), ahead("end_date_time", "11:00")],
        ),
    ],
)
def test_it_ends_after_it_starts_and_not_in_the_future(start, end, sentences):
    assert said(**charged(0, start_date_time=start) | {"end_date_time": end}) == sentences


SENTINEL = "1970-01-01T00:00:00Z"
NOT_AGREED = "{} is 1970-01-01 00:00 UTC, and 1970 stands for an unknown time only where that is agreed."


@pytest.mark.row("CDR-18")
@pytest.mark.parametrize(
    "unknown", [("start_date_time",), ("end_date_time",), ("start_date_time", "end_date_time")]
)
def test_a_time_of_1970_is_remarked_unless_it_is_agreed(unknown):
    times = dict.fromkeys(unknown, SENTINEL)

    assert said(Beside(unknown_as_1970=True), **times) == []
    assert sorted(said(**times)) == sorted(NOT_AGREED.format(name) for name in unknown)


@pytest.mark.parametrize(
    ("total", "volumes", "odd"),
    [
        ("1", {"TIME": 1}, False),
        ("1.016", {"TIME": 1}, False),
        ("1.02", {"TIME": 1}, True),
        ("0.984", {"TIME": 1}, False),
        ("0.98", {"TIME": 1}, True),
        ("101", {"TIME": 100}, False),
        ("102", {"TIME": 100}, True),
        ("1", {"TIME": 1, "PARKING_TIME": Decimal("0.5")}, False),
        ("1.5", {"TIME": 1, "PARKING_TIME": Decimal("0.5")}, False),
        ("1.6", {"TIME": 1, "PARKING_TIME": Decimal("0.5")}, True),
        ("0.5", {"TIME": 1, "PARKING_TIME": Decimal("0.5")}, True),
        ("1.7", {"TIME": 1, "PARKING_TIME": Decimal("0.5"), "RESERVATION_TIME": Decimal("0.2")}, False),
        ("9", {"PARKING_TIME": 1}, False),
        ("9", {"ENERGY": 20}, False),
        ("60", {"TIME": 1}, True),
        ("3600", {"TIME": 1}, True),
    ],
)
def test_total_time_is_what_the_periods_add_up_to(total, volumes, odd):
    found = said(total_time=Decimal(total), charging_periods=[period(**volumes)])

    assert [sentence.partition(", and")[0] for sentence in found] == (
        [f"total_time is {total} h"] if odd else []
    )


def test_both_times_are_told():
    periods = [period(TIME=Decimal("1.25")), period(PARKING_TIME=Decimal("0.5"))]

    assert said(total_time=60, charging_periods=periods) == [
        "total_time is 60 h, and the charging periods add up to 1.25 h of charging and 0.5 h of parking or"
        " reservation."
    ]


@pytest.mark.parametrize(
    ("total", "parking", "sentences"),
    [
        (Decimal("0.5"), Decimal("0.5"), []),
        (Decimal("0.51"), Decimal("0.5"), []),
        (
            Decimal("0.52"),
            Decimal("0.5"),
            ["total_parking_time is 0.52 h, and the charging periods add up to 0.5 h of it."],
        ),
        (None, Decimal("0.5"), []),
    ],
)
def test_total_parking_time_is_what_the_periods_add_up_to(total, parking, sentences):
    periods = [period(ENERGY=20, TIME=Decimal("0.5")), period(PARKING_TIME=parking)]

    assert said(total_parking_time=total, charging_periods=periods) == sentences


def test_without_periods_of_it_any_parking_time_goes():
    assert said(total_parking_time=5) == []


# --------------------------------------------------------------------------------------------------- costs
@pytest.mark.parametrize(
    ("total", "parts", "added"),
    [
        ("25", {"fixed": "5", "energy": "20"}, None),
        ("25.05", {"fixed": "5", "energy": "20"}, None),
        ("25.06", {"fixed": "5", "energy": "20"}, "25"),
        ("24.94", {"fixed": "5", "energy": "20"}, "25"),
        ("1000", {"energy": "1001"}, None),
        ("1000", {"energy": "1001.01"}, "1001.01"),
        ("25", {}, None),
        ("25", {"time": "1", "parking": "2", "reservation": "3"}, "6"),
        ("6", {"time": "1", "parking": "2", "reservation": "3"}, None),
    ],
)
def test_the_total_is_what_its_parts_add_up_to(total, parts, added):
    none = dict.fromkeys(["total_fixed_cost", "total_energy_cost"])
    costs = {f"total_{name}_cost": {"excl_vat": Decimal(amount)} for name, amount in parts.items()}

    found = said(total_cost={"excl_vat": Decimal(total)}, **none | costs)

    assert found == (
        []
        if added is None
        else [f"total_cost is {total} EUR without VAT, and its parts add up to {added} EUR."]
    )


def test_of_a_credit_the_signs_and_parts_of_other_totals_say_nothing():
    known = Beside(credited=Credited(check(cdr(), CDR)))
    for sign in (1, -1):
        energy = {"excl_vat": 20 * sign, "incl_vat": 24 * sign}
        raw = credit_cdr(total_energy=20 * sign, total_time=sign, total_energy_cost=energy)
        assert findings(check(raw, CDR), known, NOW) == []


@pytest.mark.parametrize("bound", ["min_price", "max_price"])
def test_a_tariff_may_raise_or_lower_the_total(bound):
    tariff = cdr()["tariffs"][0] | {bound: {"excl_vat": 10}}

    assert said(total_cost={"excl_vat": 10}, tariffs=[tariff]) == []
    assert len(said(total_cost={"excl_vat": 11}, tariffs=[tariff])) == 1


# ----------------------------------------------------------------------------------------- what it is about
@pytest.mark.row("CDR-15")
@pytest.mark.parametrize(
    ("volumes", "kinds"),
    [
        ({"POWER": 11}, "POWER"),
        ({"STATE_OF_CHARGE": 80, "CURRENT": 16}, "CURRENT, STATE_OF_CHARGE"),
        ({"ENERGY_IMPORT": 20, "ENERGY_EXPORT": 0}, "ENERGY_EXPORT, ENERGY_IMPORT"),
        ({"MAX_CURRENT": 16, "MIN_POWER": 1, "RESERVATION_TIME": 1}, None),
    ],
)
def test_dimensions_of_sessions_are_remarked(volumes, kinds):
    found = said(charging_periods=[period(**volumes)])

    assert found == (
        [f"The charging periods hold {kinds}, which Sessions may have and CDRs may not."] if kinds else []
    )


@pytest.mark.row("CDR-13")
def test_a_missing_session_id_is_remarked_unless_it_is_an_unused_reservation():
    unused = {"total_energy": 0, "charging_periods": [period(RESERVATION_TIME=1)]}
    missing = "session_id is missing, which it may be for an unused reservation or without Sessions only."

    assert said(session_id=None) == [missing]
    assert said(session_id=None, **unused) == []
    assert said(session_id=None, **unused | {"total_energy": 1}) == [missing]


@pytest.mark.row("TRN-19")
def test_fillers_are_remarked_unless_it_is_an_unused_reservation():
    place = placed(evse_uid="#NA", evse_id="#NA", connector_id="#NA")
    unused = {"total_energy": 0, "charging_periods": [period(RESERVATION_TIME=1)]}

    assert said(**place) == [
        "evse_uid and connector_id in cdr_location: #NA, which only a reservation may have, and total_energy is"
        " 20 kWh."
    ]
    assert said(**place, **unused) == []
    assert said(**placed(evse_id="#NA")) == []


def test_an_evse_of_another_operator_is_remarked():
    assert said(Beside(evse_owner="BE*DEF")) == [
        "EVSE EVSE1 (NL*ABC*E0001*1) is one of BE*DEF as far as the hub knows, and the CDR is of NL*ABC."
    ]


SESSION = KnownSession("DE*MSP", "04A1B2C3D4", "DE-MSP-C00000001-1", "LOC1", "EVSE1", "EUR")


@pytest.mark.parametrize(
    ("known", "sentences"),
    [
        (SESSION, []),
        (
            KnownSession("de*msp", "04a1b2c3d4", "de-msp-c00000001-1", "loc1", "evse1", "eur"),
            [],
        ),
        (
            SESSION._replace(audience="AT*PRO", token_uid="SECRET", location_id="LOC2"),
            ["Session SESSION1 is for AT*PRO, and this CDR of it for DE*MSP."],
        ),
        (SESSION._replace(token_uid="X"), ["cdr_token.uid is 04A1B2C3D4, and Session SESSION1 has X."]),
        (
            SESSION._replace(contract_id="X"),
            ["cdr_token.contract_id is DE-MSP-C00000001-1, and Session SESSION1 has X."],
        ),
        (SESSION._replace(location_id="LOC2"), ["cdr_location.id is LOC1, and Session SESSION1 has LOC2."]),
        (
            SESSION._replace(evse_uid="EVSE2"),
            ["cdr_location.evse_uid is EVSE1, and Session SESSION1 has EVSE2."],
        ),
        (SESSION._replace(evse_uid="#NA"), []),
        (SESSION._replace(currency="SEK"), ["currency is EUR, and Session SESSION1 has SEK."]),
    ],
)
def test_a_cdr_is_of_its_session(known, sentences):
    assert said(Beside(session=known)) == sentences


@pytest.mark.row("CDR-16")
def test_the_reference_is_the_last_that_was_given():
    known = Beside(given=Given("AUTH1"))

    assert said(known, authorization_reference="AUTH1") == []
    assert said(known, authorization_reference="AUTH0") == [
        "authorization_reference is AUTH0, and the last one that DE*MSP gave is AUTH1."
    ]


# ---------------------------------------------------------------------------------------------- extremes
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("digits", ["9" * 30, "1E+12", "1E-12", "9" * 30 + "E+12", "9" * 30 + "E-12", "0"])
def test_no_number_is_too_large_or_too_small_to_be_looked_at(digits, sign):
    number = sign * Decimal(digits)
    volumes = {"ENERGY": number, "TIME": number, "PARKING_TIME": number}
    prices = {"total_cost": {"excl_vat": -abs(number)}, "total_energy_cost": {"excl_vat": number}}
    numbers = {"total_time": number, "total_parking_time": number, "charging_periods": [period(**volumes)]}

    for energy in (number, 0, 1):
        said(**numbers, **prices, total_energy=energy, start_date_time=SENTINEL)
        raw = credit_cdr(**numbers, **prices, total_energy=energy)
        assert findings(check(raw, CDR), NOTHING, NOW)

from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.protocol.cdrs import CDR, CdrDimension, ChargingPeriod, SignedData
from ocpi_hub.protocol.codec import check, dump, read
from tests.examples import cdr, credit_cdr

from .refusals import changed, problem, without

SIGNED: dict[str, Any] = {
    "encoding_method": "OCMF",
    "signed_values": [{"nature": "Start", "plain_data": "kWh 0", "signed_data": "c2lnbmVk"}],
}


def signed_cdr() -> dict[str, Any]:
    return cdr(signed_data={**SIGNED, "signed_values": [dict(SIGNED["signed_values"][0])]})


def test_a_cdr_and_its_credit_are_accepted() -> None:
    assert check(cdr(), CDR).total_cost.excl_vat == 25
    assert check(credit_cdr(), CDR).credit_reference_id == check(cdr(), CDR).id


@pytest.mark.row("CDR-20")
@pytest.mark.parametrize(
    ("place", "length"),
    [
        ("session_id", 36),
        ("authorization_reference", 36),
        ("meter_id", 255),
        ("remark", 255),
        ("invoice_reference_id", 39),
        ("cdr_token.uid", 36),
        ("cdr_token.contract_id", 36),
        ("cdr_location.id", 36),
        ("cdr_location.name", 255),
        ("cdr_location.address", 255),
        ("cdr_location.city", 45),
        ("cdr_location.postal_code", 10),
        ("cdr_location.state", 45),
        ("cdr_location.evse_uid", 36),
        ("cdr_location.evse_id", 48),
        ("cdr_location.connector_id", 36),
        ("tariffs[0].id", 36),
        ("charging_periods[0].tariff_id", 36),
        ("signed_data.encoding_method", 36),
        ("signed_data.public_key", 512),
        ("signed_data.url", 512),
        ("signed_data.signed_values[0].nature", 32),
        ("signed_data.signed_values[0].plain_data", 5000),
        ("signed_data.signed_values[0].signed_data", 5000),
    ],
)
def test_lengths_of_a_cdr(place: str, length: int) -> None:
    check(changed(signed_cdr(), place, "x" * length), CDR)

    error = problem(changed(signed_cdr(), place, "x" * (length + 1)), CDR)
    assert error == f"$.{place}: longer than {length} characters"


@pytest.mark.row("CDR-09")
def test_the_id_of_a_credit_may_be_three_characters_longer() -> None:
    check(cdr(id="x" * 36), CDR)
    check(credit_cdr(id="x" * 39, credit_reference_id="x" * 36), CDR)

    assert problem(cdr(id="x" * 37), CDR) == "$.id: longer than 36 characters, and credit is not true"
    assert problem(cdr(id="x" * 37, credit=False), CDR) == (
        "$.id: longer than 36 characters, and credit is not true"
    )
    assert problem(credit_cdr(id="x" * 40), CDR) == "$.id: longer than 39 characters"


@pytest.mark.row("CDR-10", "CDR-11")
@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (without(credit_cdr(), "credit_reference_id"), "$.credit_reference_id: needed when credit is true"),
        (credit_cdr(credit_reference_id=None), "$.credit_reference_id: needed when credit is true"),
        (credit_cdr(credit_reference_id=""), "$.credit_reference_id: empty"),
        (credit_cdr(credit_reference_id="x" * 40), "$.credit_reference_id: longer than 39 characters"),
        (cdr(credit_reference_id="CDR0"), "$.credit_reference_id: only allowed when credit is true"),
        (credit_cdr(credit=False), "$.credit_reference_id: only allowed when credit is true"),
        (
            credit_cdr(total_cost={"excl_vat": Decimal("0.01")}),
            "$.total_cost.excl_vat: positive, although credit is true",
        ),
        (
            credit_cdr(total_cost={"excl_vat": -25, "incl_vat": 30}),
            "$.total_cost.incl_vat: positive, although credit is true",
        ),
        (without(credit_cdr(), "total_cost"), "$.total_cost: required field is missing"),
    ],
)
def test_a_credit_that_takes_nothing_back_is_refused(raw: Any, error: str) -> None:
    assert problem(raw, CDR) == error


@pytest.mark.row("CDR-10", "CDR-11", "CDR-12")
@pytest.mark.parametrize(
    "raw",
    [
        credit_cdr(total_cost={"excl_vat": -25}),
        credit_cdr(total_cost={"excl_vat": 0, "incl_vat": 0}),
        cdr(credit=False),
        cdr(credit=None, credit_reference_id=None),
        cdr(total_cost={"excl_vat": -25}),
    ],
)
def test_a_credit_takes_back_at_most_nothing_and_other_cdrs_may_cost_anything(raw: Any) -> None:
    check(raw, CDR)


@pytest.mark.row("CDR-13", "CDR-19")
def test_what_cannot_exist_is_missing_or_a_filler() -> None:
    raw = without(cdr(), "session_id")
    raw["cdr_location"] |= {"evse_uid": "#NA", "evse_id": "#NA", "connector_id": "#NA"}

    assert check(raw, CDR).cdr_location.evse_id == "#NA"


@pytest.mark.row("CDR-15")
@pytest.mark.parametrize("kind", ["CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"])
def test_dimensions_of_sessions_are_read_in_cdrs_too(kind: str) -> None:
    raw = changed(cdr(), "charging_periods[0].dimensions", [{"type": kind, "volume": 1}])

    assert check(raw, CDR).charging_periods[0].dimensions[0].type == kind


@pytest.mark.parametrize("kind", ["FLAT", "energy", ""])
def test_other_dimensions_are_refused(kind: str) -> None:
    error = problem(changed(cdr(), "charging_periods[0].dimensions[1].type", kind), CDR)

    assert error.startswith(
        f"$.charging_periods[0].dimensions[1].type: '{kind}' is not one of CURRENT, ENERGY"
    )


@pytest.mark.parametrize(
    ("volume", "good"), [(-1, False), (0, True), (100, True), (Decimal("100.01"), False)]
)
def test_a_state_of_charge_is_a_share(volume: Any, good: bool) -> None:
    raw = {"type": "STATE_OF_CHARGE", "volume": volume}

    if good:
        check(raw, CdrDimension)
    else:
        assert problem(raw, CdrDimension) == "$.volume: not between 0 and 100"


@pytest.mark.row("CDR-21")
@pytest.mark.parametrize("kind", ["ENERGY", "CURRENT", "TIME", "MIN_POWER"])
def test_other_volumes_are_any_number(kind: str) -> None:
    assert check({"type": kind, "volume": -1000}, CdrDimension).volume == -1000


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        ("charging_periods", [], "needs at least one entry"),
        ("charging_periods[0].dimensions", [], "needs at least one entry"),
        ("signed_data.signed_values", [], "needs at least one entry"),
        ("currency", "EU1", "not a currency code of three letters"),
        ("currency", "EU", "not a currency code of three letters"),
        ("currency", "EURO", "longer than 3 characters"),
        ("currency", "EU\u017f", "not a currency code of three letters"),
        ("total_energy", "20", "not a number, but text; leave out the quotes"),
        ("total_cost", 25, "not an object"),
        ("total_cost.excl_vat", None, "required, so null is not allowed"),
        ("auth_method", "WHITE_LIST", "'WHITE_LIST' is not one of AUTH_REQUEST, COMMAND, WHITELIST"),
        ("cdr_location.country", "NL", "not a country code of three letters"),
        ("cdr_token.country_code", "DEU", "longer than 2 characters"),
        ("start_date_time", "1970-1-1T00:00:00Z", "not a timestamp such as 2026-01-01T00:00:00Z"),
    ],
)
def test_a_wrong_field_of_a_cdr_is_named(place: str, value: Any, error: str) -> None:
    assert problem(changed(signed_cdr(), place, value), CDR) == f"$.{place}: {error}"


@pytest.mark.parametrize("missing", ["country_code", "party_id"])
def test_a_token_without_owner_is_refused(missing: str) -> None:
    raw = cdr(cdr_token=without(cdr()["cdr_token"], missing))

    assert problem(raw, CDR) == f"$.cdr_token.{missing}: required field is missing"


def test_energy_and_money_keep_every_digit() -> None:
    body = dump(cdr()).replace(b'"total_energy":20', b'"total_energy":20.0000000000000000001')

    assert check(cdr(), CDR).total_cost.incl_vat == Decimal(30)
    assert str(read(body, CDR).total_energy) == "20.0000000000000000001"


@pytest.mark.row("CDR-20")
def test_signed_data_keep_their_case_and_their_blanks() -> None:
    text = '  OCMF|{"PG" : "T1"}|äÖ  '
    value = {"nature": "Start", "plain_data": text, "signed_data": text}

    checked = check({**SIGNED, "encoding_method_version": 1, "signed_values": [value]}, SignedData)

    assert checked.signed_values[0].plain_data == checked.signed_values[0].signed_data == text


def test_a_period_may_have_no_tariff() -> None:
    raw = without(cdr()["charging_periods"][0], "tariff_id")

    assert check(raw, ChargingPeriod).tariff_id is None

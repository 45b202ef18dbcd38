"""A credit CDR beside what it takes back."""

from decimal import Decimal
from typing import Any

import pytest

from cdrs.credits import Credited, findings, refusal
from ocpi_hub.protocol.cdrs import CDR
from ocpi_hub.protocol.codec import check
from tests.examples import cdr, credit_cdr


def read(raw: dict[str, Any]) -> CDR:
    return check(raw, CDR)


def credit(amount: Any, with_vat: Any = None, **changes: Any) -> CDR:
    return read(credit_cdr(total_cost={"excl_vat": amount, "incl_vat": with_vat}, **changes))


def said(taken_back: CDR, *earlier: str, **original: Any) -> list[str]:
    return list(findings(taken_back, Credited(read(cdr(**original)), earlier)))


def test_the_example_of_a_credit_is_not_odd():
    assert said(read(credit_cdr())) == []
    assert refusal(read(credit_cdr()), read(cdr())) is None


@pytest.mark.row("CDR-11")
@pytest.mark.parametrize(
    ("amount", "with_vat", "refused"),
    [
        (-25, -30, None),
        (-25, None, None),
        (-24, -29, None),
        (0, 0, None),
        (
            Decimal("-25.01"),
            None,
            "$.total_cost.excl_vat: -25.01 is more than CDR CDR1 has, which is 25",
        ),
        (-25, Decimal("-30.10"), "$.total_cost.incl_vat: -30.1 is more than CDR CDR1 has, which is 30"),
        (
            Decimal("-25.0000000000000000000000000001"),
            None,
            "$.total_cost.excl_vat: -25.0000000000000000000000000001 is more than CDR CDR1 has, which is 25",
        ),
    ],
)
def test_it_takes_back_at_most_what_was_charged(amount, with_vat, refused):
    found = refusal(credit(amount, with_vat), read(cdr()))

    assert (str(found) if found else None) == refused


@pytest.mark.row("CDR-11")
def test_amounts_in_different_currencies_are_not_compared():
    other = credit(-250, currency="SEK")

    assert refusal(other, read(cdr())) is None
    assert said(other) == ["It repeats CDR CDR1, but with other values in currency."]


@pytest.mark.parametrize(
    ("amount", "sentences"),
    [
        (-25, []),
        (
            Decimal("-24.990"),
            ["It credits a part: 24.99 of the 25 EUR without VAT that CDR CDR1 has."],
        ),
        (0, ["It credits a part: 0 of the 25 EUR without VAT that CDR CDR1 has."]),
        (-26, ["It credits more than there was: 26 of the 25 EUR without VAT that CDR CDR1 has."]),
    ],
)
def test_a_part_is_remarked(amount, sentences):
    assert said(credit(amount)) == sentences


def test_what_the_hub_does_not_know_is_remarked():
    assert list(findings(read(credit_cdr()), Credited())) == [
        "It credits CDR CDR1, which the hub does not know."
    ]


def test_a_second_credit_is_remarked():
    assert said(read(credit_cdr()), "C0", "C9") == ["CDR CDR1 was credited before, by C0, C9."]


def test_a_credit_of_a_credit_is_remarked():
    original = {
        "credit": True,
        "credit_reference_id": "CDR0",
        "total_cost": {"excl_vat": -25, "incl_vat": -30},
    }

    assert said(read(credit_cdr()), **original) == ["It credits CDR CDR1, which is a credit itself."]


@pytest.mark.row("CDR-11", "CDR-14")
@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"remark": "a credit", "invoice_reference_id": "I2", "last_updated": "2026-03-05T08:00:00Z"}, None),
        ({"session_id": "SESSION2"}, "session_id"),
        ({"cdr_token": cdr()["cdr_token"] | {"uid": "OTHER"}}, "cdr_token"),
        (
            {"total_energy": -20, "total_time": -1, "total_energy_cost": {"excl_vat": -20, "incl_vat": -24}},
            None,
        ),
        ({"total_energy": 19, "tariffs": []}, "tariffs, total_energy"),
        ({"tariffs": None}, "tariffs"),
    ],
)
def test_all_else_is_as_it_was_but_for_signs_and_notes(changes, names):
    found = said(read(credit_cdr(**changes)))

    assert found == ([f"It repeats CDR CDR1, but with other values in {names}."] if names else [])

"""What findings are made of: numbers in words, comparisons with their borders, references."""

from decimal import Decimal

import pytest

from ocpi_hub.exchange.objects import findings
from ocpi_hub.exchange.objects.grants import Given
from ocpi_hub.protocol.cdrs import ChargingPeriod
from ocpi_hub.protocol.codec import check
from ocpi_hub.protocol.types import PartyRef


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("20.00000", "20"),
        ("20.50", "20.5"),
        ("200", "200"),
        ("0.000", "0"),
        ("-0", "0"),
        ("-0.10", "-0.1"),
        ("1E+3", "1000"),
        ("1.5E-3", "0.0015"),
        ("123456789012345678901234567890.12345678900", "123456789012345678901234567890.123456789"),
    ],
)
def test_a_number_is_written_as_people_do(number, text):
    assert findings.plain(Decimal(number)) == text


@pytest.mark.parametrize(
    ("left", "right", "is_near"),
    [
        ("10", "10.1", True),
        ("10", "10.11", False),
        ("1000", "1010", True),
        ("1000", "1010.2", False),
        ("-1000", "-1010", True),
        ("0", "0.1", True),
        ("0.05", "-0.05", True),
        ("0", "0.11", False),
    ],
)
def test_near_is_a_least_amount_or_a_share_of_the_larger(left, right, is_near):
    share, least = Decimal("0.01"), Decimal("0.1")

    assert findings.near(Decimal(left), Decimal(right), least=least, share=share) is is_near
    assert findings.near(Decimal(right), Decimal(left), least=least, share=share) is is_near


@pytest.mark.parametrize(
    ("large", "small", "found"),
    [
        ("20000", "20", True),
        ("18000", "20", True),
        ("17999", "20", False),
        ("22000", "20", True),
        ("22001", "20", False),
        ("-20000", "-20", True),
        ("-20000", "20", False),
        ("20", "20", False),
        ("20", "20000", False),
        ("0", "0", False),
        ("20", "0", False),
    ],
)
def test_a_thousand_times_is_between_900_and_1100(large, small, found):
    assert findings.thousandfold(Decimal(large), Decimal(small)) is found


def test_volumes_of_one_dimension_are_added_up():
    periods = [
        check(
            {
                "start_date_time": "2026-03-01T12:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": Decimal("4.3")}, {"type": "TIME", "volume": 1}],
            },
            ChargingPeriod,
        )
    ] * 2

    assert findings.volume(periods, "ENERGY") == Decimal("8.6")
    assert findings.volume(periods, "PARKING_TIME") is None
    assert findings.volume(None, "ENERGY") is None


# ------------------------------------------------------------------------------------- authorization_reference
OTHER = "authorization_reference is AUTH1, and the last one that DE*MSP gave is AUTH2."
MISSING = "authorization_reference is missing, and the last one that DE*MSP gave is AUTH2."


@pytest.mark.parametrize(
    ("reference", "auth_method", "given", "said"),
    [
        ("AUTH2", "AUTH_REQUEST", Given("AUTH2"), []),
        ("auth2", "AUTH_REQUEST", Given("AUTH2"), []),
        ("AUTH1", "WHITELIST", Given("AUTH2"), [OTHER]),
        ("AUTH1", "WHITELIST", Given("AUTH2", later=True), []),
        ("AUTH1", "AUTH_REQUEST", Given(), []),
        (None, "WHITELIST", Given("AUTH2"), []),
        (None, "COMMAND", Given("AUTH2"), [MISSING]),
        (None, "AUTH_REQUEST", Given("AUTH2"), [MISSING]),
        (None, "COMMAND", Given(), []),
    ],
)
def test_a_reference_is_the_one_that_was_given_last(reference, auth_method, given, said):
    assert list(findings.other_reference(reference, auth_method, given, PartyRef("DE", "MSP"))) == said

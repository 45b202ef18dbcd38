"""Whether what a partner holds says the same as what it was sent."""

import json

import pytest

from ocpi_hub.proof.content import Unreadable, difference
from ocpi_hub.protocol.cdrs import CDR
from tests import examples


def found(ours, theirs):
    as_bytes = theirs if isinstance(theirs, bytes) else json.dumps(theirs).encode()
    return difference(CDR, json.dumps(ours).encode(), as_bytes)


PERIOD = {"start_date_time": "2026-03-01T07:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 20}]}


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(examples.cdr(), id="as it was sent"),
        pytest.param(dict(reversed(examples.cdr().items())), id="in another order"),
        pytest.param(json.dumps(examples.cdr()).replace(": 20,", ": 20.000,").encode(), id="20.000 for 20"),
        pytest.param(examples.cdr(total_energy=20.00004), id="beyond four decimals"),
        pytest.param(examples.cdr(end_date_time="2026-03-01T09:00:00.000+01:00"), id="the same moment"),
        pytest.param(examples.cdr(end_date_time="2026-03-01T08:00:00.120"), id="milliseconds, no designator"),
        pytest.param(examples.cdr(last_updated="2026-03-05T00:00:00Z"), id="stamped anew"),
        pytest.param(examples.cdr(remark=None, signed_data=None), id="nulls"),
        pytest.param(examples.cdr(internal_id=7, booked={"by": "x"}), id="fields of its own"),
        pytest.param(examples.cdr(id="cdr1"), id="ids in another case"),
        pytest.param([examples.cdr()], id="in a list"),
    ],
)
def test_what_says_the_same_is_no_difference(theirs):
    assert found(examples.cdr(), theirs) == ""


def test_an_empty_list_is_as_good_as_none():
    assert found(examples.cdr(tariffs=[]), examples.cdr(tariffs=None)) == ""


@pytest.mark.parametrize(
    ("theirs", "place"),
    [
        (examples.cdr(total_energy=19.5), "$.total_energy is 20 here and 19.5 there"),
        (examples.cdr(total_energy=20.0001), "$.total_energy is 20 here and 20.0001 there"),
        (examples.cdr(end_date_time="2026-03-01T08:00:01Z"), "$.end_date_time"),
        (examples.cdr(total_fixed_cost=None), "$.total_fixed_cost is missing there"),
        (examples.cdr(remark="paid"), "$.remark"),
        (examples.cdr(charging_periods=[PERIOD, PERIOD]), "$.charging_periods has 1 here and 2 there"),
        (
            examples.cdr(charging_periods=[PERIOD | {"tariff_id": "TARIFF1"}]),
            "$.charging_periods[0].dimensions has 2 here and 1 there",
        ),
        (examples.cdr(cdr_token=examples.cdr()["cdr_token"] | {"uid": "OTHER"}), "$.cdr_token.uid"),
    ],
)
def test_the_first_place_that_differs_is_named_and_no_text_of_it(theirs, place):
    assert found(examples.cdr(), theirs) == place


@pytest.mark.parametrize(
    ("theirs", "text"),
    [
        (b"<html>", "its answer is no JSON"),
        (b"null", r"its answer is no such object, at \$"),
        (b"[]", r"its answer is no such object, at \$"),
        (examples.cdr(total_energy="20"), r"its answer is no such object, at \$\.total_energy"),
    ],
)
def test_what_cannot_be_read_is_no_difference_either(theirs, text):
    with pytest.raises(Unreadable, match=f"^{text}$"):
        found(examples.cdr(), theirs)

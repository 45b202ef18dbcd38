"""What makes two charging periods the same one."""

from decimal import Decimal

import pytest

from sessions.periods import mark_of

ENERGY = {"type": "ENERGY", "volume": 1}
TIME = {"type": "TIME", "volume": Decimal("0.25")}
PERIOD = {"start_date_time": "2026-03-01T08:00:00Z", "dimensions": [ENERGY, TIME]}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"start_date_time": "2026-03-01T08:00:00"}, True),
        ({"start_date_time": "2026-03-01T08:00:00.000Z"}, True),
        ({"start_date_time": "2026-03-01T10:00:00+02:00"}, True),
        ({"start_date_time": "2026-03-01T08:00:01Z"}, False),
        ({"start_date_time": "2026-03-01T08:00:00.001Z"}, False),
        ({"dimensions": [TIME, ENERGY]}, True),
        ({"dimensions": [{"volume": Decimal("1.0"), "type": "ENERGY"}, TIME]}, True),
        ({"dimensions": [{"type": "ENERGY", "volume": Decimal("1.01")}, TIME]}, False),
        ({"dimensions": [{"type": "ENERGY_IMPORT", "volume": 1}, TIME]}, False),
        ({"dimensions": [ENERGY]}, False),
        ({"dimensions": [ENERGY, ENERGY, TIME]}, False),
        ({"tariff_id": "TARIFF1"}, True),
        ({"x_more": 1}, True),
    ],
)
def test_periods_are_the_same_when_they_begin_together_and_measured_the_same(changes, same):
    assert (mark_of(PERIOD | changes) == mark_of(PERIOD)) is same


@pytest.mark.parametrize(
    "odd", [None, 7, "text", [], {}, {"start_date_time": 7}, {"start_date_time": "x", "dimensions": "y"}]
)
def test_what_is_no_period_is_left_to_the_check_of_the_object(odd):
    assert mark_of(odd) == mark_of(odd)
    assert mark_of(odd) != mark_of(PERIOD)

"""What the hub notes about an odd Session, at the border of each rule."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.exchange.objects.grants import Given
from ocpi_hub.protocol.codec import check
from ocpi_hub.protocol.sessions import Session
from sessions.plausibility import Beside, findings
from tests.examples import session

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
KNOWN = Beside()


def said(known: Beside = KNOWN, **changes: Any) -> list[str]:
    return findings(check(session(**changes), Session), known, NOW)


def measured(*volumes: Any, kind: str = "ENERGY") -> list[dict[str, Any]]:
    return [
        {"start_date_time": "2026-03-01T07:00:00Z", "dimensions": [{"type": kind, "volume": volume}]}
        for volume in volumes
    ]


def test_an_ordinary_session_is_not_odd():
    assert said() == []


@pytest.mark.row("SES-17")
@pytest.mark.parametrize(
    ("known", "changes", "sentences"),
    [
        (Beside(has_location=False), {}, ["The hub knows no Location LOC1 of NL*ABC."]),
        (Beside(has_location=False, has_evse=False), {}, ["The hub knows no Location LOC1 of NL*ABC."]),
        (Beside(has_evse=False), {}, ["The hub knows no EVSE EVSE1 at Location LOC1."]),
        (Beside(has_evse=False), {"evse_uid": "#NA", "status": "RESERVATION"}, []),
    ],
)
def test_its_place_is_known(known, changes, sentences):
    assert said(known, **changes) == sentences


@pytest.mark.parametrize(
    ("start", "end", "sentences"),
    [
        ("07:00:00", "07:00:00", []),
        (
            "07:00:00",
            "06:59:59",
            ["It ends at 2026-03-01 06:59 UTC, before it starts at 2026-03-01 07:00 UTC."],
        ),
        ("09:05:00", None, []),
        (
            "09:05:01",
            None,
            [
                "It starts at 2026-03-01 09:05 UTC, and the hub's clock says 2026-03-01 09:00 UTC:"
                " one of the clocks is wrong."
            ],
        ),
    ],
)
def test_its_times_are_in_order_and_not_ahead(start, end, sentences):
    times = {"start_date_time": f"2026-03-01T{start}Z", "end_date_time": end and f"2026-03-01T{end}Z"}

    assert said(**times) == sentences


PERIODS_IN_WH = (
    "The charging periods add up to 41000 kWh, about a thousand times kwh, which is 41: they look like Wh."
)
KWH_IN_WH = (
    "kwh is 41000, about a thousand times the 41 kWh that the charging periods add up to: it looks like Wh."
)


@pytest.mark.parametrize(
    ("kwh", "periods", "sentences"),
    [
        (41, measured(41000), [PERIODS_IN_WH]),
        (41, measured(40000, Decimal("1000.00")), [PERIODS_IN_WH]),
        (41000, measured(41), [KWH_IN_WH]),
        (41, measured(36899), []),
        (41, measured(36900), [PERIODS_IN_WH.replace("41000", "36900")]),
        (41, measured(41), []),
        (41, measured(20), []),
        (0, measured(41000), []),
        (41, measured(41000, kind="ENERGY_IMPORT"), []),
        (41, [], []),
    ],
)
def test_energy_is_in_kwh(kwh, periods, sentences):
    assert said(kwh=kwh, charging_periods=periods) == sentences


@pytest.mark.row("SES-14", "TRN-19")
@pytest.mark.parametrize(
    ("status", "kwh", "odd"),
    [
        ("RESERVATION", 0, False),
        ("COMPLETED", 0, False),
        ("INVALID", 0, False),
        ("COMPLETED", 1, True),
        ("ACTIVE", 0, True),
        ("PENDING", 0, True),
    ],
)
def test_only_a_reservation_goes_without_evse_and_connector(status, kwh, odd):
    found = said(status=status, kwh=kwh, evse_uid="#NA", connector_id="#NA", charging_periods=None)

    assert found == (
        [
            f"{name} is #NA, which only a reservation may have, and the status is {status}."
            for name in ("evse_uid", "connector_id")
        ]
        if odd
        else []
    )


@pytest.mark.row("SES-15")
def test_the_reference_is_the_last_that_was_given():
    known = Beside(given=Given("AUTH1"))

    assert said(known, authorization_reference="AUTH1") == []
    assert said(known, authorization_reference="AUTH0") == [
        "authorization_reference is AUTH0, and the last one that DE*MSP gave is AUTH1."
    ]

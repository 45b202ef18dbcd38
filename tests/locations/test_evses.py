"""The EVSEs beside the Location documents."""

from datetime import UTC, datetime

import pytest

from locations.models import EVSE, Location
from tests import examples

EIGHT, NINE, TEN = (f"2026-03-01T{hour}:00:00Z" for hour in ("08", "09", "10"))
PATH = "receiver/locations/NL/ABC/LOC1"


def at(hour):
    return datetime(2026, 3, 1, hour, tzinfo=UTC)


def put(cpo, *evses, **changes):
    answered = cpo.put(PATH, examples.location(evses=list(evses), **changes))
    assert answered.status_code == 1000, answered.message


def rows():
    found = EVSE.objects.order_by("id")
    return [(row.uid, row.status, row.retired_at is not None) for row in found]


def test_columns_follow_the_document(cpo):
    cpo.put(PATH, examples.location(name="Station", postal_code="3511", publish=False))

    row = Location.objects.get()
    assert (row.name, row.address, row.city, row.postal_code, row.country, row.publish) == (
        "Station",
        "Stationsplein 9",
        "Utrecht",
        "3511",
        "NLD",
        False,
    )
    assert (row.owner_key, row.key, str(row)) == ("NL*ABC", "LOC1", "NL/ABC/LOC1")
    cpo.put(PATH, examples.location(last_updated=NINE))
    row.refresh_from_db()
    assert (row.name, row.postal_code, row.publish) == (None, None, True)


def test_each_evse_is_a_row(cpo):
    put(
        cpo,
        examples.evse(),
        examples.evse(uid="EVSE2", status="CHARGING", evse_id=None, connectors=[
            examples.connector(id="1"), examples.connector(id="2"),
        ]),
    )  # fmt: skip

    first, second = EVSE.objects.order_by("id")
    assert (first.evse_id, first.status, first.connectors) == ("NL*ABC*E0001*1", "AVAILABLE", 1)
    assert (second.evse_id, second.status, second.connectors) == (None, "CHARGING", 2)
    assert (first.last_updated, first.status_since) == (at(8), at(8))
    assert (str(first), str(second)) == ("NL*ABC*E0001*1", "EVSE2")


@pytest.mark.parametrize("push", ["PATCH", "PUT", "whole", "merged"])
def test_a_change_of_status_notes_since_when(cpo, push):
    put(cpo, examples.evse())
    change = {"status": "CHARGING", "last_updated": NINE}
    if push == "PATCH":
        cpo.patch(f"{PATH}/EVSE1", change)
    elif push == "PUT":
        cpo.put(f"{PATH}/EVSE1", examples.evse(**change))
    elif push == "whole":
        put(cpo, examples.evse(**change), last_updated=NINE)
    else:
        cpo.patch(PATH, {"evses": [{"uid": "EVSE1", **change}], "last_updated": NINE})

    row = EVSE.objects.get()
    assert (row.status, row.last_updated, row.status_since) == ("CHARGING", at(9), at(9))


def test_another_change_leaves_the_time_of_the_status(cpo):
    put(cpo, examples.evse())
    cpo.patch(f"{PATH}/EVSE1", {"floor_level": "1", "last_updated": NINE})

    row = EVSE.objects.get()
    assert (row.last_updated, row.status_since) == (at(9), at(8))


def test_a_change_of_a_connector_reaches_its_evse(cpo):
    put(cpo, examples.evse())
    cpo.put(f"{PATH}/EVSE1/2", examples.connector(id="2", last_updated=NINE))

    row = EVSE.objects.get()
    assert (row.connectors, row.last_updated, row.status_since) == (2, at(9), at(8))


def test_an_evse_that_is_left_out_is_retired_and_one_that_returns_is_not(cpo):
    put(cpo, examples.evse(), examples.evse(uid="EVSE2"))
    put(cpo, examples.evse(uid="evse2"), last_updated=NINE)
    assert rows() == [("EVSE1", "AVAILABLE", True), ("evse2", "AVAILABLE", False)]

    retired_at = EVSE.objects.get(key="EVSE1").retired_at
    put(cpo, examples.evse(uid="evse2"), last_updated=TEN)
    assert EVSE.objects.get(key="EVSE1").retired_at == retired_at

    put(cpo, examples.evse(status="BLOCKED", last_updated=TEN), last_updated=TEN)
    assert rows() == [("EVSE1", "BLOCKED", False), ("evse2", "AVAILABLE", True)]


@pytest.mark.parametrize("evses", [[], None])
def test_a_location_without_evses_retires_all(cpo, evses):
    put(cpo, examples.evse())
    cpo.put(PATH, examples.location(evses=evses, last_updated=NINE))

    assert rows() == [("EVSE1", "AVAILABLE", True)]


def test_a_push_of_one_evse_retires_no_other(cpo):
    put(cpo, examples.evse(), examples.evse(uid="EVSE2"))
    cpo.put(f"{PATH}/EVSE3", examples.evse(uid="EVSE3", last_updated=NINE))

    assert rows() == [
        ("EVSE1", "AVAILABLE", False),
        ("EVSE2", "AVAILABLE", False),
        ("EVSE3", "AVAILABLE", False),
    ]


def test_an_older_push_changes_no_row(cpo):
    put(cpo, examples.evse(), last_updated=NINE)
    put(cpo, examples.evse(status="BLOCKED"), last_updated=EIGHT)

    assert rows() == [("EVSE1", "AVAILABLE", False)]


def test_a_refused_push_changes_no_row(cpo):
    put(cpo, examples.evse())
    assert cpo.patch(f"{PATH}/EVSE1", {"status": "X", "last_updated": NINE}).status_code == 2001

    assert rows() == [("EVSE1", "AVAILABLE", False)]


def test_evses_of_two_locations_with_one_uid_are_two(cpo):
    put(cpo, examples.evse())
    cpo.put("receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2"))

    assert [row.location.key for row in EVSE.objects.order_by("id")] == ["LOC1", "LOC2"]

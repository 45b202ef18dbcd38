"""A page of objects is written by one statement, and each becomes what it would have become alone."""

import pytest

from locations.models import EVSE, Location
from ocpi_hub.exchange.objects import store, upserts
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.protocol.types import PartyRef
from tests import examples

pytestmark = pytest.mark.django_db
LATER = "2026-03-02T08:00:00Z"


def writing(object_id: str, **changes: object) -> upserts.Writing:
    incoming = store.examine(Location, examples.location(id=object_id, **changes))
    return upserts.Writing(Address(PartyRef("nl", "abc"), object_id), incoming)


def test_objects_keep_their_order_and_each_tells_what_became_of_it(cpo):
    upserts.save_many(Location, [writing("B"), writing("NEWER", last_updated=LATER)], cpo.platform)

    results = upserts.save_many(
        Location,
        [
            writing("Z"),
            writing("b", name="Changed", last_updated=LATER),
            writing("NEWER", name="Old"),
            writing("A"),
        ],
        cpo.platform,
    )

    rows = {row.object_id: row for row in Location.objects.all()}
    assert list(rows) == ["b", "NEWER", "Z", "A"]
    assert rows["NEWER"].name is None
    assert [result[:3] for result in results] == [
        (rows["Z"].pk, True, False),
        (rows["b"].pk, False, False),
        (rows["NEWER"].pk, False, True),
        (rows["A"].pk, True, False),
    ]


def test_evse_rows_follow_each_of_several_locations(cpo):
    one, two = examples.evse(uid="1"), examples.evse(uid="2")
    upserts.save_many(
        Location,
        [writing("A", evses=[one, two]), writing("B", evses=[one]), writing("C", evses=[])],
        cpo.platform,
    )

    upserts.save_many(Location, [writing("A", evses=[two]), writing("B", evses=[one])], cpo.platform)

    rows = EVSE.objects.order_by("location__object_id", "uid")
    assert [(row.location.object_id, row.uid, row.retired_at is None) for row in rows] == [
        ("A", "1", False),
        ("A", "2", True),
        ("B", "1", True),
    ]


def test_nothing_is_written_for_nothing(cpo, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert upserts.save_many(Location, [], cpo.platform) == []

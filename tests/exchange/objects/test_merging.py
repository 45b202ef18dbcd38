"""How a PATCH and a push of a part change a document."""

from copy import deepcopy
from decimal import Decimal

import pytest

from locations.models import Location
from ocpi_hub.exchange.objects.digests import digest_of
from ocpi_hub.exchange.objects.merging import lineage, merge, position, replace_part, same_id
from ocpi_hub.protocol.codec import InvalidObject
from tests import examples

CHILDREN = Location.children
DOCUMENT = {
    "id": "LOC1",
    "name": "Station",
    "images": [{"url": "a"}, {"url": "b"}],
    "evses": [
        {"uid": "E1", "status": "AVAILABLE", "connectors": [{"id": "1", "max_voltage": 230}, {"id": "2"}]},
        {"uid": "E2", "status": "CHARGING", "capabilities": ["RESERVABLE"]},
    ],
}


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, {}),
        ({"name": "Other"}, {"name": "Other"}),
        ({"name": None}, {"name": None}),
        ({"city": "Utrecht"}, {"city": "Utrecht"}),
        ({"images": []}, {"images": []}),
        ({"images": [{"url": "c"}]}, {"images": [{"url": "c"}]}),
        ({"evses": []}, {}),
        ({"evses": None}, {"evses": None}),
        (
            {"evses": [{"uid": "e2", "status": "BLOCKED"}]},
            {
                "evses": [
                    DOCUMENT["evses"][0],
                    {"uid": "e2", "status": "BLOCKED", "capabilities": ["RESERVABLE"]},
                ]
            },
        ),
        (
            {"evses": [{"uid": "E3"}]},
            {"evses": [*DOCUMENT["evses"], {"uid": "E3"}]},
        ),
        (
            {"evses": [{"status": "BLOCKED"}, "text"]},
            {"evses": [*DOCUMENT["evses"], {"status": "BLOCKED"}, "text"]},
        ),
        (
            {"evses": [{"uid": "E2", "capabilities": ["RFID_READER"]}]},
            {"evses": [DOCUMENT["evses"][0], DOCUMENT["evses"][1] | {"capabilities": ["RFID_READER"]}]},
        ),
        (
            {"evses": [{"uid": "E1", "connectors": [{"id": "2", "max_voltage": 400}]}]},
            {
                "evses": [
                    DOCUMENT["evses"][0]
                    | {"connectors": [{"id": "1", "max_voltage": 230}, {"id": "2", "max_voltage": 400}]},
                    DOCUMENT["evses"][1],
                ]
            },
        ),
    ],
)
def test_named_fields_change_and_keyed_children_are_merged(patch, changed):
    before = deepcopy(DOCUMENT)

    assert merge(DOCUMENT, patch, CHILDREN) == DOCUMENT | changed
    assert before == DOCUMENT


def test_children_of_an_object_that_has_none_are_taken_as_they_are():
    assert merge({"id": "LOC1"}, {"evses": [{"uid": "E1"}]}, CHILDREN) == {
        "id": "LOC1",
        "evses": [{"uid": "E1"}],
    }


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("a", "A", True), ("a", "b", False), ("1", 1, False), (None, None, False), ("", "", True)],
)
def test_ids_compare_without_case(left, right, same):
    assert same_id(left, right) is same


def test_a_part_is_found_among_odd_neighbours():
    assert position(["x", None, {"uid": 5}, {"uid": "E1"}], CHILDREN[0], "e1") == 3
    assert position([{"uid": "E1"}], CHILDREN[0], "E2") is None


@pytest.mark.parametrize(
    ("ids", "depth"),
    [((), 1), (("E1",), 2), (("e1", "2"), 3), (("E1", "9"), 2), (("E9", "1"), 1), (("E2", "1"), 2)],
)
def test_a_lineage_goes_as_far_as_there_are_parts(ids, depth):
    assert len(lineage(DOCUMENT, ids, CHILDREN)) == depth


def test_a_part_takes_the_place_of_its_predecessor_or_the_end():
    parent = examples.location()
    replace_part(parent, CHILDREN[0], examples.evse(uid="EVSE2"))
    replace_part(parent, CHILDREN[0], examples.evse(uid="evse1", status="BLOCKED"))

    assert [(evse["uid"], evse["status"]) for evse in parent["evses"]] == [
        ("evse1", "BLOCKED"),
        ("EVSE2", "AVAILABLE"),
    ]
    empty = {"evses": None}
    replace_part(empty, CHILDREN[0], {"uid": "E1"})
    assert empty == {"evses": [{"uid": "E1"}]}


def test_a_patch_that_names_a_part_twice_is_refused():
    location = {"evses": [{"uid": "A"}, {"uid": "B"}]}

    with pytest.raises(InvalidObject, match=r"\$\.evses: 'b' is in it twice"):
        merge(location, {"evses": [{"uid": "B"}, {"uid": "b"}]}, Location.children)


PERIOD = {"start_date_time": "2026-03-01T08:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1}]}
NEXT = {"start_date_time": "2026-03-01T08:15:00Z", "dimensions": [{"type": "ENERGY", "volume": 2}]}
SAME = {
    "dimensions": [{"volume": Decimal("1.00"), "type": "ENERGY"}],
    "start_date_time": "2026-03-01T08:00:00Z",
}


@pytest.mark.parametrize(
    ("present", "patch", "merged"),
    [
        ([PERIOD], [NEXT], [PERIOD, NEXT]),
        ([PERIOD], [PERIOD, NEXT], [PERIOD, NEXT]),
        ([PERIOD], [SAME], [PERIOD]),
        ([PERIOD], [NEXT, NEXT], [PERIOD, NEXT]),
        ([PERIOD], [], [PERIOD]),
        ([PERIOD], None, [PERIOD]),
        (None, [PERIOD], [PERIOD]),
        ([], [PERIOD], [PERIOD]),
    ],
)
def test_lists_that_grow_get_what_they_do_not_hold(present, patch, merged):
    document = {"id": "S1", "charging_periods": present}

    found = merge(document, {"charging_periods": patch}, (), {"charging_periods": digest_of})

    assert found == {"id": "S1", "charging_periods": merged}
    assert document["charging_periods"] == present


def test_what_is_no_list_is_left_to_the_check_of_the_object():
    assert merge({}, {"charging_periods": 7}, (), {"charging_periods": digest_of}) == {"charging_periods": 7}

"""What a row of a repair table must say."""

import pytest

from locations.models import Location
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.pulls.repairplaces import faults, unknown_step
from ocpi_hub.exchange.pulls.repairs import STANDARD

CASES = [
    (module, *rule[:3]) for module, model in owned_models().items() for rule in (*STANDARD, *model.repairs)
]


@pytest.mark.parametrize(("module", "kind", "path", "argument"), CASES)
def test_the_rules_that_partners_start_with_are_good(module, kind, path, argument):
    assert faults(kind, path, argument, owned_models()[module].wire) == {}


@pytest.mark.parametrize(
    "path",
    [
        "publish",
        "evses[].status",
        "evses[].connectors[].tariff_ids",
        "evses[].capabilities[]",
        "coordinates.latitude",
    ],
)
def test_places_of_the_struct(path):
    assert unknown_step(path, Location.wire) == ""


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("colour", "the object has no field 'colour'; its fields are address"),
        ("evses[].colour", "evses[] has no field 'colour'; its fields are capabilities"),
        ("evses.status", "evses is a list; write evses[]"),
        ("publish[]", "'publish' is no list; write it without []"),
        ("publish.really", "publish has no field 'really'; its fields are none"),
    ],
)
def test_other_places_say_where_they_leave_it(path, fault):
    assert unknown_step(path, Location.wire).startswith(fault)


@pytest.mark.parametrize(
    ("kind", "argument", "good"),
    [
        ("RENAME", "type", True), ("RENAME", "", False), ("RENAME", None, False), ("RENAME", ["type"], False),
        ("VALUE", {"*": "UNKNOWN"}, True), ("VALUE", {}, False), ("VALUE", {"FREE": 1}, False),
        ("VALUE", "UNKNOWN", False), ("FILL", False, True), ("FILL", "NLD", True), ("FILL", None, False),
        ("FILL", {"by": "country", "values": {"NLD": "x"}}, True), ("FILL", {"by": "country"}, False),
        ("WRAP", {"name": "*"}, True), ("WRAP", {"name": "*", "website": "x"}, True), ("WRAP", {}, False),
        ("WRAP", {"name": "*", "website": "*"}, False), ("WRAP", {"name": "x"}, False), ("WRAP", "*", False),
        ("UNWRAP", None, True), ("UNWRAP", "x", False),
        ("FILL", {"name": "x"}, True), ("TEXT", None, True), ("TEXT", "x", False), ("OWNER", {}, False),
    ],
)  # fmt: skip
def test_each_kind_has_its_argument(kind, argument, good):
    path = "" if kind in ("TEXT", "OWNER") else "publish"

    found = faults(kind, path, argument, Location.wire)

    assert list(found) == ([] if good else ["argument"])


@pytest.mark.parametrize(
    ("kind", "path", "good"),
    [
        ("TIME", "", True),
        ("OWNER", "party_id", True),
        ("OWNER", "name", False),
        ("FILL", "", False),
        ("UNWRAP", "", False),
        ("UNWRAP", "operator", True),
    ],
)
def test_some_kinds_work_wherever_their_fault_occurs(kind, path, good):
    found = faults(kind, path, True if kind == "FILL" else None, Location.wire)

    assert list(found) == ([] if good else ["path"])

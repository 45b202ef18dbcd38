"""What is mended in pulled objects, and what is not."""

import json
from copy import deepcopy
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from locations.models import Location
from ocpi_hub.exchange.models import RefusedObject, RepairRule
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.pulls import repairs, sync
from ocpi_hub.exchange.pulls.repairs import RepairTable
from ocpi_hub.protocol.codec import InvalidObject, check, dump, parse
from ocpi_hub.protocol.types import PartyRef
from tests import examples

OWNER = PartyRef("NL", "ABC")


def table(platform):
    return RepairTable(platform, Location)


def mend(platform, raw):
    """As sync.py does: only what the Struct refuses is given to the table."""
    raw = parse(dump(raw))
    used = table(platform)
    with pytest.raises(InvalidObject) as refused:
        check(raw, Location.wire)
    used.mend(raw, OWNER, refused.value)
    return raw, used.save()


def without(raw, *names):
    return {name: value for name, value in raw.items() if name not in names}


def connectors(**changes):
    return [examples.evse(connectors=[examples.connector(**changes)])]


def first_connector(raw):
    return raw["evses"][0]["connectors"][0]


# --------------------------------------------------------------------- each kind, on what live feeds get wrong
@pytest.mark.parametrize(
    ("broken", "where", "mended", "rule"),
    [
        pytest.param({"id": 4711}, ["id"], "4711", "number to text: anywhere", id="an integer as an id"),
        pytest.param(
            {"evses": [examples.evse(uid=12)]},
            ["evses", 0, "uid"],
            "12",
            "number to text: anywhere",
            id="as a uid",
        ),
        pytest.param(
            {"postal_code": 3511},
            ["postal_code"],
            "3511",
            "number to text: anywhere",
            id="a number as a postal code",
        ),
        pytest.param(
            {"evses": connectors(tariff_ids=[5, 6])},
            ["evses", 0, "connectors", 0, "tariff_ids"],
            ["5", "6"],
            "number to text: anywhere",
            id="integers as tariff ids",
        ),
        pytest.param(
            {"coordinates": {"latitude": Decimal("52.089444"), "longitude": "5.110278"}},
            ["coordinates", "latitude"],
            "52.089444",
            "number to text: anywhere",
            id="a number as a coordinate",
        ),
        pytest.param(
            {"evses": connectors(max_voltage="400")},
            ["evses", 0, "connectors", 0, "max_voltage"],
            400,
            "text to number: anywhere",
            id="text as a voltage",
        ),
        pytest.param(
            {"last_updated": "2026-03-01"},
            ["last_updated"],
            "2026-03-01T00:00:00Z",
            "other form of time to the specified one: anywhere",
            id="a date",
        ),
        pytest.param(
            {"last_updated": "2026-03-01 09:30:00"},
            ["last_updated"],
            "2026-03-01T09:30:00Z",
            "other form of time to the specified one: anywhere",
            id="a blank for the T",
        ),
        pytest.param(
            {"last_updated": "2026-03-01 10:30:00+01:00"},
            ["last_updated"],
            "2026-03-01T09:30:00Z",
            "other form of time to the specified one: anywhere",
            id="another zone",
        ),
        pytest.param(
            {"evses": [examples.evse(status="WORKING")]},
            ["evses", 0, "status"],
            "UNKNOWN",
            "unknown value to a known one: evses[].status",
            id="an unknown status",
        ),
    ],
)
def test_a_fault_of_live_feeds_is_mended_and_counted(cpo, broken, where, mended, rule):
    raw, counts = mend(cpo.platform, examples.location(**broken))

    value = raw
    for step in where:
        value = value[step]
    assert value == mended
    assert list(counts) == [rule]


def test_a_missing_owner_becomes_the_party_that_was_asked(cpo):
    raw, counts = mend(cpo.platform, without(examples.location(), "country_code", "party_id"))

    assert (raw["country_code"], raw["party_id"]) == ("NL", "ABC")
    assert counts == {"missing owner filled in: anywhere": 2}


def test_an_owner_of_null_is_missing_and_a_given_one_is_kept(cpo):
    raw, counts = mend(cpo.platform, examples.location(country_code="BE", party_id=None))

    assert (raw["country_code"], raw["party_id"]) == ("BE", "ABC")
    assert counts == {"missing owner filled in: anywhere": 1}


@pytest.mark.parametrize(
    ("old", "new", "value", "mended"),
    [
        ("voltage", "max_voltage", 400, 400),
        ("amperage", "max_amperage", 63, 63),
    ],
)
def test_an_older_name_of_a_field_is_taken(cpo, old, new, value, mended):
    connector = without(examples.connector(), new) | {old: value}
    raw, counts = mend(cpo.platform, examples.location(evses=[examples.evse(connectors=[connector])]))

    assert first_connector(raw)[new] == mended
    assert first_connector(raw)[old] == value
    assert counts == {f"field under an older name: evses[].connectors[].{new}": 1}


def test_a_single_tariff_id_becomes_a_list(cpo):
    raw, counts = mend(cpo.platform, examples.location(id=1, evses=connectors(tariff_id="T1")))

    assert first_connector(raw)["tariff_ids"] == ["T1"]
    assert counts == {
        "number to text: anywhere": 1,
        "field under an older name: evses[].connectors[].tariff_ids": 1,
    }


def test_a_renamed_value_is_mended_further(cpo):
    connector = without(examples.connector(), "max_voltage") | {"voltage": "230", "tariff_id": 5}
    raw, _ = mend(cpo.platform, examples.location(evses=[examples.evse(connectors=[connector])]))

    assert first_connector(raw)["tariff_ids"] == ["5"]
    assert first_connector(raw)["max_voltage"] == 230


def test_an_older_name_with_a_value_that_does_not_fit_is_left_alone(cpo):
    raw, counts = mend(cpo.platform, examples.location(id=1, type="UNKNOWN"))

    assert "parking_type" not in raw
    assert raw["type"] == "UNKNOWN"
    assert counts == {"number to text: anywhere": 1}


def test_an_older_name_is_not_taken_over_a_newer_one(cpo):
    raw, counts = mend(cpo.platform, examples.location(id=1, type="ON_STREET", parking_type="ON_DRIVEWAY"))

    assert raw["parking_type"] == "ON_DRIVEWAY"
    assert counts == {"number to text: anywhere": 1}


def test_windows_names_of_time_zones_are_known(cpo):
    raw, counts = mend(cpo.platform, examples.location(time_zone="Romance Standard Time"))

    assert raw["time_zone"] == "Europe/Paris"
    assert sum(counts.values()) == 1


def test_rules_that_say_more_than_the_feed_wait_for_the_operator(cpo):
    broken = without(examples.location(), "publish", "time_zone")
    with pytest.raises(InvalidObject):
        mend(cpo.platform, broken)
    cpo.platform.repair_rules.filter(kind="FILL").update(enabled=True)
    raw, counts = mend(cpo.platform, broken)

    assert (raw["publish"], raw["time_zone"]) == (True, "Europe/Amsterdam")
    assert sum(counts.values()) == 2


@pytest.mark.parametrize("country", ["XXX", "nld"])
def test_a_value_that_depends_on_another_is_filled_only_where_that_is_known(cpo, country):
    cpo.platform.repair_rules.filter(kind="FILL").update(enabled=True)

    with pytest.raises(InvalidObject, match="required field is missing"):
        mend(cpo.platform, without(examples.location(country=country), "time_zone"))


# --------------------------------------------------------------------------------------------- what is left alone
def test_good_values_beside_a_refused_one_stay_as_they_are(cpo):
    evses = [
        examples.evse(uid="1", status="AVAILABLE"),
        examples.evse(uid="2", status="WORKING"),
        examples.evse(uid="3", status="CHARGING"),
        examples.evse(uid="4", status="BROKEN"),
        examples.evse(uid="5", status="WORKING"),
    ]
    raw, counts = mend(cpo.platform, examples.location(evses=evses))

    assert [evse["status"] for evse in raw["evses"]] == [
        "AVAILABLE",
        "UNKNOWN",
        "CHARGING",
        "UNKNOWN",
        "UNKNOWN",
    ]
    assert list(counts.values()) == [3]


def test_good_times_beside_a_refused_one_are_neither_changed_nor_counted(cpo):
    evses = [
        examples.evse(uid="1"),
        examples.evse(uid="2", last_updated="2026-03-01 09:00:00"),
    ]
    raw, counts = mend(cpo.platform, examples.location(evses=evses))

    assert [evse["last_updated"] for evse in raw["evses"]] == ["2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z"]
    assert counts == {"other form of time to the specified one: anywhere": 1}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            {"coordinates": {"latitude": "52.1", "longitude": "5.110278"}},
            "$.coordinates.latitude: not a latitude with 1 or 2 digits, a point and 5 to 7 decimals",
        ),
        ({"postal_code": "12345678901"}, "$.postal_code: longer than 10 characters"),
        ({"publish": "yes"}, "$.publish: neither true nor false, but text; leave out the quotes"),
        ({"evses": {}}, "$.evses: not a list"),
        ({"time_zone": "Mars"}, "$.time_zone: not a time zone name of IANA, such as Europe/Amsterdam"),
        ({"last_updated": "yesterday"}, "$.last_updated: not a timestamp such as 2026-01-01T00:00:00Z"),
        (
            {"last_updated": "0001-01-01T00:00:00+23:59"},
            "$.last_updated: not a timestamp such as 2026-01-01T00:00:00Z",
        ),
        ({"evses": connectors(max_voltage=True)}, "$.evses[0].connectors[0].max_voltage: not a whole number"),
        (
            {"evses": connectors(max_voltage=99_999_999_999)},
            "$.evses[0].connectors[0].max_voltage: not between -2147483648 and 2147483647",
        ),
    ],
)
def test_what_no_rule_mends_is_refused_for_its_own_fault(cpo, broken, reason):
    with pytest.raises(InvalidObject) as refused:
        mend(cpo.platform, examples.location(**broken))

    assert str(refused.value) == reason
    assert not RepairRule.objects.filter(times__gt=0).exists()


def test_what_is_no_object_is_refused_as_it_was(cpo):
    fault = InvalidObject("$", "not an object")
    with pytest.raises(InvalidObject) as refused:
        table(cpo.platform).mend([], OWNER, fault)

    assert refused.value is fault


def test_repairs_of_an_object_that_is_refused_in_the_end_are_not_counted(cpo):
    used = table(cpo.platform)
    raw = parse(dump(examples.location(id=1, publish="yes")))
    with pytest.raises(InvalidObject):
        used.mend(raw, OWNER, InvalidObject("$.id", "not a string"))

    assert used.save() == {}


@pytest.mark.parametrize("kind", ["TEXT", "NUMBER", "TIME", "OWNER", "VALUE"])
def test_a_rule_that_is_switched_off_mends_nothing(cpo, kind):
    broken = {
        "TEXT": examples.location(id=1),
        "NUMBER": examples.location(evses=connectors(max_voltage="230")),
        "TIME": examples.location(last_updated="2026-03-01 09:00:00"),
        "OWNER": without(examples.location(), "party_id"),
        "VALUE": examples.location(evses=[examples.evse(status="WORKING")]),
    }[kind]
    mend(cpo.platform, broken)
    cpo.platform.repair_rules.filter(kind=kind).update(enabled=False)

    with pytest.raises(InvalidObject):
        mend(cpo.platform, broken)


def test_rules_of_another_partner_or_module_do_not_matter(cpo, emsp):
    cpo.platform.repair_rules.filter(module="locations", kind="TEXT").delete()

    with pytest.raises(InvalidObject, match="not a string"):
        mend(cpo.platform, examples.location(id=1))


def test_a_rule_for_one_place_mends_no_other(cpo):
    cpo.platform.repair_rules.filter(kind="TEXT").update(path="id")
    raw, _ = mend(cpo.platform, examples.location(id=1))
    assert raw["id"] == "1"

    with pytest.raises(InvalidObject, match=r"postal_code: not a string"):
        mend(cpo.platform, examples.location(postal_code=3511))


def test_filled_values_are_not_shared_between_objects(cpo):
    place = {"latitude": "52.00000", "longitude": "5.00000"}
    RepairRule.objects.create(
        platform=cpo.platform, module="locations", kind="FILL", path="coordinates", argument=place
    )
    used = table(cpo.platform)
    one, two = (parse(dump(without(examples.location(), "coordinates"))) for _ in range(2))
    for raw in (one, two):
        used.mend(raw, OWNER, InvalidObject("$.coordinates", "required field is missing"))
    one["coordinates"]["latitude"] = "changed"

    assert two["coordinates"] == place


def test_a_list_under_two_names_is_two_lists(cpo):
    raw, _ = mend(cpo.platform, examples.location(id=1, evses=connectors(tariff_id=[5])))

    assert first_connector(raw)["tariff_ids"] == ["5"]
    assert first_connector(raw)["tariff_id"] == [5]


@pytest.mark.parametrize("argument", [None, 5, ["voltage"], {"a": 1}])
def test_an_odd_argument_of_a_rule_does_no_harm(cpo, argument):
    cpo.platform.repair_rules.filter(module="locations", kind__in=["RENAME", "VALUE"]).update(
        argument=argument
    )
    raw, counts = mend(cpo.platform, examples.location(id=1))

    assert raw == examples.location(id="1")
    assert counts == {"number to text: anywhere": 1}


def test_a_filler_that_looks_at_an_odd_field_does_no_harm(cpo):
    cpo.platform.repair_rules.filter(kind="FILL", path="time_zone").update(
        argument={"by": "extra", "values": {"x": "Europe/Paris"}}, enabled=True
    )
    with pytest.raises(InvalidObject, match="time_zone: required"):
        mend(cpo.platform, without(examples.location(extra=["x"]), "time_zone"))


def test_two_values_that_point_at_each_other_end(cpo):
    cpo.platform.repair_rules.filter(kind="VALUE", path="evses[].status").update(
        argument={"A": "B", "B": "A"}
    )

    with pytest.raises(InvalidObject, match="'A' is not one of"):
        mend(cpo.platform, examples.location(evses=[examples.evse(status="A")]))


def test_an_object_with_more_faults_than_rounds_is_given_up(cpo, monkeypatch):
    monkeypatch.setattr(repairs, "MOST_ROUNDS", 2)

    with pytest.raises(InvalidObject):
        mend(cpo.platform, examples.location(id=1, postal_code=3511, city=5))


# ------------------------------------------------------------------------------------------------- in a pull
def pull(cpo, *objects):
    cpo.lists["locations"] = list(objects)
    (report,) = sync.pull_platform(cpo.platform.pk, "locations", full=True)
    return report


def test_a_pull_keeps_the_object_as_it_came_beside_the_mended_one(cpo):
    broken = examples.location(id=4711, name="Café", evses=[examples.evse(status="WORKING")])
    report = pull(cpo, broken, examples.location(id="LOC2"))

    assert (report.pull.new, report.pull.repaired, report.pull.refused) == (2, 1, 0)
    mended, whole = Location.objects.order_by("object_id")
    assert json.loads(mended.received) == broken
    assert json.loads(mended.document) == broken | {"id": "4711", "evses": [examples.evse(status="UNKNOWN")]}
    assert whole.received is None


def test_a_pull_counts_and_samples_its_repairs(cpo):
    report = pull(cpo, examples.location(id=1), examples.location(id=2))

    assert report.repairs == {"number to text: anywhere": 2}
    rule = cpo.platform.repair_rules.get(module="locations", kind="TEXT")
    assert (rule.times, rule.sample) == (2, "$.id: 2 became '2'")
    assert rule.last_used_at is not None
    pull(cpo, examples.location(id=3))
    rule.refresh_from_db()
    assert rule.times == 3


def test_a_sample_of_something_long_is_short(cpo):
    cpo.platform.repair_rules.filter(kind="VALUE", path="evses[].status").update(argument={"*": "UNKNOWN"})
    pull(cpo, examples.location(evses=[examples.evse(status="W" * 300)]))

    rule = cpo.platform.repair_rules.get(kind="VALUE", path="evses[].status")
    assert rule.sample == f"$.evses[0].status: '{'W' * 56}… became 'UNKNOWN'"


def test_repairs_are_never_applied_to_a_push(cpo):
    answered = cpo.put("receiver/locations/NL/ABC/4711", examples.location(id=4711))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.id: not a string, but a number; put it into quotes"
    assert Location.objects.count() == 0


def test_one_broken_object_changes_no_other(cpo):
    good = examples.location(id="LOC2", evses=[examples.evse(status="CHARGING")])
    pull(cpo, examples.location(id=1, evses=[examples.evse(status="X")]), deepcopy(good))

    assert json.loads(Location.objects.get(key="LOC2").document) == good


def test_a_refused_object_is_kept_as_it_came(cpo):
    report = pull(cpo, examples.location(id=1, publish="yes"))

    assert report.pull.refused == 1
    assert (
        RefusedObject.objects.get().reason
        == "$.publish: neither true nor false, but text; leave out the quotes"
    )
    assert json.loads(RefusedObject.objects.get().document)["id"] == 1


# --------------------------------------------------------------------------------------------------- the table
def test_a_new_partner_gets_its_table_once_and_keeps_what_the_operator_changed(cpo):
    before = cpo.platform.repair_rules.count()
    models = owned_models().values()
    cpo.platform.repair_rules.filter(kind="TEXT").update(enabled=False)
    repairs.seed(cpo.platform)

    assert cpo.platform.repair_rules.count() == before
    assert before == sum(len(repairs.STANDARD) + len(model.repairs) for model in models)
    assert set(cpo.platform.repair_rules.filter(kind="TEXT").values_list("enabled", flat=True)) == {False}


@pytest.mark.parametrize(
    ("place", "path"),
    [("$.id", "id"), ("$.evses[10].connectors[2].id", "evses[].connectors[].id"), ("$", "$")],
)
def test_a_place_is_made_generic(place, path):
    assert repairs.generic(place) == path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("id", ["$.id"]),
        ("missing", ["$.missing"]),
        ("a.b", ["$.a.b"]),
        ("list[].x", ["$.list[0].x", "$.list[1].x"]),
        ("list[]", ["$.list[0]", "$.list[1]", "$.list[2]"]),
        ("id.deeper", []),
        ("id[].x", []),
    ],
)
def test_places_are_found_whether_the_last_field_is_there_or_not(path, found):
    raw = {"id": 1, "a": {}, "list": [{"x": 1}, {}, 5]}

    assert [place.path for place in repairs.places(raw, path)] == found


def test_the_command_shows_and_switches_rules(cpo, capsys):
    call_command("repairs", platform=cpo.platform.pk, enable=["FILL:publish"], disable=["TEXT:"], json=True)

    rows = {(row["module"], row["rule"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["locations", "FILL:publish"] == {
        "module": "locations",
        "rule": "FILL:publish",
        "argument": True,
        "enabled": True,
        "times": 0,
    }
    assert rows["tokens", "TEXT:"]["enabled"] is False
    call_command("repairs", platform=cpo.platform.pk)
    assert "off locations  TEXT:" in capsys.readouterr().out


def test_the_command_names_a_rule_that_is_not_there(cpo):
    with pytest.raises(CommandError, match="has no rule FILL:nothing"):
        call_command("repairs", platform=cpo.platform.pk, enable=["FILL:nothing"])


def test_a_refusal_names_the_repair_that_is_switched_off(cpo):
    with pytest.raises(InvalidObject) as refused:
        mend(cpo.platform, without(examples.location(), "publish"))

    assert (
        str(refused.value) == "$.publish: required field is missing; the repair FILL:publish is switched off"
    )

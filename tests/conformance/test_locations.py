"""LOC rows: Locations with their EVSEs and Connectors."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from locations.models import EVSE, Location
from ocpi_hub.exchange.models import Delivery
from tests import examples
from tests.conformance.calls import nothing_changes
from tests.partners import Partner

pytestmark = pytest.mark.django_db

LOC1 = "receiver/locations/NL/ABC/LOC1"
LATER, LATEST = "2026-03-02T08:00:00Z", "2026-03-03T08:00:00Z"


@pytest.fixture
def two_evses(cpo: Partner) -> dict[str, Any]:
    """A Location with two EVSEs, each with a connector 1."""
    location = examples.location(evses=[examples.evse(), examples.evse(uid="EVSE2", evse_id="NL*ABC*E0002")])
    assert cpo.put(LOC1, location).codes == (201, 1000)
    return location


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


# ------------------------------------------------------------------------------------------------ sender
@pytest.mark.row("LOC-01")
def test_the_list_is_filtered_by_date_and_paged(cpo, emsp):
    for n in range(3):
        cpo.put(
            f"receiver/locations/NL/ABC/L{n}",
            examples.location(id=f"L{n}", last_updated=f"2026-03-0{n + 1}T09:00:00Z"),
        )

    assert [row["id"] for row in emsp.crawl("sender/locations?limit=2")] == ["L0", "L1", "L2"]
    assert [row["id"] for row in emsp.get("sender/locations?date_from=2026-03-02T09:00:00Z").data] == [
        "L1",
        "L2",
    ]


@pytest.mark.row("LOC-02", "LOC-03")
@pytest.mark.parametrize(
    ("path", "patch"),
    [(f"{LOC1}/EVSE1", {"status": "CHARGING"}), (f"{LOC1}/EVSE2/1", {"max_amperage": 16})],
    ids=["EVSE", "Connector"],
)
def test_a_changed_part_lists_the_whole_location_again(cpo, emsp, two_evses, path, patch):
    assert emsp.get(f"sender/locations?date_from={LATER}").data == []

    cpo.patch(path, {**patch, "last_updated": LATER})

    [listed] = emsp.get(f"sender/locations?date_from={LATER}").data
    assert [evse["uid"] for evse in listed["evses"]] == ["EVSE1", "EVSE2"]
    assert [len(evse["connectors"]) for evse in listed["evses"]] == [1, 1]
    assert listed.keys() == two_evses.keys()


@pytest.mark.row("LOC-04")
def test_three_addresses_give_the_location_the_evse_and_the_connector(emsp, two_evses):
    assert emsp.get("sender/locations/LOC1").data == two_evses
    assert emsp.get("sender/locations/loc1/evse2").data == two_evses["evses"][1]
    assert emsp.get("sender/locations/LOC1/EVSE2/1").data == examples.connector()
    for path in ("LOC2", "LOC1/EVSE3", "LOC1/EVSE1/2"):
        assert emsp.get(f"sender/locations/{path}").codes == (404, 2003)
    assert emsp.get("sender/locations/LOC1/EVSE1/1/x").codes == (404, 2000)


@pytest.mark.row("LOC-04")
def test_an_id_that_two_owners_use_cannot_be_asked_for_alone(cpo, emsp, rival):
    cpo.put(LOC1, examples.location())
    rival.put("receiver/locations/BE/DEF/LOC1", examples.location(country_code="BE", party_id="DEF"))

    assert emsp.get("sender/locations/LOC1").codes == (200, 2001)


# ---------------------------------------------------------------------------------------------- receiver
@pytest.mark.row("LOC-05", "LOC-06", "LOC-07", "RSP-08")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (LOC1, examples.location(name="n", last_updated=LATER)),
        (f"{LOC1}/EVSE1", examples.evse(status="BLOCKED", last_updated=LATER)),
        (f"{LOC1}/EVSE3", examples.evse(uid="EVSE3", last_updated=LATER)),
        (f"{LOC1}/EVSE1/1", examples.connector(max_amperage=8, last_updated=LATER)),
        (f"{LOC1}/EVSE1/9", examples.connector(id="9", last_updated=LATER)),
    ],
    ids=["Location", "EVSE", "new EVSE", "Connector", "new Connector"],
)
def test_get_put_and_patch_work_at_every_depth(cpo, two_evses, path, body):
    is_new = cpo.get(path).codes == (404, 2003)

    assert cpo.put(path, body).codes == (201 if is_new else 200, 1000)
    assert cpo.get(path).data == body
    assert cpo.patch(path, {"x_note": 1, "last_updated": LATEST}).codes == (200, 1000)
    assert cpo.get(path).data == {**body, "x_note": 1, "last_updated": LATEST}


@pytest.mark.row("LOC-06")
def test_get_returns_what_was_put(cpo, two_evses):
    assert cpo.get(LOC1).data == two_evses


@pytest.mark.row("LOC-07")
def test_put_of_an_evse_replaces_it_and_leaves_its_neighbours(cpo, two_evses):
    rich = examples.evse(floor_level="-1", connectors=[examples.connector(), examples.connector(id="2")])
    cpo.put(f"{LOC1}/EVSE1", rich)
    plain = examples.evse(status="BLOCKED", last_updated=LATER)

    cpo.put(f"{LOC1}/EVSE1", plain)

    assert cpo.get(LOC1).data["evses"] == [plain, two_evses["evses"][1]]


@pytest.mark.row("LOC-07")
def test_put_of_a_connector_replaces_it_and_leaves_its_neighbours(cpo, two_evses):
    cpo.put(f"{LOC1}/EVSE1/1", examples.connector(tariff_ids=["T1"], last_updated=LATER))

    cpo.put(f"{LOC1}/EVSE1/1", examples.connector(last_updated=LATEST))

    one, two = cpo.get(LOC1).data["evses"]
    assert one["connectors"] == [examples.connector(last_updated=LATEST)]
    assert two == two_evses["evses"][1]


@pytest.mark.row("LOC-08", "LOC-02")
@pytest.mark.parametrize(
    ("method", "path", "body", "moved"),
    [
        ("PUT", "EVSE1", examples.evse(last_updated=LATER), (LATER, LATER, "2026-03-01T08:00:00Z")),
        ("PATCH", "EVSE1", {"last_updated": LATER}, (LATER, LATER, "2026-03-01T08:00:00Z")),
        ("PUT", "EVSE1/1", examples.connector(last_updated=LATER), (LATER, LATER, LATER)),
        ("PATCH", "EVSE1/1", {"last_updated": LATER}, (LATER, LATER, LATER)),
        ("PUT", "EVSE1/2", examples.connector(id="2", last_updated=LATER), (LATER, LATER, "2026-03-01T08:00:00Z")),
    ],
)  # fmt: skip
def test_the_last_updated_of_a_part_moves_up_to_its_parents(cpo, two_evses, method, path, body, moved):
    cpo.request(method, f"{LOC1}/{path}", body)

    location = cpo.get(LOC1).data
    one, two = location["evses"]
    assert (location["last_updated"], one["last_updated"], one["connectors"][0]["last_updated"]) == moved
    assert two == two_evses["evses"][1]


@pytest.mark.row("LOC-08", "HUB-27")
def test_last_updated_never_moves_back(cpo, two_evses):
    cpo.patch(LOC1, {"last_updated": LATEST})

    cpo.patch(f"{LOC1}/EVSE1", {"status": "BLOCKED", "last_updated": LATER})

    location = cpo.get(LOC1).data
    assert (location["last_updated"], location["evses"][0]["last_updated"]) == (LATEST, LATER)
    assert location["evses"][0]["status"] == "BLOCKED"


@pytest.mark.row("LOC-08")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_older_change_of_a_part_is_accepted_and_left_out(cpo, two_evses, method):
    cpo.patch(f"{LOC1}/EVSE1", {"status": "CHARGING", "last_updated": LATEST})

    with nothing_changes():
        answered = cpo.request(method, f"{LOC1}/EVSE1", examples.evse(status="BLOCKED", last_updated=LATER))

    assert answered.codes == (200, 1000)


@pytest.mark.row("LOC-09")
@pytest.mark.parametrize(
    ("path", "patch"),
    [
        (LOC1, {"name": "n"}),
        (f"{LOC1}/EVSE1", {"status": "BLOCKED"}),
        (f"{LOC1}/EVSE1/1", {"max_voltage": 400}),
    ],
    ids=["Location", "EVSE", "Connector"],
)
def test_patch_takes_nothing_away_that_it_does_not_name(cpo, two_evses, path, patch):
    before = cpo.get(path).data

    cpo.patch(path, {**patch, "last_updated": LATER})

    assert cpo.get(path).data == {**before, **patch, "last_updated": LATER}


@pytest.mark.row("LOC-09")
def test_patch_cannot_remove_a_part_from_a_list(cpo, two_evses):
    cpo.patch(LOC1, {"evses": [], "last_updated": LATER})
    assert len(cpo.get(LOC1).data["evses"]) == 2

    cpo.put(LOC1, examples.location(last_updated=LATEST))
    assert len(cpo.get(LOC1).data["evses"]) == 1


@pytest.mark.row("LOC-10")
@pytest.mark.parametrize("path", [LOC1, f"{LOC1}/EVSE1", f"{LOC1}/EVSE1/1"])
def test_nothing_is_deleted(cpo, two_evses, path):
    with nothing_changes():
        answered = cpo.request("DELETE", path)

    assert answered.codes == (405, 2000)


@pytest.mark.row("LOC-10")
def test_a_removed_evse_is_still_served(cpo, emsp, two_evses):
    cpo.patch(f"{LOC1}/EVSE1", {"status": "REMOVED", "last_updated": LATER})

    assert cpo.get(f"{LOC1}/EVSE1").data["status"] == "REMOVED"
    assert [evse["status"] for evse in emsp.get("sender/locations").data[0]["evses"]] == [
        "REMOVED",
        "AVAILABLE",
    ]


@pytest.mark.row("LOC-10", "LOC-12")
def test_an_evse_that_its_owner_no_longer_sends_is_kept_as_retired(cpo, two_evses):
    cpo.put(LOC1, examples.location(last_updated=LATER))

    assert [(evse.uid, evse.retired_at is None) for evse in EVSE.objects.order_by("uid")] == [
        ("EVSE1", True),
        ("EVSE2", False),
    ]


@pytest.mark.row("LOC-11")
@pytest.mark.parametrize(
    ("evses", "expired"),
    [
        ([], True),
        ([examples.evse(status="REMOVED")], True),
        ([examples.evse(status="REMOVED"), examples.evse(uid="EVSE2")], False),
        ([examples.evse(status="OUTOFORDER")], False),
    ],
    ids=["no EVSE", "all removed", "one left", "out of order"],
)
def test_a_location_without_a_usable_evse_is_marked_expired_and_served(cpo, emsp, operator, evses, expired):
    location = examples.location(evses=evses)
    cpo.put(LOC1, location)

    page = operator.get(reverse("admin:locations_location_changelist")).content.decode()

    assert ('<td class="field-expired">expired</td>' in page) is expired
    assert emsp.get("sender/locations").data == [location]


@pytest.mark.row("LOC-12")
@pytest.mark.parametrize(
    ("path", "change"),
    [
        (LOC1, {"id": "LOC2"}),
        (f"{LOC1}/EVSE1", {"uid": "EVSE9"}),
        (f"{LOC1}/EVSE1", {"uid": "EVSE2"}),
        (f"{LOC1}/EVSE1/1", {"id": "2"}),
    ],
)
def test_ids_never_change(cpo, two_evses, path, change):
    with nothing_changes():
        answered = cpo.patch(path, {**change, "last_updated": LATER})

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"$.{next(iter(change))}: the body has ")


@pytest.mark.row("LOC-12")
def test_two_evses_of_one_location_cannot_share_a_uid(cpo):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(evses=[examples.evse(), examples.evse(uid="evse1")]))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.evses[1].uid: used by another EVSE of this Location"


# ------------------------------------------------------------------------------------------------ content
SOME_TOKEN = {"uid": "U1", "type": "RFID"}


@pytest.mark.row("LOC-14")
def test_a_published_location_names_no_tokens_it_is_published_to(cpo):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(publish=True, publish_allowed_to=[SOME_TOKEN]))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.publish_allowed_to: only allowed when publish is false"


@pytest.mark.row("LOC-14")
def test_a_patch_may_not_publish_it_along_with_such_a_list(cpo):
    cpo.put(LOC1, examples.location(publish=False, publish_allowed_to=[SOME_TOKEN]))

    with nothing_changes():
        assert cpo.patch(LOC1, {"publish": True, "last_updated": LATER}).codes == (200, 2001)
    change = {"publish": True, "publish_allowed_to": [], "last_updated": LATER}
    assert cpo.patch(LOC1, change).codes == (200, 1000)


@pytest.mark.row("LOC-15")
@pytest.mark.parametrize(
    ("token", "place"),
    [
        ({"type": "RFID", "issuer": "MSP"}, "uid"),
        ({}, "uid"),
        ({"uid": "U1"}, "type"),
        ({"visual_number": "V1"}, "issuer"),
        ({"uid": "U1", "type": "RFID", "visual_number": "V1"}, "issuer"),
    ],
)
def test_a_token_of_publish_allowed_to_is_named_sufficiently(cpo, token, place):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(publish=False, publish_allowed_to=[token]))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"$.publish_allowed_to[0].{place}: ")


@pytest.mark.row("LOC-15")
@pytest.mark.parametrize(
    "token",
    [
        SOME_TOKEN,
        {"visual_number": "V1", "issuer": "MSP"},
        {"group_id": "G1"},
        {**SOME_TOKEN, "group_id": "G1"},
    ],
)
def test_each_way_to_name_a_token_is_taken(cpo, token):
    assert cpo.put(LOC1, examples.location(publish=False, publish_allowed_to=[token])).codes == (201, 1000)


@pytest.mark.row("LOC-16")
def test_two_evses_may_each_have_a_connector_of_the_same_id(cpo, two_evses):
    cpo.patch(f"{LOC1}/EVSE2/1", {"max_amperage": 16, "last_updated": LATER})

    assert cpo.get(f"{LOC1}/EVSE1/1").data == examples.connector()
    assert cpo.get(f"{LOC1}/EVSE2/1").data == examples.connector(max_amperage=16, last_updated=LATER)


@pytest.mark.row("LOC-16")
def test_one_evse_has_no_two_connectors_of_one_id(cpo, two_evses):
    connectors = [examples.connector(id="a"), examples.connector(id="A")]

    with nothing_changes():
        answered = cpo.put(f"{LOC1}/EVSE1", examples.evse(connectors=connectors, last_updated=LATER))

    assert answered.codes == (200, 2001)
    assert answered.message == "$.connectors[1].id: used by another connector of this EVSE"


def hours(**changes: Any) -> dict[str, Any]:
    return {"weekday": 1, "period_begin": "08:00", "period_end": "20:00", **changes}


@pytest.mark.row("LOC-17")
@pytest.mark.parametrize(
    ("opening_times", "place"),
    [
        ({}, "twentyfourseven"),
        ({"regular_hours": [hours()]}, "twentyfourseven"),
        ({"twentyfourseven": False}, "regular_hours"),
        ({"twentyfourseven": False, "regular_hours": []}, "regular_hours"),
        ({"twentyfourseven": True, "regular_hours": [hours()]}, "regular_hours"),
        ({"twentyfourseven": False, "regular_hours": [hours(weekday=0)]}, "regular_hours[0].weekday"),
        (
            {"twentyfourseven": False, "regular_hours": [hours(), hours(weekday=8)]},
            "regular_hours[1].weekday",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [hours(period_begin="8:00")]},
            "regular_hours[0].period_begin",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [hours(period_end="24:00")]},
            "regular_hours[0].period_end",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [hours(period_end="20:60")]},
            "regular_hours[0].period_end",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [hours(period_end="08:00")]},
            "regular_hours[0].period_end",
        ),
        (
            {"twentyfourseven": False, "regular_hours": [hours(period_end="07:59")]},
            "regular_hours[0].period_end",
        ),
    ],
)
def test_opening_times_that_contradict_themselves_are_2001(cpo, opening_times, place):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(opening_times=opening_times))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith(f"$.opening_times.{place}: ")


@pytest.mark.row("LOC-17")
@pytest.mark.parametrize(
    "opening_times",
    [
        {"twentyfourseven": True},
        {"twentyfourseven": True, "regular_hours": []},
        {
            "twentyfourseven": False,
            "regular_hours": [hours(weekday=7, period_begin="00:00", period_end="23:59")],
        },
    ],
)
def test_opening_times_that_are_right_are_taken(cpo, opening_times):
    assert cpo.put(LOC1, examples.location(opening_times=opening_times)).codes == (201, 1000)


@pytest.mark.row("LOC-18")
@pytest.mark.parametrize(
    "latitude",
    [52.089444, "52.0894", "52.08944444", "52,089444", "52", "+52.089444", "N52.089444", "152.089444", ""],
)
def test_coordinates_of_another_form_are_2001(cpo, latitude):
    with nothing_changes():
        answered = cpo.put(
            LOC1, examples.location(coordinates={"latitude": latitude, "longitude": "5.110278"})
        )

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.coordinates.latitude: ")


@pytest.mark.row("LOC-18")
@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        ("52.08944", "5.11027"),
        ("52.089444", "5.110278"),
        ("-2.0894441", "179.1102781"),
        ("-0.00000", "-0.00000"),
    ],
)
def test_coordinates_of_five_to_seven_decimals_are_kept_as_text(cpo, latitude, longitude):
    coordinates = {"latitude": latitude, "longitude": longitude}

    assert cpo.put(LOC1, examples.location(coordinates=coordinates)).codes == (201, 1000)
    assert cpo.get(LOC1).data["coordinates"] == coordinates


@pytest.mark.row("LOC-19")
@pytest.mark.parametrize(
    "time_zone", ["CET+1", "W. Europe Standard Time", "Europe/Utrecht", "", None, "../etc/passwd"]
)
def test_a_time_zone_that_iana_does_not_know_is_2001(cpo, time_zone):
    with nothing_changes():
        answered = cpo.put(LOC1, examples.location(time_zone=time_zone))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.time_zone: ")


@pytest.mark.row("LOC-20")
@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ({}, "ABC Charging"),
        ({"operator": None}, "ABC Charging"),
        ({"operator": {"name": "Utrecht"}}, "Utrecht"),
    ],
    ids=["none", "null", "one"],
)
def test_where_no_operator_is_named_the_owners_business_is_shown(cpo, operator, named, shown):
    cpo.platform.parties.update(business_details={"CPO": {"name": "ABC Charging"}})
    cpo.put(LOC1, examples.location(**named))

    page = operator.get(reverse("admin:locations_location_change", args=[Location.objects.get().pk]))

    assert f'<div class="readonly">{shown}</div>' in page.content.decode()
    assert cpo.get(LOC1).data == examples.location(**named)


@pytest.mark.row("LOC-21")
def test_a_scheduled_status_changes_nothing_by_itself(cpo, emsp, deliver):
    schedule = [{"period_begin": "2020-01-01T00:00:00Z", "status": "INOPERATIVE"}]
    location = examples.location(evses=[examples.evse(status_schedule=schedule)])
    cpo.put(LOC1, location)
    deliver()

    assert cpo.get(LOC1).data == location
    assert EVSE.objects.get().status == "AVAILABLE"
    assert deliver() == 0
    assert Delivery.objects.count() == 1
    assert len(emsp.received()) == 1


@pytest.mark.row("LOC-23")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("path", "body"),
    [("EVSE1", examples.evse()), ("EVSE1/1", examples.connector())],
    ids=["EVSE", "Connector"],
)
def test_a_part_of_an_unknown_location_is_refused(cpo, emsp, method, path, body):
    with nothing_changes():
        answered = cpo.request(method, f"{LOC1}/{path}", body)

    assert answered.codes == (404, 2003)


@pytest.mark.row("LOC-23")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "EVSE9/1", examples.connector(last_updated=LATER)),
        ("PATCH", "EVSE9/1", {"last_updated": LATER}),
        ("PATCH", "EVSE9", {"last_updated": LATER}),
        ("PATCH", "EVSE1/9", {"last_updated": LATER}),
    ],
)
def test_a_part_of_an_unknown_part_is_refused(cpo, two_evses, method, path, body):
    with nothing_changes():
        answered = cpo.request(method, f"{LOC1}/{path}", body)

    assert answered.codes == (404, 2003)


@pytest.mark.row("LOC-16", "TRN-21")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_is_wrong_in_a_part_is_named_from_the_part(cpo, two_evses, method):
    with nothing_changes():
        answered = cpo.request(method, f"{LOC1}/EVSE1", examples.evse(status="FREE", last_updated=LATER))

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.status: 'FREE' is not one of ")


def test_a_part_is_sent_on_as_that_part(cpo, emsp, deliver, two_evses):
    deliver()
    cpo.patch(f"{LOC1}/EVSE1", {"status": "CHARGING", "last_updated": LATER})
    deliver()

    assert [(call.method, call.path, call.body) for call in emsp.received()][1:] == [
        ("PATCH", "/receiver/locations/NL/ABC/LOC1/EVSE1", {"status": "CHARGING", "last_updated": LATER})
    ]

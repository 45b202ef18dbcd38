"""MET rows: what PUT, PATCH and pull mean. What every module answers alike is in test_every_module.py."""

import logging
from typing import Any

import httpx
import pytest
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange.models import Delivery, RefusedObject
from ocpi_hub.exchange.pulls import sync
from tests import examples
from tests.conformance.calls import nothing_changes
from tests.partners import enveloped as answer
from tests.partners import register

pytestmark = pytest.mark.django_db

LOC1 = "receiver/locations/NL/ABC/LOC1"
LATER = "2026-03-02T08:00:00Z"


def later() -> None:
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())


@pytest.mark.row("MET-01")
@pytest.mark.parametrize("field", sorted(set(examples.location()) - {"evses"}))
def test_put_needs_every_required_field(cpo, field):
    cpo.put(LOC1, examples.location())
    lacking = examples.location(last_updated=LATER)
    del lacking[field]

    with nothing_changes():
        answered = cpo.put(LOC1, lacking)

    assert answered.codes == (200, 2001)
    assert answered.message == f"$.{field}: required field is missing"


@pytest.mark.row("MET-02")
def test_fields_that_a_put_leaves_out_are_gone(cpo, emsp):
    cpo.put(LOC1, examples.location(name="Centraal", charging_when_closed=False))

    cpo.put(LOC1, examples.location(last_updated=LATER))

    assert cpo.get(LOC1).data == examples.location(last_updated=LATER)
    assert emsp.get("sender/locations").data == [examples.location(last_updated=LATER)]
    assert Location.objects.get().name is None


@pytest.mark.row("MET-03")
def test_patch_leaves_what_it_does_not_name(cpo):
    before = examples.location(name="old", facilities=["HOTEL"], x_own={"a": [1]})
    cpo.put(LOC1, before)

    assert cpo.patch(LOC1, {"name": "new", "last_updated": LATER}).codes == (200, 1000)

    assert cpo.get(LOC1).data == {**before, "name": "new", "last_updated": LATER}
    assert Location.objects.get().name == "new"


@pytest.mark.row("MET-03")
@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"facilities": ["CAFE"]}, {"facilities": ["CAFE"]}),
        ({"facilities": []}, {"facilities": []}),
        ({"coordinates": {"latitude": "1.00000", "longitude": "2.00000"}},
         {"coordinates": {"latitude": "1.00000", "longitude": "2.00000"}}),
        ({"name": None}, {"name": None}),
        ({"name": ""}, {"name": ""}),
        ({"id": "loc1"}, {"id": "loc1"}),
        ({"country_code": "NL", "party_id": "ABC", "id": "LOC1"}, {}),
    ],
)  # fmt: skip
def test_what_a_patch_names_is_replaced_whole(cpo, patch, result):
    before = examples.location(name="old", facilities=["HOTEL", "MALL"])
    cpo.put(LOC1, before)

    assert cpo.patch(LOC1, {**patch, "last_updated": LATER}).codes == (200, 1000)

    assert cpo.get(LOC1).data == {**before, **result, "last_updated": LATER}


@pytest.mark.row("MET-03")
def test_evses_in_a_patch_are_merged_by_uid_and_connectors_by_id(cpo):
    """Parts that have a key of their own; all other arrays are replaced (interpretations, P71)."""
    cpo.put(LOC1, examples.location(evses=[examples.evse(), examples.evse(uid="EVSE2")]))
    change = {"uid": "evse2", "status": "CHARGING", "connectors": [{"id": "1", "max_amperage": 16}]}

    cpo.patch(LOC1, {"evses": [change], "last_updated": LATER})

    one, two = cpo.get(LOC1).data["evses"]
    assert one == examples.evse()
    assert two == examples.evse(
        uid="evse2", status="CHARGING", connectors=[examples.connector(max_amperage=16)]
    )


@pytest.mark.row("MET-13")
@pytest.mark.parametrize("path", [LOC1, f"{LOC1}/EVSE1", f"{LOC1}/EVSE1/1"])
@pytest.mark.parametrize("last_updated", [{}, {"last_updated": None}], ids=["missing", "null"])
def test_patch_needs_last_updated_at_every_depth(cpo, path, last_updated):
    cpo.put(LOC1, examples.location())

    with nothing_changes():
        answered = cpo.patch(path, {"x": 1, **last_updated})

    assert answered.codes == (200, 2001)
    assert answered.message.startswith("$.last_updated: ")


@pytest.mark.row("MET-13")
def test_patch_of_a_token_needs_last_updated(emsp):
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())

    with nothing_changes():
        assert emsp.patch("receiver/tokens/DE/MSP/04A1B2C3D4", {"valid": False}).codes == (200, 2001)


# --------------------------------------------------------------------------------- the hub as the pusher
def refusing(method: str, response: httpx.Response) -> Any:
    return lambda request: response if request.method == method else None


@pytest.mark.row("MET-04")
@pytest.mark.parametrize("there", [False, True], ids=["which lacks it", "which has it"])
def test_after_a_refused_patch_the_partner_is_asked_and_gets_a_put(cpo, emsp, deliver, there):
    cpo.put(LOC1, examples.location())
    deliver()
    emsp.calls.clear()
    refused = answer(status_code=2001 if there else 2003, http_status=200 if there else 404)
    known = answer(examples.location()) if there else answer(status_code=2003, http_status=404)
    emsp.answers += [refusing("PATCH", refused), refusing("GET", known)]
    cpo.patch(LOC1, {"name": "new", "last_updated": LATER})

    deliver()
    later()
    deliver()

    state = examples.location(name="new", last_updated=LATER)
    assert [(call.method, call.path) for call in emsp.calls] == [
        ("PATCH", "/receiver/locations/NL/ABC/LOC1"),
        ("GET", "/receiver/locations/NL/ABC/LOC1"),
        ("PUT", "/receiver/locations/NL/ABC/LOC1"),
    ]
    assert emsp.calls[-1].body == state
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}


@pytest.mark.row("MET-04")
def test_a_refused_part_is_followed_by_the_whole_object_where_that_is_missing(cpo, emsp, deliver):
    cpo.put(LOC1, examples.location())
    deliver()
    emsp.calls.clear()
    missing = answer(status_code=2003, http_status=404)
    emsp.answers.append(lambda request: missing if request.method in ("PATCH", "GET") else None)
    cpo.patch(f"{LOC1}/EVSE1", {"status": "CHARGING", "last_updated": LATER})

    deliver()
    later()
    deliver()

    assert [(call.method, call.path) for call in emsp.calls] == [
        ("PATCH", "/receiver/locations/NL/ABC/LOC1/EVSE1"),
        ("GET", "/receiver/locations/NL/ABC/LOC1"),
        ("PUT", "/receiver/locations/NL/ABC/LOC1"),
    ]
    assert emsp.calls[-1].body == cpo.get(LOC1).data


@pytest.mark.row("MET-05", "HUB-19")
def test_pushes_go_to_endpoint_owner_and_id(network, emsp, cpo, rival, deliver):
    cpo.put("receiver/locations/NL/ABC/1", examples.location(id="1"))
    rival.put("receiver/locations/BE/DEF/1", examples.location(id="1", country_code="BE", party_id="DEF"))
    cpo.patch("receiver/locations/NL/ABC/1/EVSE1/1", {"max_amperage": 16, "last_updated": LATER})
    deliver()
    cpo.patch("receiver/locations/NL/ABC/1/EVSE1", {"status": "BLOCKED", "last_updated": LATER})
    deliver()

    assert sorted({call.path for call in emsp.received()}) == [
        "/receiver/locations/BE/DEF/1",
        "/receiver/locations/NL/ABC/1",
        "/receiver/locations/NL/ABC/1/EVSE1",
    ]
    assert [(row["country_code"], row["id"]) for row in emsp.get("sender/locations").data] == [
        ("NL", "1"),
        ("BE", "1"),
    ]


# --------------------------------------------------------------------------------- the hub as the puller
@pytest.mark.row("MET-10")
def test_the_owner_of_a_pulled_object_is_in_the_object(network, emsp):
    many = register(network, "ALL", "NL-AAA-CPO", "BE-BBB-CPO")
    many.lists["locations"] = [
        examples.location(country_code="be", party_id="bbb"),
        examples.location(country_code="NL", party_id="AAA"),
    ]

    reports = sync.pull_platform(many.platform.pk, "locations", full=True)

    assert sum(report.pull.new for report in reports) == 2
    assert sorted(Location.objects.values_list("owner_key", flat=True)) == ["BE*BBB", "NL*AAA"]


@pytest.mark.row("MET-11")
def test_a_pulled_object_of_a_party_that_the_partner_has_not_announced_is_left_out(cpo, emsp, rival, caplog):
    foreign = examples.location(country_code="BE", party_id="DEF")
    cpo.lists["locations"] = [foreign, examples.location()]

    with caplog.at_level(logging.WARNING):
        [report] = sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert (report.pull.received, report.pull.new, report.pull.refused) == (2, 1, 1)
    assert emsp.get("sender/locations").data == [examples.location()]
    assert RefusedObject.objects.get().reason == "$.party_id: BE*DEF is no CPO of this platform"
    assert "BE*DEF is no CPO of this platform" in caplog.text


@pytest.mark.row("MET-11")
def test_a_pulled_object_cannot_overwrite_another_platforms(cpo, emsp, rival):
    theirs = examples.location(country_code="BE", party_id="DEF")
    rival.put("receiver/locations/BE/DEF/LOC1", theirs)
    cpo.lists["locations"] = [{**theirs, "name": "hijacked", "last_updated": LATER}]

    sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert rival.get("receiver/locations/BE/DEF/LOC1").data == theirs

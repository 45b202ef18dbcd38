"""TAR-01 to TAR-05, TAR-08, TAR-12, TAR-18. What a DELETE does to deliveries is here, what a pull drops as well."""

import json
from urllib.parse import quote

import httpx
import pytest
from django.db import connection
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.partners.models import Party
from tariffs import references
from tariffs.models import Tariff
from tests import examples
from tests.conformance.calls import METHODS, nothing_changes, raw, to
from tests.partners import Partner, enveloped, register

pytestmark = pytest.mark.django_db

TARIFF1 = "receiver/tariffs/NL/ABC/TARIFF1"
AT_MSP = "/receiver/tariffs/NL/ABC/TARIFF1"
LATER = "2026-03-02T08:00:00Z"


def named(tariff_id: str, **changes: object) -> dict[str, object]:
    return examples.tariff(id=tariff_id, **changes)


def push(cpo: Partner, *tariff_ids: str) -> list[dict[str, object]]:
    made = [named(tariff_id) for tariff_id in tariff_ids]
    for tariff in made:
        assert cpo.put(f"receiver/tariffs/NL/ABC/{tariff['id']}", tariff).codes == (201, 1000)
    return made


def sent(partner: Partner) -> list[tuple[str, object]]:
    return [(call.method, call.body and call.body["id"]) for call in partner.received()]


def listed(partner: Partner) -> list[str]:
    return [tariff["id"] for tariff in partner.get("sender/tariffs").data]


def born_before() -> None:
    """What is there came in an earlier transaction than what follows."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tariffs_tariff SET inserted_in = '3'")


def kept() -> list[str]:
    """What the hub has, in whichever transaction it came: a list waits for all that are open on the server."""
    return sorted(Tariff.objects.filter(deleted_at=None).values_list("object_id", flat=True))


def silence(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


# ------------------------------------------------------------------------------------------- the two interfaces
@pytest.mark.row("TAR-01")
@pytest.mark.parametrize("method", METHODS)
def test_the_sender_has_a_list_and_nothing_below_it(cpo, emsp, method):
    push(cpo, "TARIFF1")

    with nothing_changes():
        below = raw(emsp, method, "/ocpi/2.2.1/sender/tariffs/TARIFF1")

    assert below.codes == ((404, 2000) if method == "GET" else (405, 2000))
    assert listed(emsp) == ["TARIFF1"]


@pytest.mark.row("TAR-03", "MET-12")
def test_get_put_and_delete_are_there_post_and_patch_are_not(cpo):
    bodies = {"PUT": examples.tariff(), "PATCH": {"currency": "EUR", "last_updated": LATER}}

    codes = {
        method: cpo.request(method, TARIFF1, bodies.get(method)).codes
        for method in ("PUT", "GET", "POST", "PATCH", "DELETE")
    }

    assert codes == {
        "PUT": (201, 1000),
        "GET": (200, 1000),
        "POST": (405, 2000),
        "PATCH": (405, 2000),
        "DELETE": (200, 1000),
    }


# ------------------------------------------------------------------------------------------------------ DELETE
@pytest.mark.row("TAR-04")
def test_a_deleted_tariff_is_gone(cpo, emsp):
    push(cpo, "TARIFF1", "TARIFF2")

    answered = cpo.delete(TARIFF1)

    assert answered.codes == (200, 1000)
    assert "data" not in answered.envelope
    assert "status_message" not in answered.envelope
    assert cpo.get(TARIFF1).codes == (404, 2001)
    assert listed(emsp) == ["TARIFF2"]
    assert emsp.get("sender/tariffs").headers["X-Total-Count"] == "1"


@pytest.mark.row("TAR-04")
@pytest.mark.parametrize("tariff_id", ["TARIFF2", "TARIFF1"], ids=["never known", "deleted before"])
def test_delete_of_what_is_not_there_is_404(cpo, tariff_id):
    push(cpo, "TARIFF1")
    cpo.delete(TARIFF1)

    with nothing_changes():
        answered = cpo.delete(f"receiver/tariffs/NL/ABC/{tariff_id}")

    assert answered.codes == (404, 2001)
    assert answered.message == f"tariffs/NL/ABC/{tariff_id} is not known here, so there is nothing to delete"


def test_a_tariff_is_deleted_by_its_id_in_any_case(cpo):
    push(cpo, "TARIFF1")

    assert cpo.delete("receiver/tariffs/nl/abc/tariff1").codes == (200, 1000)
    assert cpo.get(TARIFF1).codes == (404, 2001)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"null", b'{"id": "TARIFF2"}', b"<html>"])
def test_whatever_comes_as_the_body_of_a_delete_is_overlooked(cpo, emsp, deliver, body):
    push(cpo, "TARIFF1")
    deliver()

    assert raw(cpo, "DELETE", f"/ocpi/2.2.1/{TARIFF1}", body).codes == (200, 1000)
    deliver()

    assert sent(emsp) == [("PUT", "TARIFF1"), ("DELETE", None)]


@pytest.mark.row("TAR-04", "PAG-07")
@pytest.mark.parametrize("moment", ["2026-03-01T08:00:00Z", "2026-02-01T08:00:00Z", LATER])
def test_what_is_put_after_its_delete_is_new_and_last_in_the_list(cpo, emsp, deliver, moment):
    push(cpo, "TARIFF1", "TARIFF2")
    born_before()
    cpo.delete(TARIFF1)
    again = examples.tariff(last_updated=moment)

    assert cpo.put(TARIFF1, again).codes == (201, 1000)
    deliver()

    assert cpo.get(TARIFF1).data == again
    assert listed(emsp) == ["TARIFF2", "TARIFF1"]
    assert Tariff.objects.get(object_id="TARIFF1").deleted_at is None


def test_a_reader_that_follows_the_links_meets_what_came_again(cpo, emsp):
    push(cpo, "TARIFF1", "TARIFF2", "TARIFF3")
    born_before()
    page = emsp.get("sender/tariffs?limit=2")

    cpo.delete(TARIFF1)
    cpo.put(TARIFF1, examples.tariff())

    assert [tariff["id"] for tariff in emsp.crawl(page.next_path)] == ["TARIFF3", "TARIFF1"]


# --------------------------------------------------------------------------------------- DELETE to the receivers
@pytest.mark.row("TAR-04", "HUB-13")
def test_a_delete_goes_to_whoever_may_see_tariffs(cpo, emsp, stranger, rival, deliver):
    push(cpo, "TARIFF1")
    deliver()

    cpo.delete(TARIFF1)
    deliver()

    assert [(call.method, call.path, call.body) for call in emsp.received()[1:]] == [("DELETE", AT_MSP, None)]
    assert sent(stranger) == [("PUT", "TARIFF1"), ("DELETE", None)]
    assert sent(rival) == []


@pytest.mark.row("TRN-16")
def test_a_delete_that_fails_is_a_delete_again(cpo, emsp, deliver):
    push(cpo, "TARIFF1")
    deliver()
    emsp.answers.append(lambda request: httpx.Response(503))
    cpo.delete(TARIFF1)
    deliver()

    emsp.answers.clear()
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())
    deliver()

    assert [call.method for call in emsp.received()] == ["PUT", "DELETE", "DELETE"]
    assert Delivery.objects.latest("pk").state == "DELIVERED"


def test_a_put_that_waits_becomes_the_delete_that_follows(cpo, emsp, deliver):
    push(cpo, "TARIFF1")
    cpo.delete(TARIFF1)
    deliver()

    assert sent(emsp) == [("DELETE", None)]


def test_a_delete_that_waits_becomes_the_put_that_follows(cpo, emsp, deliver):
    push(cpo, "TARIFF1")
    deliver()
    again = examples.tariff(last_updated=LATER)

    cpo.delete(TARIFF1)
    cpo.put(TARIFF1, again)
    deliver()

    assert [(call.method, call.body) for call in emsp.received()[1:]] == [("PUT", again)]


def test_a_put_that_failed_is_followed_by_its_delete_only(cpo, emsp, deliver):
    emsp.answers.append(lambda request: httpx.Response(503))
    push(cpo, "TARIFF1")
    deliver()

    cpo.delete(TARIFF1)
    emsp.answers.clear()
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())
    deliver()

    assert [call.method for call in emsp.received()] == ["PUT", "DELETE"]


@pytest.mark.parametrize("http_status", [404, 410])
def test_a_receiver_that_has_no_such_tariff_is_done_with(cpo, emsp, deliver, http_status):
    push(cpo, "TARIFF1")
    emsp.answers.append(lambda request: enveloped(status_code=2001, http_status=http_status))

    cpo.delete(TARIFF1)
    deliver()

    [delivery] = Delivery.objects.all()
    assert (delivery.state, delivery.tries) == ("DELIVERED", 1)


def test_a_receiver_that_refuses_a_delete_is_not_asked_again(cpo, emsp, deliver):
    push(cpo, "TARIFF1")
    deliver()
    emsp.answers.append(lambda request: enveloped(status_code=2000))

    cpo.delete(TARIFF1)
    deliver()

    assert Delivery.objects.latest("pk").state == "FAILED"


# ------------------------------------------------------------------------------------------ DELETE at one party
def test_a_direct_delete_is_relayed_and_our_copy_goes(cpo, emsp, stranger, deliver):
    push(cpo, "TARIFF1")
    deliver()
    cpo.put(TARIFF1, examples.tariff(), **to("DE*MSP"))

    answered = cpo.delete(TARIFF1, **to("DE*MSP"))
    deliver()

    assert answered.codes == (200, 1000)
    assert sent(emsp) == [("PUT", "TARIFF1"), ("PUT", "TARIFF1"), ("DELETE", None)]
    assert sent(stranger) == [("PUT", "TARIFF1")]
    assert Tariff.objects.get(audience="DE*MSP").deleted_at is not None
    assert cpo.get(TARIFF1).data == examples.tariff()


def test_a_direct_delete_of_what_only_that_party_has_needs_no_copy_of_ours(cpo, emsp):
    with nothing_changes():
        assert cpo.delete(TARIFF1, **to("DE*MSP")).codes == (200, 1000)

    assert sent(emsp) == [("DELETE", None)]


def test_a_direct_delete_of_what_that_party_has_not_takes_our_copy_along(cpo, emsp, deliver):
    """It could not be reached with the PUT, so the PUT would follow when it is back."""
    emsp.answers.append(silence)
    cpo.put(TARIFF1, examples.tariff(), **to("DE*MSP"))
    emsp.answers[0] = lambda request: enveloped(status_code=2001, http_status=404)

    answered = cpo.delete(TARIFF1, **to("DE*MSP"))
    emsp.answers.clear()
    Delivery.objects.update(next_attempt_at=timezone.now())
    deliver()

    assert answered.codes == (404, 2001)
    assert Tariff.objects.get().deleted_at is not None
    assert [call.method for call in emsp.received()] == ["PUT", "DELETE"]


def test_a_direct_delete_that_reaches_nobody_is_delivered_later(cpo, emsp, deliver):
    cpo.put(TARIFF1, examples.tariff(), **to("DE*MSP"))
    emsp.answers.append(silence)

    assert cpo.delete(TARIFF1, **to("DE*MSP")).codes == (200, 4003)
    emsp.answers.clear()
    deliver()

    assert [call.method for call in emsp.received()] == ["PUT", "DELETE", "DELETE"]


# --------------------------------------------------------------------------------------------- still in use
def at(location_id: str, *tariff_ids: str, **changes: object) -> dict[str, object]:
    connector = examples.connector(tariff_ids=list(tariff_ids))
    return examples.location(id=location_id, evses=[examples.evse(connectors=[connector])], **changes)


def warning(*location_ids: str, more: str = "") -> str:
    return (
        "deleted, but Connectors of these Locations still name it in tariff_ids: "
        f"{', '.join(location_ids)}{more}"
    )


@pytest.mark.row("TAR-05")
def test_a_tariff_in_use_is_deleted_and_its_owner_told_where_it_is_named(cpo, caplog):
    push(cpo, "TARIFF1")
    for number in range(1, 3):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", at(f"LOC{number}", "TARIFF2", "TARIFF1"))
    cpo.put("receiver/locations/NL/ABC/LOC3", at("LOC3", "TARIFF2"))

    answered = cpo.delete(TARIFF1)

    assert answered.codes == (200, 1000)
    assert answered.message == warning("LOC1", "LOC2")
    assert cpo.get(TARIFF1).codes == (404, 2001)
    assert [record.getMessage() for record in caplog.records if record.name == "tariffs.views"] == [
        "tariffs/NL/ABC/TARIFF1 is deleted, and Connectors still name it: Locations LOC1, LOC2"
    ]


@pytest.mark.row("TAR-05")
def test_three_locations_are_named_and_the_rest_is_mentioned(cpo):
    push(cpo, "TARIFF1")
    for number in range(1, 5):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", at(f"LOC{number}", "TARIFF1"))

    assert cpo.delete(TARIFF1).message == warning("LOC1", "LOC2", "LOC3", more=" and more")


@pytest.mark.row("TAR-05")
def test_a_location_of_another_owner_does_not_count(cpo, rival):
    push(cpo, "TARIFF1")
    rival.put("receiver/locations/BE/DEF/LOC1", at("LOC1", "TARIFF1", country_code="BE", party_id="DEF"))

    assert cpo.delete(TARIFF1).message == ""


@pytest.mark.row("TAR-05")
@pytest.mark.parametrize("tariff_id", ["1", "LOC1", "SOCKET", "tariff_ids", "x_old"])
def test_the_same_text_elsewhere_in_a_location_names_nothing(cpo, tariff_id):
    push(cpo, tariff_id)
    cpo.put(
        "receiver/locations/NL/ABC/LOC1",
        at("LOC1", "OTHER", x_notes=[tariff_id], x_old={"tariff_ids": [tariff_id]}),
    )

    assert cpo.delete(f"receiver/tariffs/NL/ABC/{tariff_id}").message == ""


@pytest.mark.row("TAR-05", "TYP-01")
@pytest.mark.parametrize(
    ("tariff_id", "spelling"),
    [
        ("TARIFF/1", "TARIFF/1"),
        ("TARIFF/1", "tariff/1"),
        ("TARIFF/1", "TARIFF\\/1"),
        ("a+b (50%) [x]", "A+B (50%) [X]"),
        ('{"a": "b\\c"}', '{\\"a\\": \\"b\\\\c\\"}'),
    ],
)
def test_a_tariff_is_found_however_its_id_is_written(cpo, tariff_id, spelling):
    path = f"receiver/tariffs/NL/ABC/{quote(tariff_id, safe='')}"
    cpo.put(path, named(tariff_id))
    body = json.dumps(at("LOC1", "A]", "?")).encode().replace(b'"?"', f'"{spelling}"'.encode())
    assert cpo.put("receiver/locations/NL/ABC/LOC1", body).codes == (201, 1000)

    assert cpo.delete(path).message == warning("LOC1")


@pytest.mark.row("TAR-05")
def test_only_locations_whose_text_has_the_id_are_looked_at(cpo, monkeypatch):
    monkeypatch.setattr(references, "LOOKED_AT", 1)
    push(cpo, "TARIFF1")
    for location_id, tariff_id in (("LOC1", "TARIFF2"), ("LOC2", "TARIFF1")):
        cpo.put(f"receiver/locations/NL/ABC/{location_id}", at(location_id, tariff_id))

    assert cpo.delete(TARIFF1).message == warning("LOC2")


@pytest.mark.row("TAR-05")
def test_whoever_deletes_at_one_party_hears_what_that_party_says(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", at("LOC1", "TARIFF1"))
    said = {"status_code": 1000, "status_message": "gone", "timestamp": LATER}
    emsp.answers.append(lambda request: httpx.Response(200, json=said))

    assert cpo.delete(TARIFF1, **to("DE*MSP")).message == "gone"


@pytest.mark.row("TAR-05")
def test_a_hub_without_locations_warns_of_nothing(cpo, settings):
    push(cpo, "TARIFF1")
    cpo.put("receiver/locations/NL/ABC/LOC1", at("LOC1", "TARIFF1"))
    settings.OCPI_MODULES = [name for name in settings.OCPI_MODULES if name != "locations"]

    assert cpo.delete(TARIFF1).message == ""
    assert Location.objects.count() == 1


# ------------------------------------------------------------------------------------------------------- pulls
def pull(partner: Partner, *, full: bool = True) -> sync.Report:
    [report] = sync.pull_platform(partner.platform.pk, "tariffs", full=full)
    return report


@pytest.mark.row("TAR-02", "PAG-14")
def test_a_full_pull_drops_what_is_gone_and_the_receivers_are_told(cpo, emsp, deliver):
    cpo.lists["tariffs"] = [named("TARIFF1"), named("TARIFF2")]
    pull(cpo)
    deliver()

    cpo.lists["tariffs"] = [named("TARIFF2")]
    pull(cpo)
    deliver()

    assert listed(emsp) == ["TARIFF2"]
    assert cpo.get(TARIFF1).codes == (404, 2001)
    assert sent(emsp) == [("PUT", "TARIFF1"), ("PUT", "TARIFF2"), ("DELETE", None)]
    assert emsp.received("DELETE")[0].path == AT_MSP


@pytest.mark.row("TAR-02")
def test_what_is_listed_again_is_new(cpo, emsp, deliver):
    cpo.lists["tariffs"] = [named("TARIFF1"), named("TARIFF2")]
    pull(cpo)
    born_before()
    cpo.lists["tariffs"] = [named("TARIFF2")]
    pull(cpo)
    deliver()

    cpo.lists["tariffs"] = [named("TARIFF1"), named("TARIFF2")]
    report = pull(cpo)
    deliver()

    assert (report.pull.new, report.pull.unchanged) == (1, 1)
    assert listed(emsp) == ["TARIFF2", "TARIFF1"]
    assert sent(emsp) == [("PUT", "TARIFF2"), ("DELETE", None), ("PUT", "TARIFF1")]


@pytest.mark.row("TAR-02")
def test_an_incremental_pull_drops_nothing(cpo, emsp):
    cpo.lists["tariffs"] = [named("TARIFF1")]
    pull(cpo)

    cpo.lists["tariffs"] = []
    pull(cpo, full=False)

    assert listed(emsp) == ["TARIFF1"]


@pytest.mark.row("TAR-02")
def test_a_pull_that_fails_drops_nothing(cpo, emsp):
    cpo.lists["tariffs"], cpo.page_size = [named("TARIFF1"), named("TARIFF2")], 1
    pull(cpo)

    cpo.answers.append(lambda request: httpx.Response(500) if "offset" in str(request.url) else None)
    report = pull(cpo)

    assert report.pull.state == "FAILED"
    assert listed(emsp) == ["TARIFF1", "TARIFF2"]


@pytest.mark.row("TAR-02")
def test_a_pull_drops_nothing_of_another_owner(cpo, rival, emsp):
    theirs = examples.tariff(country_code="BE", party_id="DEF")
    rival.put("receiver/tariffs/BE/DEF/TARIFF1", theirs)
    cpo.lists["tariffs"] = [named("TARIFF1"), named("TARIFF2")]
    pull(cpo)

    cpo.lists["tariffs"] = [named("TARIFF2")]
    pull(cpo)

    assert emsp.get("sender/tariffs").data == [theirs, named("TARIFF2")]


@pytest.mark.row("TAR-02")
def test_a_pull_drops_nothing_of_a_party_whose_list_fails(cpo):
    """A platform is asked for each of its parties."""
    cpo.platform.parties.create(country_code="LU", party_id="TWO", roles=["CPO"])
    theirs = examples.tariff(country_code="LU", party_id="TWO", id="TWO")
    named_two = {"OCPI-from-country-code": "LU", "OCPI-from-party-id": "TWO"}
    cpo.put("receiver/tariffs/LU/TWO/TWO", theirs, **named_two)
    push(cpo, "TARIFF1", "TARIFF2")

    def fail_for_two(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(500) if request.headers["OCPI-to-party-id"] == "TWO" else None

    cpo.lists["tariffs"] = [named("TARIFF2")]
    cpo.answers.append(fail_for_two)
    reports = sync.pull_platform(cpo.platform.pk, "tariffs", full=True)

    assert [report.pull.state for report in reports] == ["DONE", "FAILED"]
    assert kept() == ["TARIFF2", "TWO"]


@pytest.mark.row("TAR-02")
def test_what_an_owner_left_on_its_former_platform_is_dropped(cpo, network):
    push(cpo, "TARIFF1")
    newer = register(network, "NEW", "NL-NEW-CPO")
    Party.objects.filter(key="NL*ABC").update(platform=newer.platform)
    Party.objects.filter(key="NL*NEW").delete()

    newer.lists["tariffs"] = [named("TARIFF2")]
    pull(newer)

    assert kept() == ["TARIFF2"]


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.row("TAR-02")
def test_what_is_pushed_while_a_pull_runs_stays(cpo, emsp):
    """The list was read before the push, so that it says nothing about what was pushed."""
    push(cpo, "TARIFF1")

    def push_meanwhile(request: httpx.Request) -> None:
        if request.url.path == "/sender/tariffs":
            cpo.put(TARIFF1, examples.tariff(last_updated=LATER))
            push(cpo, "TARIFF2")

    cpo.lists["tariffs"] = [named("TARIFF3")]
    cpo.answers.append(push_meanwhile)
    pull(cpo)

    assert kept() == ["TARIFF1", "TARIFF2", "TARIFF3"]


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.row("TAR-02")
def test_what_is_pushed_while_others_are_dropped_stays(cpo, emsp, monkeypatch):
    push(cpo, "TARIFF1", "TARIFF2", "TARIFF3", "TARIFF4")
    delete = sync.store.delete

    def push_then_delete(*arguments: object) -> object:
        monkeypatch.setattr(sync.store, "delete", delete)
        cpo.put("receiver/tariffs/NL/ABC/TARIFF2", named("TARIFF2", last_updated=LATER))
        return delete(*arguments)

    monkeypatch.setattr(sync.store, "delete", push_then_delete)
    cpo.lists["tariffs"] = [named("TARIFF3"), named("TARIFF4")]
    pull(cpo)

    assert kept() == ["TARIFF2", "TARIFF3", "TARIFF4"]


@pytest.mark.row("TAR-02")
def test_what_is_deleted_while_a_pull_runs_stays_deleted(cpo, emsp, deliver):
    """The page was made before the DELETE."""
    push(cpo, "TARIFF1")
    cpo.lists["tariffs"] = [named("TARIFF1"), named("TARIFF2")]

    def delete_meanwhile(request: httpx.Request) -> None:
        if request.url.path == "/sender/tariffs":
            cpo.delete(TARIFF1)

    cpo.answers.append(delete_meanwhile)
    report = pull(cpo)

    assert (report.pull.new, report.pull.stale) == (1, 1)
    assert listed(emsp) == ["TARIFF2"]


@pytest.mark.row("TAR-02")
def test_what_the_list_has_and_the_hub_cannot_take_is_not_gone(cpo, emsp):
    cpo.lists["tariffs"] = [named("TARIFF1"), named("TARIFF2")]
    pull(cpo)

    cpo.lists["tariffs"] = [named("tariff1", elements=[]), named("TARIFF2")]
    report = pull(cpo)

    assert [refusal["id"] for refusal in report.refusals] == ["NL*ABC/tariff1"]
    assert emsp.get("sender/tariffs").data == [named("TARIFF1"), named("TARIFF2")]


# ------------------------------------------------------------------------------------------------ round trips
def element(*components: dict[str, object], **restrictions: object) -> dict[str, object]:
    return {"price_components": list(components), **({"restrictions": restrictions} if restrictions else {})}


@pytest.mark.row("TAR-12", "TYP-06")
@pytest.mark.parametrize("vat", [b"", b', "vat": 0', b', "vat": 0.0', b', "vat": 20.00', b', "vat": null'])
def test_a_vat_of_0_and_no_vat_stay_what_they_are(cpo, emsp, deliver, vat):
    component = b'{"type": "ENERGY", "price": 0.250, "step_size": 1%s}' % vat
    body = json.dumps(examples.tariff(elements=[element({"?": 1})])).encode().replace(b'{"?": 1}', component)

    assert cpo.put(TARIFF1, body).codes == (201, 1000)
    deliver()

    assert component in emsp.get("sender/tariffs").body
    expected = json.loads(component)
    assert cpo.get(TARIFF1).data["elements"][0]["price_components"] == [expected]
    assert emsp.received()[0].body["elements"][0]["price_components"] == [expected]


@pytest.mark.row("TAR-08")
@pytest.mark.parametrize("step_size", [0, 1])
def test_free_of_charge_is_a_flat_price_of_0(cpo, emsp, deliver, step_size):
    free = examples.tariff(elements=[element({"type": "FLAT", "price": 0, "step_size": step_size})])

    assert cpo.put(TARIFF1, free).codes == (201, 1000)
    deliver()

    assert emsp.received()[0].body == free
    assert Tariff.objects.get().findings == []


@pytest.mark.row("TAR-18")
@pytest.mark.parametrize("kind", ["ENERGY", "PARKING_TIME"])
@pytest.mark.parametrize("reservation", ["RESERVATION", "RESERVATION_EXPIRES"])
def test_a_reservation_costs_flat_and_time_only(cpo, kind, reservation):
    prices = [{"type": name, "price": 1, "step_size": 1} for name in ("FLAT", "TIME", kind)]

    with nothing_changes():
        refused = cpo.put(TARIFF1, examples.tariff(elements=[element(*prices, reservation=reservation)]))
    taken = cpo.put(TARIFF1, examples.tariff(elements=[element(*prices[:2], reservation=reservation)]))

    assert refused.codes == (200, 2001)
    assert refused.message == "$.elements[0].price_components[2].type: a reservation costs FLAT and TIME only"
    assert taken.codes == (201, 1000)

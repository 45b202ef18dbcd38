"""What is pushed to one party alone: kept as a copy for it, and brought when it is back."""

import json

import httpx
import pytest
from django.db import OperationalError
from django.utils import timezone

from cdrs.models import CDR
from locations.models import Location
from ocpi_hub import background
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Message
from ocpi_hub.partners.models import Platform, Status
from sessions.models import Session
from tariffs.models import Tariff
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.partners import enveloped
from tokens.models import Token

LOC1 = "receiver/locations/NL/ABC/LOC1"
EVSE1 = f"{LOC1}/EVSE1"
TARIFF1 = "receiver/tariffs/NL/ABC/TARIFF1"
SESSION1 = "receiver/sessions/NL/ABC/SESSION1"
UID = "receiver/tokens/DE/MSP/04A1B2C3D4"
LATER, LATEST = "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"
MSP, ABC = to("DE*MSP"), to("NL*ABC")


def away(partner):
    """It refuses connections until back() is called."""

    def refuse(request):
        raise httpx.ConnectError("connection refused", request=request)

    partner.answers.append(refuse)


def back(partner):
    partner.answers.clear()
    partner.calls.clear()


def due_now():
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())


def sent(partner):
    """What reached it: method, path, body and FROM."""
    return [(call.method, call.path, call.body, call.headers["OCPI-from-party-id"]) for call in partner.calls]


# ----------------------------------------------------------------------------------------------- between the two
@pytest.mark.parametrize(
    ("module", "path", "made"),
    [("locations", LOC1, examples.location()), ("tariffs", TARIFF1, examples.tariff())],
)
def test_an_object_for_one_party_is_kept_for_it_and_in_nobodys_list(
    cpo, emsp, stranger, deliver, module, path, made
):
    assert cpo.put(path, made, **MSP).codes == (200, 1000)

    model = {"locations": Location, "tariffs": Tariff}[module]
    assert list(model.objects.values_list("audience", "source")) == [("DE*MSP", cpo.platform.pk)]
    assert json.loads(model.objects.get().document) == made
    assert [partner.get(f"sender/{module}").data for partner in (cpo, emsp, stranger)] == [[], [], []]
    assert cpo.get(path).http_status == 404
    assert deliver() == 0
    assert len(emsp.calls) == 1


def test_a_token_for_one_operator_is_kept_for_it_and_in_nobodys_list(cpo, emsp, stranger, deliver):
    assert emsp.put(f"{UID}?type=APP_USER", examples.token(type="APP_USER"), **ABC).codes == (200, 1000)

    assert list(Token.objects.values_list("audience", "type")) == [("NL*ABC", "APP_USER")]
    assert [partner.get("sender/tokens").data for partner in (cpo, stranger)] == [[], []]
    assert cpo.calls[0].path == "/receiver/tokens/DE/MSP/04A1B2C3D4?type=APP_USER"
    assert deliver() == 0


def test_what_was_sent_to_all_stays_beside_what_was_sent_to_one(cpo, emsp, stranger):
    cpo.put(LOC1, examples.location(name="for all"))

    cpo.put(LOC1, examples.location(name="for one", last_updated=LATER), **MSP)

    assert sorted(Location.objects.values_list("audience", "name")) == [
        ("", "for all"),
        ("DE*MSP", "for one"),
    ]
    assert [partner.get("sender/locations").data[0]["name"] for partner in (emsp, stranger)] == [
        "for all"
    ] * 2
    assert cpo.get(LOC1).data["name"] == "for all"


def test_a_session_that_was_sent_to_its_provider_is_in_that_ones_list_alone(cpo, emsp, stranger, deliver):
    assert cpo.put(SESSION1, examples.session(), **MSP).codes == (200, 1000)

    listed = "sender/sessions?date_from=2020-01-01T00:00:00Z"
    assert emsp.get(listed).data == [examples.session()]
    assert stranger.get(listed).data == []
    assert Session.objects.get().audience == "DE*MSP"
    assert deliver() == 0


def test_a_cdr_that_was_sent_to_its_provider_is_kept(cpo, emsp, deliver):
    assert cpo.post("receiver/cdrs", examples.cdr(), **MSP).codes == (200, 1000)

    assert CDR.objects.get().audience == "DE*MSP"
    assert emsp.get("sender/cdrs").data == [examples.cdr()]
    assert deliver() == 0


def test_changes_and_deletions_follow_in_the_copy(cpo, emsp):
    cpo.put(LOC1, examples.location(), **MSP)
    cpo.patch(EVSE1, {"status": "CHARGING", "last_updated": LATER}, **MSP)
    cpo.put(TARIFF1, examples.tariff(), **MSP)
    cpo.delete(TARIFF1, **MSP)

    assert json.loads(Location.objects.get().document)["evses"][0]["status"] == "CHARGING"
    assert Tariff.objects.get().deleted_at is not None
    assert [call.method for call in emsp.calls] == ["PUT", "PATCH", "PUT", "DELETE"]


# ----------------------------------------------------------------------------- what stops a relay, and what does not
DEEP = "[" * 40 + "]" * 40


@pytest.mark.parametrize(
    "body",
    [
        examples.location(city=None),
        examples.location(country_code="BE"),
        examples.location(id="LOC2"),
        {},
        [1],
        b'{"x": 1234567890123456789012345678901234567890}',
        b'{"x": "\\u0000"}',
        f'{{"x": {DEEP}}}'.encode(),
    ],
    ids=["a field is missing", "another owner", "another id", "empty", "a list", "digits", "U+0000", "depth"],
)
def test_what_the_hub_would_refuse_is_relayed_as_it_came_and_not_kept(cpo, emsp, body):
    bodies = []
    emsp.answers.append(lambda request: bodies.append(request.content) or enveloped(http_status=201))

    with nothing_changes():
        answered = cpo.put(LOC1, body, **MSP)

    assert answered.codes == (201, 1000)
    assert bodies == [body if isinstance(body, bytes) else json.dumps(body).encode()]


def test_a_token_that_the_hub_cannot_read_is_relayed_too(cpo, emsp):
    with nothing_changes():
        assert emsp.put(UID, b'{"type": "OTHER", "uid": "\\u0000"}', **ABC).codes == (200, 1000)

    assert len(cpo.calls) == 1


def test_a_change_of_what_the_hub_does_not_have_is_relayed_and_not_kept(cpo, emsp):
    with nothing_changes():
        assert cpo.patch(LOC1, {"name": "x", "last_updated": LATER}, **MSP).codes == (200, 1000)

    assert len(emsp.calls) == 1


@pytest.mark.parametrize("body", [b"{", b"", b"<location/>", b"\xff"])
def test_what_is_no_json_is_400_and_goes_nowhere(cpo, emsp, body):
    with nothing_changes():
        assert cpo.put(LOC1, body, **MSP).codes == (400, 2000)

    assert emsp.calls == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "GET"])
def test_what_belongs_to_another_is_404_and_goes_nowhere(cpo, emsp, stranger, method):
    with nothing_changes():
        answered = stranger.request(method, LOC1, examples.location(), **MSP)

    assert answered.codes == (404, 2001)
    assert emsp.calls == []


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (enveloped(status_code=2001), (200, 2001)),
        (enveloped(status_code=2001, http_status=404), (404, 2001)),
        (enveloped(status_code=1000, http_status=400), (400, 1000)),
        (enveloped(status_code=3000), (200, 3000)),
        (httpx.Response(500), (200, 4000)),
        (httpx.Response(200, text="OK"), (200, 4000)),
    ],
)
def test_what_the_receiver_does_not_take_is_not_kept(cpo, emsp, answer, codes):
    emsp.answers.append(lambda request: answer)

    with nothing_changes(besides=(Platform,)):
        assert cpo.put(LOC1, examples.location(), **MSP).codes == codes


def test_an_older_object_is_relayed_and_the_copy_stays(cpo, emsp):
    cpo.put(LOC1, examples.location(name="new", last_updated=LATER), **MSP)

    with nothing_changes():
        assert cpo.put(LOC1, examples.location(name="old"), **MSP).codes == (200, 1000)

    assert emsp.calls[-1].body["name"] == "old"


# --------------------------------------------------------------------------------------- when nobody is there
@pytest.mark.parametrize("silence", ["refused", "offline", "timeout"])
def test_what_could_not_arrive_is_put_when_the_receiver_is_back_from_its_owner(cpo, emsp, deliver, silence):
    if silence == "offline":
        Platform.objects.filter(pk=emsp.platform.pk).update(status=Status.OFFLINE)
    elif silence == "refused":
        away(emsp)
    else:

        def time_out(request):
            raise httpx.ReadTimeout("no answer", request=request)

        emsp.answers.append(time_out)

    answered = cpo.put(LOC1, examples.location(), **MSP)
    back(emsp)
    Platform.objects.filter(pk=emsp.platform.pk).update(status=Status.CONNECTED)

    assert answered.codes == (200, 4002 if silence == "timeout" else 4003)
    assert deliver() == 1
    assert sent(emsp) == [("PUT", "/receiver/locations/NL/ABC/LOC1", examples.location(), "ABC")]
    assert emsp.calls[0].headers["OCPI-to-party-id"] == "MSP"


def test_a_change_that_could_not_arrive_is_put_as_the_state_and_not_repeated(cpo, emsp, deliver):
    cpo.put(LOC1, examples.location(), **MSP)
    away(emsp)

    assert cpo.patch(EVSE1, {"status": "CHARGING", "last_updated": LATER}, **MSP).codes == (200, 4003)
    back(emsp)
    deliver()

    state = examples.evse(status="CHARGING", last_updated=LATER)
    assert sent(emsp) == [("PUT", "/receiver/locations/NL/ABC/LOC1/EVSE1", state, "ABC")]


def test_several_changes_that_could_not_arrive_are_one_state(cpo, emsp, deliver):
    cpo.put(LOC1, examples.location(), **MSP)
    away(emsp)

    assert cpo.patch(LOC1, {"name": "x", "last_updated": LATER}, **MSP).codes == (200, 4003)
    assert cpo.patch(EVSE1, {"status": "CHARGING", "last_updated": LATEST}, **MSP).codes == (200, 4003)
    back(emsp)
    deliver()

    state = json.loads(Location.objects.get().document)
    assert (state["name"], state["evses"][0]["status"]) == ("x", "CHARGING")
    assert sent(emsp) == [("PUT", "/receiver/locations/NL/ABC/LOC1", state, "ABC")]


def test_a_deletion_that_could_not_arrive_is_sent_when_the_receiver_is_back(cpo, emsp, deliver):
    cpo.put(TARIFF1, examples.tariff(), **MSP)
    away(emsp)

    assert cpo.delete(TARIFF1, **MSP).codes == (200, 4003)
    back(emsp)
    deliver()

    assert sent(emsp) == [("DELETE", "/receiver/tariffs/NL/ABC/TARIFF1", None, "ABC")]


def test_a_cdr_that_could_not_arrive_is_posted_when_the_receiver_is_back(cpo, emsp, deliver):
    away(emsp)

    assert cpo.post("receiver/cdrs", examples.cdr(), **MSP).codes == (200, 4003)
    back(emsp)
    deliver()

    assert sent(emsp) == [("POST", "/receiver/cdrs", examples.cdr(), "ABC")]


def test_it_is_brought_to_that_party_alone(cpo, emsp, stranger, deliver):
    away(emsp)
    cpo.put(LOC1, examples.location(), **MSP)
    back(emsp)
    deliver()

    assert stranger.calls == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_could_not_arrive_and_is_unsound_is_not_kept(cpo, emsp, method):
    away(emsp)

    with nothing_changes(besides=(Platform,)):
        assert cpo.request(method, LOC1, {"name": "x", "last_updated": LATER}, **MSP).codes == (200, 4003)


# ---------------------------------------------------------------------------------- when its owner was quicker
def waiting():
    return sorted(Delivery.objects.filter(state="PENDING").values_list("key", flat=True))


@pytest.fixture
def held_back(cpo, emsp, deliver):
    """A Location with two EVSEs that MSP has, and a change of each that could not arrive."""
    both = [examples.evse(), examples.evse(uid="EVSE10")]
    cpo.put(LOC1, examples.location(evses=both), **MSP)
    away(emsp)
    for uid in ("EVSE1", "EVSE10"):
        cpo.patch(f"{LOC1}/{uid}", {"status": "CHARGING", "last_updated": LATER}, **MSP)
    deliver()
    back(emsp)
    assert waiting() == ["NL/ABC/LOC1/EVSE1", "NL/ABC/LOC1/EVSE10"]


def test_what_its_owner_delivers_himself_is_not_brought_again(cpo, emsp, deliver, held_back):
    assert cpo.put(LOC1, examples.location(last_updated=LATEST), **MSP).codes == (200, 1000)
    back(emsp)
    due_now()

    assert (waiting(), deliver(), emsp.calls) == ([], 0, [])
    assert set(Delivery.objects.values_list("state", "reason")) == {
        ("ABSORBED", "its owner delivered it directly")
    }


def test_a_part_that_its_owner_delivers_covers_that_part_only(cpo, emsp, deliver, held_back):
    cpo.put(EVSE1, examples.evse(status="BLOCKED", last_updated=LATEST), **MSP)

    assert waiting() == ["NL/ABC/LOC1/EVSE10"]


def test_a_change_of_what_waits_is_in_what_is_brought(cpo, emsp, deliver, held_back):
    cpo.patch(EVSE1, {"status": "BLOCKED", "last_updated": LATEST}, **MSP)
    back(emsp)
    due_now()
    deliver()

    assert [(call.method, call.body["status"]) for call in emsp.calls] == [
        ("PUT", "BLOCKED"),
        ("PUT", "CHARGING"),
    ]


def test_what_is_delivered_and_unsound_covers_what_waited_too(cpo, emsp, held_back):
    cpo.put(LOC1, examples.location(city=None, last_updated=LATEST), **MSP)

    assert waiting() == []


def test_what_waits_for_others_is_not_covered(cpo, emsp, stranger, deliver):
    away(emsp)
    away(stranger)
    cpo.put(LOC1, examples.location())
    deliver()
    back(emsp)

    cpo.put(LOC1, examples.location(last_updated=LATER), **MSP)

    assert list(Delivery.objects.filter(state="PENDING").values_list("to_party", flat=True)) == ["FR*XYZ"]
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body", "method"),
    [(LOC1, examples.location(), "PUT"), ("receiver/cdrs", examples.cdr(), "POST")],
    ids=["location", "cdr"],
)
def test_who_was_heard_by_the_receiver_hears_nothing_of_our_database(
    cpo, emsp, monkeypatch, path, body, method
):
    def dead(*args):
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(outbox, "cover", dead)

    assert cpo.request(method, path, body, **MSP).status_code == 1000
    assert len(emsp.calls) == 1
    background.flush()
    text = "what NL*ABC sent to DE*MSP is not kept as it should be: OperationalError"
    assert list(ErrorReport.objects.values_list("kind", "text")) == [("hub.fault", text)]

"""A CDR that is posted to its provider directly: whose Location is told, and that it arrives once."""

import httpx
import pytest
from django.utils import timezone

from cdrs.models import CDR
from ocpi_hub.exchange.models import Delivery, Message, RefusedObject
from ocpi_hub.partners.models import Platform
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.partners import enveloped

pytestmark = pytest.mark.django_db

MSP = to("DE*MSP")
HERE = "http://localhost:8000/ocpi/2.2.1/receiver/cdrs/NL/ABC/CDR1"
THERE = "https://msp.example/receiver/cdrs/77"
PATH = "receiver/cdrs/NL/ABC/CDR1"


@pytest.fixture(autouse=True)
def base_url(settings):
    settings.HUB_BASE_URL = "http://localhost:8000"


def answering(partner, *answers):
    """What it answers to the next requests, the first first; then as ever."""
    left = list(answers)

    def answer(request):
        if not left:
            return None
        next_one = left.pop(0)
        if isinstance(next_one, Exception):
            raise next_one
        return next_one

    partner.answers.append(answer)


def refused():
    return enveloped(status_code=2001)


def duplicate():
    return httpx.Response(200, json={"status_code": 2001, "status_message": "CDR already exists"})


def silence():
    return httpx.ReadTimeout("nothing came")


def cut():
    return httpx.ConnectError("connection refused")


def due_now():
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())


def posts(partner):
    return [call.body for call in partner.received("POST")]


# ------------------------------------------------------------------------------------------------ Location
@pytest.mark.row("CDR-06", "CDR-04")
@pytest.mark.parametrize(
    ("answer", "codes", "kept"),
    [
        (enveloped(http_status=201, Location=THERE), (201, 1000), THERE),
        (enveloped(Location="/receiver/cdrs/77"), (200, 1000), "/receiver/cdrs/77"),
        (enveloped(THERE), (200, 1000), THERE),
        (enveloped(THERE, Location="https://msp.example/other"), (200, 1000), "https://msp.example/other"),
        (enveloped(), (200, 1000), ""),
        (enveloped({"id": "CDR1"}), (200, 1000), ""),
        (enveloped("stored"), (200, 1000), ""),
        (enveloped(Location="https://msp.example/" + "x" * 2_000), (200, 1000), ""),
    ],
)
def test_its_location_is_the_hubs_and_the_receivers_own_is_kept(cpo, emsp, answer, codes, kept):
    answering(emsp, answer)

    answered = cpo.post("receiver/cdrs", examples.cdr(), **MSP)

    assert answered.codes == codes
    assert answered.headers["Location"] == HERE
    assert "data" not in answered.envelope
    assert (answered.headers["OCPI-from-party-id"], answered.headers["OCPI-to-party-id"]) == ("MSP", "ABC")
    assert CDR.objects.get().receiver_url == kept
    assert cpo.get(PATH).data == examples.cdr()


@pytest.mark.row("CDR-06", "CDR-05")
@pytest.mark.parametrize(
    "there",
    [
        THERE,
        "/receiver/cdrs/77",
        "https://msp.example:443/receiver/cdrs/77",
        "HTTPS://MSP.example/receiver/cdrs/77",
    ],
)
def test_get_with_its_receiver_named_goes_to_where_that_one_keeps_it(cpo, emsp, there):
    answering(emsp, enveloped(http_status=201, Location=there))
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    answering(emsp, enveloped(examples.cdr(remark="theirs")))

    answered = cpo.get(PATH, **MSP)

    assert answered.codes == (200, 1000)
    assert answered.data == examples.cdr(remark="theirs")
    call = emsp.calls[-1]
    assert (call.method, call.path) == ("GET", "/receiver/cdrs/77")
    assert (call.headers["OCPI-from-party-id"], call.headers["OCPI-to-party-id"]) == ("ABC", "MSP")


@pytest.mark.row("CDR-06")
@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/cdrs/1",
        "http://msp.example/receiver/cdrs/77",
        "https://msp.example:8443/receiver/cdrs/77",
        "https://msp.example@evil.example/cdrs/1",
        "https://user:word@msp.example/cdrs/1",
        "//evil.example/cdrs/1",
        "ftp://msp.example/cdrs/1",
        "https://[broken/cdrs",
        "https://msp.example\\@evil.example/cdrs",
    ],
)
def test_the_hub_goes_nowhere_else_with_its_token(cpo, emsp, stranger, network, elsewhere):
    network.hosts["evil.example"] = stranger.answer
    answering(emsp, enveloped(http_status=201, Location=elsewhere))
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    asked = len(emsp.calls)

    answered = cpo.get(PATH, **MSP)

    assert answered.codes == (200, 4000)
    assert answered.message == (
        "DE*MSP keeps this CDR elsewhere than at its endpoint, where the hub does not go"
    )
    assert (len(emsp.calls), stranger.calls) == (asked, [])


@pytest.mark.row("CDR-06")
def test_without_its_address_there_get_says_so(cpo, emsp):
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)

    answered = cpo.get(PATH, **MSP)

    assert answered.codes == (200, 4000)
    assert answered.message == (
        "DE*MSP has not said where it keeps this CDR; without OCPI-to the hub shows it"
    )
    assert len(emsp.calls) == 1


@pytest.mark.row("CDR-06")
def test_get_of_another_party_than_it_was_sent_to_is_404(cpo, emsp, other_emsp):
    answering(emsp, enveloped(Location=THERE))
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)

    assert cpo.get(PATH, **to("AT*PRO")).codes == (404, 2001)
    assert other_emsp.calls == []


# ----------------------------------------------------------------------------------- what is not taken
@pytest.mark.row("CDR-04")
@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (enveloped(status_code=2001, Location=THERE), (200, 2001)),
        (enveloped(status_code=2001, http_status=400), (400, 2001)),
        (duplicate(), (200, 2001)),
        (httpx.Response(500), (200, 4000)),
    ],
)
def test_what_the_receiver_refuses_is_not_kept_and_has_no_location(cpo, emsp, deliver, answer, codes):
    answering(emsp, answer)

    with nothing_changes(besides=(Platform,)):
        answered = cpo.post("receiver/cdrs", examples.cdr(), **MSP)

    assert answered.codes == codes
    assert "Location" not in answered.headers
    assert deliver() == 0
    assert cpo.get(PATH).codes == (404, 2001)


@pytest.mark.row("CDR-07")
def test_other_content_that_the_receiver_took_is_kept_for_the_operator_beside_the_first(cpo, emsp):
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    changed = examples.cdr(total_energy=21)

    answered = cpo.post("receiver/cdrs", changed, **MSP)

    assert answered.codes == (200, 1000)
    assert "Location" not in answered.headers
    assert posts(emsp) == [examples.cdr(), changed]
    assert cpo.get(PATH).data == examples.cdr()
    row = RefusedObject.objects.get()
    assert (row.object_key, row.times) == ("NL*ABC/CDR1, posted", 1)
    assert '"total_energy": 21' in row.document


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"country_code": "NL", "party_id": "ABC"}'])
def test_what_names_no_cdr_of_its_owner_goes_nowhere(cpo, emsp, body):
    with nothing_changes():
        assert cpo.post("receiver/cdrs", body, **MSP).status_code in (2000, 2001)

    assert emsp.calls == []


@pytest.mark.row("CDR-02")
def test_what_only_the_hub_would_refuse_is_relayed_and_not_kept(cpo, emsp):
    with nothing_changes():
        answered = cpo.post("receiver/cdrs", examples.cdr(currency="EURO"), **MSP)

    assert answered.codes == (200, 1000)
    assert posts(emsp) == [examples.cdr(currency="EURO")]


# ------------------------------------------------------------------------------------- it arrives once
@pytest.mark.row("CDR-03")
@pytest.mark.parametrize(("failure", "code"), [(silence(), 4002), (cut(), 4003)])
def test_an_unreachable_receiver_gets_it_later_and_the_sender_is_told(cpo, emsp, deliver, failure, code):
    answering(emsp, failure, httpx.Response(503))

    answered = cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    deliver()
    due_now()
    deliver()

    assert answered.codes == (200, code)
    assert "Location" not in answered.headers
    assert posts(emsp) == [examples.cdr()] * 3
    assert {call.path for call in emsp.calls} == {"/receiver/cdrs"}
    assert {call.headers["OCPI-from-party-id"] for call in emsp.calls} == {"ABC"}
    assert Delivery.objects.get().state == "DELIVERED"
    assert cpo.get(PATH).data == examples.cdr()


@pytest.mark.row("CDR-03")
@pytest.mark.parametrize("expanded", [False, True])
def test_posted_again_it_is_not_delivered_a_second_time(cpo, emsp, deliver, expanded):
    answering(emsp, cut(), *([httpx.Response(503)] if expanded else []))
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    if expanded:
        deliver()
    before = len(posts(emsp))

    answered = cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    due_now()
    deliver()

    assert answered.codes == (200, 1000)
    assert answered.headers["Location"] == HERE
    assert len(posts(emsp)) == before + 1
    assert Message.objects.count() == 1
    assert [row.state for row in Delivery.objects.all()] == (["ABSORBED"] if expanded else [])


@pytest.mark.row("CDR-03")
def test_posted_again_in_vain_it_waits_once(cpo, emsp, deliver):
    answering(emsp, cut(), cut())

    assert cpo.post("receiver/cdrs", examples.cdr(), **MSP).status_code == 4003
    assert cpo.post("receiver/cdrs", examples.cdr(), **MSP).status_code == 4003
    deliver()

    assert len(posts(emsp)) == 3
    assert Delivery.objects.get().state == "DELIVERED"


@pytest.mark.row("CDR-03")
def test_a_receiver_that_had_it_and_did_not_say_so_has_it(cpo, emsp, deliver):
    """The relayed POST arrived, its answer did not; the refusal of the next one is the answer."""
    answering(emsp, silence(), duplicate())
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)

    deliver()

    assert Delivery.objects.get().state == "DELIVERED"
    assert Delivery.objects.get().tries == 1


@pytest.mark.row("CDR-03")
@pytest.mark.parametrize("expanded", [False, True])
def test_so_it_has_when_the_sender_itself_asks_again(cpo, emsp, deliver, expanded):
    answering(emsp, silence(), *([httpx.Response(503)] if expanded else []), duplicate())
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    if expanded:
        deliver()

    answered = cpo.post("receiver/cdrs", examples.cdr(), **MSP)
    due_now()

    assert answered.codes == (200, 1000)
    assert answered.message == "CDR already exists"
    assert answered.headers["Location"] == HERE
    assert deliver() == 0
    assert [row.state for row in Delivery.objects.all()] == (["ABSORBED"] if expanded else [])


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("CDR exists", "DELIVERED"),
        ("Duplicate CDRs are not allowed", "DELIVERED"),
        ("this CDR was sent twice", "DELIVERED"),
        ("CDR with this id already exists", "DELIVERED"),
        ("CDR1 is already known here", "DELIVERED"),
        ("Already been processed", "DELIVERED"),
        ("we already have it", "DELIVERED"),
        ("we have this CDR already", "DELIVERED"),
        ("we have it already", "DELIVERED"),
        ("known  already", "DELIVERED"),
        ("the contract has expired already", "FAILED"),
        ("the billing period is already closed", "FAILED"),
        ("Location was already removed", "FAILED"),
        ("token does not exist", "FAILED"),
        ("No such Location exists", "FAILED"),
        ("the token doesn't exist", "FAILED"),
        ("unknown: tariff must exist", "FAILED"),
        ("total_cost is wrong", "FAILED"),
    ],
)
def test_only_what_says_that_it_is_there_counts_as_that(cpo, emsp, deliver, message, state):
    answering(emsp, silence(), httpx.Response(200, json={"status_code": 2001, "status_message": message}))
    cpo.post("receiver/cdrs", examples.cdr(), **MSP)

    deliver()

    assert Delivery.objects.get().state == state


def test_a_cdr_in_the_hub_is_posted_directly_all_the_same_and_then_no_more(cpo, emsp, deliver):
    cpo.post("receiver/cdrs", examples.cdr())

    assert cpo.post("receiver/cdrs", examples.cdr(), **MSP).headers["Location"] == HERE
    assert deliver() == 0
    assert posts(emsp) == [examples.cdr()]
    assert CDR.objects.count() == 1

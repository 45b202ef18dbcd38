"""A list of journeys says what each has come to: how it stands now, and not what came first."""

import re

import httpx
import pytest
from django.utils import timezone

from ocpi_hub import background
from ocpi_hub.exchange.deliveries import deadletters
from ocpi_hub.exchange.journeys import endings, journeypages
from ocpi_hub.exchange.journeys.journey import journey
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import DeadLetter, Delivery, Message
from tests import examples
from tests.conformance.calls import to
from tests.partners import enveloped, register

pytestmark = pytest.mark.django_db
LOC1 = "receiver/locations/NL/ABC/LOC1"
S1 = "receiver/sessions/NL/ABC/S1"
IDS = {"X-Correlation-ID": "c1"}
UID = "04A1B2C3D4"


def entry(correlation_id="c1"):
    background.flush()
    (found,) = journeypages.entries([correlation_id])
    return found.outcome, found.tone


def fault(request):
    return enveloped(status_code=3000)


def refuse(request):
    return enveloped(status_code=2001)


def try_again(deliver):
    Delivery.objects.filter(state="PENDING").update(next_attempt_at=timezone.now())
    deliver()


# ------------------------------------------------------------------------------------------------ deliveries
def test_what_no_worker_has_seen_waits(cpo, emsp):
    cpo.put(S1, examples.session(id="S1"), **IDS)

    assert entry() == ("waits for a worker to see whom it is for", "waiting")


def test_what_was_delivered_by_a_later_try_is_delivered(cpo, emsp, deliver):
    emsp.answers.append(fault)
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()
    assert entry() == ("waiting for DE*MSP: HTTP 200, 3000: no message", "waiting")

    emsp.answers.clear()
    try_again(deliver)

    assert entry() == ("delivered to DE*MSP", "good")


def test_what_is_given_up_says_for_whom_and_why(cpo, emsp, deliver):
    emsp.answers.append(refuse)
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()

    assert entry() == ("given up for DE*MSP: HTTP 200, 2001: no message", "bad")


def test_what_was_discarded_says_by_whom_in_the_list_and_on_the_page(cpo, emsp, deliver):
    emsp.answers.append(refuse)
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()
    deadletters.discard(DeadLetter.objects.all(), by="ann", chosen="all", note="a test charge")

    assert entry() == ("not sent to DE*MSP: discarded by ann: a test charge", "plain")
    (delivery,) = [
        step for step in journeypages.panel(journey("c1"), False).steps if step.said.what == "delivery"
    ]
    assert re.fullmatch(r"not sent at .* UTC: discarded by ann: a test charge", delivery.said.outcome)


def test_of_many_partners_the_one_that_needs_somebody_is_named(cpo, emsp, network, deliver):
    other = register(network, "OTH", "DE-OTH-EMSP")
    cpo.put(LOC1, examples.location(), **IDS)
    deliver()
    assert entry() == ("delivered to DE*MSP, DE*OTH", "good")

    other.answers.append(refuse)
    cpo.put(LOC1, examples.location(name="renamed", last_updated="2026-03-02T00:00:00Z"), **IDS)
    deliver()

    assert entry() == ("given up for DE*OTH: HTTP 200, 2001: no message", "bad")


def test_of_very_many_partners_their_number_is_told(cpo, emsp, network, deliver):
    others = [register(network, f"P{number}", f"DE-P{number}X-EMSP") for number in range(4)]
    for other in others:
        other.answers.append(refuse)
    cpo.put(LOC1, examples.location(), **IDS)
    deliver()

    text, tone = entry()

    assert re.fullmatch(
        r"given up for 4 of 5 partners, the last DE\*P\dX: HTTP 200, 2001: no message", text
    ), text
    assert tone == "bad"


def test_what_a_newer_delivery_covers_is_not_sent(cpo, emsp):
    cpo.put(S1, examples.session(id="S1"), **IDS)
    outbox.expand()
    Delivery.objects.update(state="ABSORBED", reason="a newer delivery carries the same part")

    assert entry() == ("not sent to DE*MSP: a newer delivery carries the same part", "plain")


def test_of_very_many_changes_the_newest_count(cpo, emsp, deliver, monkeypatch):
    monkeypatch.setattr(endings, "MOST_MESSAGES", 1)
    emsp.answers.append(refuse)
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()
    emsp.answers.clear()
    cpo.put("receiver/sessions/NL/ABC/S2", examples.session(id="S2"), **IDS)
    deliver()

    assert entry() == ("delivered to DE*MSP", "good")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([fault, None], ("HTTP 201, 1000", "good")),
        ([fault, fault], ("hub → DE*MSP, from NL*ABC: HTTP 200, 3000", "bad")),
    ],
)
def test_where_the_deliveries_are_past_their_time_the_last_try_counts(cpo, emsp, deliver, answers, said):
    cpo.put(S1, examples.session(id="S1"), **IDS)
    for answer in answers:
        emsp.answers[:] = [answer] if answer else []
        try_again(deliver)
    Delivery.objects.all().delete()
    Message.objects.all().delete()

    assert entry() == said


# ------------------------------------------------------------------------------------------------- questions
@pytest.mark.parametrize("verdict", ["ALLOWED", "BLOCKED", "NO_CREDIT"])
def test_an_authorization_says_what_was_decided_in_the_list_and_on_the_page(cpo, emsp, verdict):
    emsp.put(f"receiver/tokens/DE/MSP/{UID}", examples.token(whitelist="NEVER"))
    emsp.answers.append(lambda request: enveloped({"allowed": verdict, "token": examples.token()}))

    cpo.post(f"sender/tokens/{UID}/authorize", None, **IDS, **to("DE*MSP"))

    assert entry() == (f"HTTP 200, 1000: {verdict}", "good")
    came, went = journeypages.panel(journey("c1"), False).steps
    assert came.said.outcome == went.said.outcome == f"HTTP 200, 1000: {verdict}"


def test_a_command_says_what_has_become_of_it(cpo, emsp, deliver):
    given = []
    cpo.answers.append(
        lambda request: given.append(request.read()) or enveloped({"result": "ACCEPTED", "timeout": 9})
    )
    cpo.put(S1, examples.session(id="S1"))
    command = examples.stop_session(session_id="S1", response_url="https://msp.example/results/a-secret-end")
    emsp.post("receiver/commands/STOP_SESSION", command, **IDS)
    assert entry()[0].startswith("answered ACCEPTED; no result yet")

    address = re.search(rb'"response_url":"[^"]*(/ocpi/[^"]*)"', given[0])[1].decode()
    cpo.post(address, {"result": "EVSE_INOPERATIVE"}, **IDS)
    deliver()
    assert re.fullmatch(r"answered ACCEPTED; result EVSE_INOPERATIVE at .* UTC", entry()[0])

    Delivery.objects.filter(module="callbacks").update(state="FAILED", reason="HTTP 500")
    assert entry() == ("given up for DE*MSP: HTTP 500", "bad")


def test_a_relay_that_failed_says_on_whose_side(cpo, emsp):
    def hang(request):
        raise httpx.ReadTimeout("silence", request=request)

    emsp.answers.append(hang)

    cpo.get(f"sender/tokens/{UID}", **IDS, **to("DE*MSP"))

    text, tone = entry()
    assert (text.startswith("hub → DE*MSP, from NL*ABC: no answer: "), tone) == (True, "bad")


def test_of_several_requests_under_one_id_the_last_one_counts(cpo, emsp):
    cpo.get(S1, **IDS)
    cpo.get("sender/tokens?limit=1", **IDS)

    assert entry() == ("HTTP 200, 1000", "good")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ('{"data":{"allowed":"BLOCKED"}}', "BLOCKED"),
        ('{"data":{"result":"REJECTED"}}', "REJECTED"),
        ('{"data":{"allowed":7}}', ""),
        ('{"data":["ALLOWED"]}', ""),
        ('{"data":{"allowed":"' + "x" * 99 + '"}}', "x" * 40),
        ('["ALLOWED"]', ""),
        ("<html>", ""),
        ("", ""),
    ],
)
def test_a_verdict_is_read_from_whatever_comes_back(answer, verdict):
    assert endings.words.verdict_in(answer) == verdict


def test_a_list_takes_the_same_number_of_queries_however_long_it_is(
    cpo, emsp, deliver, django_assert_max_num_queries
):
    for number in range(5):
        cpo.put(
            f"receiver/sessions/NL/ABC/S{number}",
            examples.session(id=f"S{number}"),
            **{"X-Correlation-ID": f"c{number}"},
        )
        cpo.get(f"receiver/sessions/NL/ABC/T{number}", **{"X-Correlation-ID": f"d{number}"})
    deliver()
    background.flush()

    with django_assert_max_num_queries(6):
        assert len(journeypages.entries([f"{kind}{number}" for kind in "cd" for number in range(5)])) == 10

"""Dead letters: what is given up is kept, tried again once, settled by what arrives later, or discarded."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.utils import timezone

from ocpi_hub.exchange.calls.verdicts import cause, cause_of_silence
from ocpi_hub.exchange.deliveries import deadletters, lanes
from ocpi_hub.exchange.housekeeping import partitions
from ocpi_hub.exchange.messages import doorbell, outbox
from ocpi_hub.exchange.models import (
    Callback,
    DeadLetter,
    DeadLetterAction,
    DeadLetterEntry,
    Delivery,
    Message,
)
from ocpi_hub.partners.models import Endpoint, Platform
from ocpi_hub.protocol import client
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.headers import MessageIDs
from tests import examples
from tests.partners import enveloped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = "2026-03-01T09:00:00Z"
LOC1, EVSE1 = "receiver/locations/NL/ABC/LOC1", "receiver/locations/NL/ABC/LOC1/EVSE1"


def refuse(status_code=2001, message="no such tariff"):
    return lambda request: httpx.Response(
        200, json={"status_code": status_code, "status_message": message, "timestamp": LATER}
    )


def push(cpo, *object_ids):
    for object_id in object_ids:
        assert (
            cpo.put(f"receiver/locations/NL/ABC/{object_id}", examples.location(id=object_id)).status_code
            == 1000
        )


@pytest.fixture
def given_up(cpo, emsp, deliver):
    """LOC1 and LOC2, refused by the provider, who is well again since."""
    emsp.answers.append(refuse())
    push(cpo, "LOC1", "LOC2")
    deliver()
    emsp.answers.clear()
    emsp.calls.clear()
    return DeadLetter.objects.order_by("id")


def letters():
    return list(DeadLetter.objects.order_by("id").values_list("path", "state", "closing"))


def retry(rows=None, by="operator"):
    rows = DeadLetter.objects.all() if rows is None else rows
    return deadletters.retry(rows, by=by, chosen="all")


def letter_of_a_part(whole):
    """One of an EVSE of the location of that letter; its delivery."""
    part = Delivery.objects.create(
        platform=whole.platform, message=whole.delivery.message, module="locations", row_id=whole.delivery.row_id,
        key="NL/ABC/LOC1/EVSE1", parent_key="NL/ABC/LOC1", path="NL/ABC/LOC1/EVSE1", to_party="DE*MSP", state="FAILED",
    )  # fmt: skip
    DeadLetter.objects.create(
        delivery=part, platform=whole.platform, module="locations", key=part.key, parent_key=part.parent_key,
        path=part.path, to_party="DE*MSP", cause="timed out", reason="", tries=1, given_up_at=NOW,
    )  # fmt: skip
    return part


# ------------------------------------------------------------------------------------------- what is kept
def test_what_is_given_up_is_kept_with_its_reason_the_request_and_the_answer(cpo, emsp, deliver):
    emsp.answers.append(refuse())
    push(cpo, "LOC1")
    before = timezone.now()
    deliver()

    letter = DeadLetter.objects.get()
    assert (letter.platform, letter.to_party, letter.module, letter.path) == (
        emsp.platform,
        "DE*MSP",
        "locations",
        "NL/ABC/LOC1",
    )
    assert (letter.cause, letter.reason) == ("refused 2001", "HTTP 200, 2001: no such tariff")
    assert (letter.method, letter.url) == ("PUT", "https://msp.example/receiver/locations/NL/ABC/LOC1")
    assert json.loads(letter.request) == examples.location()
    assert (letter.http_status, letter.status_code) == (200, 2001)
    assert json.loads(letter.answer)["status_message"] == "no such tariff"
    assert (letter.tries, letter.times, letter.state) == (1, 1, "OPEN")
    assert before <= letter.given_up_at <= timezone.now()
    assert letter.delivery.state == "FAILED"


def answer(http_status, status_code=None):
    body = (
        b"" if status_code is None else json.dumps({"status_code": status_code, "timestamp": LATER}).encode()
    )
    return Answer(http_status, httpx.Headers(), body, 0.1)


@pytest.mark.parametrize(
    ("http_status", "status_code", "text"),
    [
        (200, 1000, ""),
        (200, 2001, "refused 2001"),
        (400, 2001, "refused 2001"),
        (404, 2003, "refused 2003"),
        (404, None, "HTTP 404"),
        (500, 3000, "HTTP 500"),
        (500, 1000, "HTTP 500"),
        (200, 3000, "answered 3000"),
        (200, 4002, "answered 4002"),
        (200, 10**9, "no OCPI envelope"),
        (200, None, "no OCPI envelope"),
        (401, 2001, "token unknown"),
        (403, None, "HTTP 403"),
        (302, None, "HTTP 302"),
    ],
)
def test_all_noes_of_a_kind_have_the_same_cause(http_status, status_code, text):
    assert cause(answer(http_status, status_code)) == text


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (client.Unreachable, "unreachable"),
        (client.TimedOut, "timed out"),
        (client.RefusedAddress, "address refused"),
        (client.AnswerTooLarge, "answer too large"),
        (client.CutOff, "connection cut"),
        (client.BrokenAnswer, "answer unreadable"),
        (client.CallFailed, "no answer"),
    ],
)
def test_so_have_all_silences_of_a_kind(failure, text):
    assert cause_of_silence(failure("whatever it says")) == text


def test_nothing_of_a_drivers_token_is_in_a_dead_letter(cpo, emsp, deliver, caplog):
    cpo.answers.append(refuse(message="token 04A1B2C3D4 of contract DE8ACC12E46L89 is unknown, token-of-abc"))
    emsp.put(
        "receiver/tokens/DE/MSP/04A1B2C3D4", examples.token(uid="04A1B2C3D4", contract_id="DE8ACC12E46L89")
    )
    caplog.set_level("INFO")
    deliver()

    letter = DeadLetter.objects.get()
    assert letter.reason == "HTTP 200, 2001: token *** of contract *** is unknown, ***"
    assert json.loads(letter.request)["uid"] == "***"
    told = [letter.reason, letter.request, letter.answer, letter.delivery.reason, *caplog.messages]
    for secret in ("04A1B2C3D4", "DE8ACC12E46L89", "token-of-abc"):
        assert not [text for text in told if secret in text]


def test_a_long_answer_is_cut(cpo, emsp, deliver):
    emsp.answers.append(lambda request: httpx.Response(404, text="é" * 20_000 + "\x00"))
    push(cpo, "LOC1")
    deliver()

    kept = DeadLetter.objects.get().answer
    assert kept == "é" * 16_000 + "… and 4000 characters more"


def test_a_partner_without_the_interface_is_a_cause_without_a_request(cpo, emsp, deliver):
    push(cpo, "LOC1")
    outbox.expand()
    Endpoint.objects.filter(platform=emsp.platform).delete()
    deliver()

    letter = DeadLetter.objects.get()
    assert (letter.cause, letter.method, letter.request, letter.http_status) == ("no endpoint", "", "", None)


def test_a_cdr_that_is_refused_is_a_dead_letter_and_is_tried_again_as_it_is(cpo, emsp, deliver):
    emsp.answers.append(refuse())
    cpo.post("receiver/cdrs", examples.cdr())
    deliver()
    (letter,) = DeadLetter.objects.all()
    assert (letter.module, letter.cause, letter.state) == ("cdrs", "refused 2001", "OPEN")

    emsp.answers.clear()
    emsp.calls.clear()
    retry()
    deliver()

    assert [(call.method, call.body["id"]) for call in emsp.received()] == [("POST", examples.cdr()["id"])]
    assert letters()[0][1] == "SETTLED"


def test_a_part_that_is_given_up_twice_has_one_letter(cpo, emsp, given_up, deliver):
    emsp.answers.append(refuse(2003, "still no"))
    push(cpo, "LOC1")
    deliver()

    first, second = DeadLetter.objects.order_by("id")
    assert (first.path, first.cause, first.times, first.reason) == (
        "NL/ABC/LOC1",
        "refused 2003",
        2,
        "HTTP 200, 2003: still no",
    )
    assert second.times == 1
    older, _, newer = Delivery.objects.filter(platform=emsp.platform).order_by("id")
    assert first.delivery == newer
    assert (older.state, older.reason) == (
        "ABSORBED",
        f"a newer delivery of the same part was given up: delivery {newer.pk}",
    )


def test_a_whole_that_is_given_up_takes_the_letters_of_its_parts(cpo, emsp, given_up, deliver):
    part = letter_of_a_part(given_up.first())
    emsp.answers.append(refuse())
    push(cpo, "LOC1")
    deliver()

    newer = Delivery.objects.filter(platform=emsp.platform).latest("id")
    assert letters() == [
        ("NL/ABC/LOC1", "OPEN", ""),
        ("NL/ABC/LOC2", "OPEN", ""),
        ("NL/ABC/LOC1/EVSE1", "SETTLED", f"the whole is given up, delivery {newer.pk}"),
    ]
    part.refresh_from_db()
    assert (part.state, part.reason) == ("ABSORBED", f"the whole was given up: delivery {newer.pk}")


# ----------------------------------------------------------------------------------------------- retrying
def test_a_retried_letter_sends_the_present_state_once_and_is_settled(cpo, emsp, given_up, deliver):
    newer = examples.location(name="Now", last_updated=LATER)
    cpo.put(LOC1, newer)
    Message.objects.filter(expanded_at=None).update(expanded_at=NOW)  # nobody but the letter brings it

    assert str(retry()) == "2 are being tried again"
    deliver()

    assert [(call.method, call.body) for call in emsp.received()] == [
        ("PUT", newer),
        ("PUT", examples.location(id="LOC2")),
    ]
    first, second = Delivery.objects.filter(platform=emsp.platform).order_by("id")
    assert letters() == [
        ("NL/ABC/LOC1", "SETTLED", f"delivered since, by delivery {first.pk}"),
        ("NL/ABC/LOC2", "SETTLED", f"delivered since, by delivery {second.pk}"),
    ]
    assert (first.state, first.tries) == ("DELIVERED", 1)


def test_a_letter_that_is_retried_twice_is_sent_once(emsp, given_up, deliver):
    assert retry().again == 2
    assert retry().again == 0
    deliver()

    assert len(emsp.received()) == 2
    assert DeadLetterAction.objects.count() == 1


def test_a_letter_whose_part_waits_already_is_covered_by_that_delivery(cpo, emsp, given_up, deliver):
    push(cpo, "LOC1")
    outbox.expand()
    waiting = Delivery.objects.get(platform=emsp.platform, state="PENDING")

    assert str(retry()) == "1 are being tried again, 1 are covered by a delivery that waits already"
    assert letters()[0] == ("NL/ABC/LOC1", "RETRYING", f"covered by delivery {waiting.pk}")
    deliver()

    assert Counter(call.path.rpartition("/")[2] for call in emsp.received()) == {"LOC1": 1, "LOC2": 1}
    assert letters()[0] == ("NL/ABC/LOC1", "SETTLED", f"delivered since, by delivery {waiting.pk}")
    assert Counter(DeadLetterEntry.objects.values_list("became", flat=True)) == {"AGAIN": 1, "COVERED": 1}


def test_a_letter_of_a_part_is_covered_by_the_whole_that_is_retried_with_it(cpo, emsp, given_up, deliver):
    letter_of_a_part(given_up.first())

    assert retry()[:3] == (2, 1, 0)
    deliver()

    assert len(emsp.received()) == 2
    assert {state for _, state, _ in letters()} == {"SETTLED"}


def test_a_letter_that_fails_again_is_open_again_and_counts(emsp, given_up, deliver):
    emsp.answers.append(refuse(2002, "not enough"))
    retry()
    deliver()

    assert list(given_up.values_list("state", "times", "cause")) == [("OPEN", 2, "refused 2002")] * 2
    assert retry().again == 2


def test_letters_of_a_partner_that_left_stay_and_may_be_discarded(emsp, given_up):
    Platform.objects.filter(pk=emsp.platform.pk).update(token_cipher="")

    assert retry() == deadletters.Retried(left=2)
    assert [state for _, state, _ in letters()] == ["OPEN", "OPEN"]
    assert DeadLetterAction.objects.count() == 0
    assert deadletters.discard(DeadLetter.objects.all(), "operator", "all", "they went out of business") == 2


@pytest.fixture
def refused_result(cpo, emsp, deliver):
    """A result that the provider refused, who is well again since."""
    callback = Callback.objects.create(
        module="commands", kind="START_SESSION", secret="s", requester=emsp.platform, from_party="DE*MSP",
        receiver=cpo.platform, to_party="NL*ABC", response_url="https://msp.example/receiver/results/1",
        correlation_id="c", expires_at=timezone.now() + timedelta(hours=1), results=1,
    )  # fmt: skip
    emsp.answers.append(refuse())
    outbox.publish_result(callback, b'{"result":"ACCEPTED"}', MessageIDs.new())
    deliver()
    emsp.answers.clear()
    emsp.calls.clear()
    return callback


def test_a_retried_result_sends_its_body(emsp, deliver, refused_result):
    assert retry().again == 1
    deliver()

    assert [(call.method, call.path, call.body) for call in emsp.calls] == [
        ("POST", "/receiver/results/1", {"result": "ACCEPTED"})
    ]


def test_a_result_that_nobody_waits_for_any_more_settles_its_letter(emsp, deliver, refused_result):
    refused_result.delete()
    retry()
    deliver()

    assert emsp.calls == []
    assert [(state, closing) for _, state, closing in letters()] == [
        ("SETTLED", "nobody waits for this result any more")
    ]


def test_retrying_rings_for_the_workers(given_up, monkeypatch):
    rung = []
    monkeypatch.setattr(doorbell, "ring", lambda: rung.append("ring"))
    retry()

    assert rung == ["ring"]


# ------------------------------------------------------------------------------------- settled by themselves
def test_a_newer_delivery_of_the_part_settles_the_letter(cpo, emsp, given_up, deliver):
    push(cpo, "LOC1")
    deliver()

    older, _, newer = Delivery.objects.filter(platform=emsp.platform).order_by("id")
    assert letters() == [
        ("NL/ABC/LOC1", "SETTLED", f"delivered since, by delivery {newer.pk}"),
        ("NL/ABC/LOC2", "OPEN", ""),
    ]
    assert (older.state, older.reason) == ("ABSORBED", f"delivered since, by delivery {newer.pk}")
    assert retry().again == 1


def test_a_change_of_what_was_given_up_is_sent_as_the_state_so_that_nothing_is_missing(
    cpo, emsp, given_up, deliver
):
    cpo.patch(LOC1, {"name": "Now", "last_updated": LATER})
    deliver()

    (call,) = emsp.received()
    assert (call.method, call.body) == ("PUT", examples.location(name="Now", last_updated=LATER))
    assert letters()[0][1] == "SETTLED"


def test_what_waits_when_its_object_is_given_up_is_sent_as_the_state(cpo, emsp, deliver):
    push(cpo, "LOC1")
    outbox.expand()
    lane = lanes._acquire(emsp.platform.pk)
    (claimed,) = lanes.claim(lane, timezone.now())
    cpo.patch(LOC1, {"name": "Now", "last_updated": LATER})
    outbox.expand()
    Delivery.objects.filter(state="PENDING").update(exact=True)
    result = lanes.Result(lanes.Verdict.PERMANENT, "no", "PUT", "https://msp.example", cause="refused 2001")
    lanes.flush(lane, [lanes.Done(claimed, result, NOW)], [])

    assert list(Delivery.objects.filter(state="PENDING").values_list("exact", flat=True)) == [False]


def test_a_part_that_arrives_settles_no_letter_of_the_whole(cpo, emsp, given_up, deliver):
    cpo.put(EVSE1, examples.evse(last_updated=LATER))
    deliver()

    assert len(emsp.received()) == 1
    assert letters()[0][1] == "OPEN"


def test_a_relay_that_its_owner_brings_settles_the_letter(cpo, emsp, deliver):
    emsp.answers.append(refuse())
    emsp_named = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    deliver()
    assert [state for _, state, _ in letters()] == ["OPEN"]
    emsp.answers.clear()

    answered = cpo.put(
        "receiver/sessions/NL/ABC/SESSION1", examples.session(last_updated=LATER), **emsp_named
    )

    assert answered.status_code == 1000
    assert [(state, closing) for _, state, closing in letters()] == [
        ("SETTLED", "its owner delivered it directly")
    ]
    assert retry().again == 0


def test_a_letter_whose_retry_was_taken_back_is_open_again(emsp, given_up, deliver):
    retry()
    Delivery.objects.filter(state="PENDING").update(
        state="ABSORBED", reason="the partner ended its registration"
    )

    assert deadletters.settle_strays() == 2
    assert [state for _, state, _ in letters()] == ["OPEN", "OPEN"]
    assert {row.delivery.state for row in given_up} == {"FAILED"}
    assert deadletters.settle_strays() == 0
    assert retry().again == 2
    assert deadletters.settle_strays() == 0


# --------------------------------------------------------------------------------- discarding, and the audit
def test_a_discarded_letter_is_an_end_of_its_own_with_who_and_why(emsp, given_up):
    rows = DeadLetter.objects.filter(path="NL/ABC/LOC1")

    assert deadletters.discard(rows, "operator", "one letter", " a test object ") == 1

    first, second = given_up
    assert (first.state, first.closing) == ("DISCARDED", "discarded by operator: a test object")
    assert first.closed_at is not None
    assert (first.delivery.state, first.delivery.reason) == (
        "DISCARDED",
        "discarded by operator: a test object",
    )
    assert (second.state, second.delivery.state) == ("OPEN", "FAILED")
    assert retry().again == 1


def test_what_waits_for_a_partner_that_is_gone_is_given_up_by_hand_and_then_discarded(cpo, emsp, deliver):
    emsp.answers.append(lambda request: httpx.Response(500))
    Platform.objects.filter(pk=emsp.platform.pk).update(retry_schedule=[600])
    cpo.post("receiver/cdrs", examples.cdr())
    deliver()

    assert deadletters.give_up(Delivery.objects.filter(platform=emsp.platform), "anna", "of MSP", "gone") == 1

    letter = DeadLetter.objects.get()
    assert (letter.cause, letter.state, letter.delivery.state) == ("given up by hand", "OPEN", "FAILED")
    assert letter.reason == "given up by anna while it waited; before: HTTP 500 without an OCPI envelope"
    action = DeadLetterAction.objects.get()
    assert (action.by, action.what, action.chosen, action.note) == ("anna", "GIVE_UP", "of MSP", "gone")
    assert list(action.entries.values_list("letter_id", "became")) == [(letter.pk, "GIVEN_UP")]
    assert deadletters.discard(DeadLetter.objects.all(), "anna", "all", "out of business") == 1
    assert deadletters.give_up(Delivery.objects.all(), "anna", "all") == 0


def test_what_waits_beside_a_letter_of_the_same_part_takes_the_letter_over(cpo, emsp, given_up):
    push(cpo, "LOC1")
    outbox.expand()
    newer = Delivery.objects.get(platform=emsp.platform, state="PENDING")
    assert deadletters.give_up(Delivery.objects.filter(platform=emsp.platform), "anna", "all") == 1

    first, _ = given_up
    assert (first.delivery, first.times, first.cause) == (newer, 2, "given up by hand")
    older = Delivery.objects.filter(platform=emsp.platform).earliest("id")
    assert (older.state, older.reason) == ("ABSORBED", "a newer delivery of the same part was given up")
    assert retry().again == 2


def test_nothing_is_discarded_without_a_note(given_up):
    with pytest.raises(ValueError, match="say why"):
        deadletters.discard(DeadLetter.objects.all(), "operator", "all", "  ")

    assert [state for _, state, _ in letters()] == ["OPEN", "OPEN"]


def test_every_action_says_who_did_what_when_with_which_letters_and_why(emsp, given_up):
    first, second = given_up
    before = timezone.now()
    deadletters.retry(DeadLetter.objects.filter(pk=first.pk), "anna", "one letter", note="they mended it")
    deadletters.discard(DeadLetter.objects.all(), "ben", "all of MSP", "a test object")

    discarded, retried = DeadLetterAction.objects.all()
    assert (retried.by, retried.what, retried.chosen, retried.note) == (
        "anna",
        "RETRY",
        "one letter",
        "they mended it",
    )
    assert (discarded.by, discarded.what, discarded.chosen) == ("ben", "DISCARD", "all of MSP")
    assert before <= retried.at <= discarded.at <= timezone.now()
    (entry,) = retried.entries.all()
    assert (entry.letter_id, entry.delivery_id, entry.platform_id) == (
        first.pk,
        first.delivery_id,
        emsp.platform.pk,
    )
    assert (entry.to_party, entry.module, entry.cause, entry.became) == (
        "DE*MSP",
        "locations",
        "refused 2001",
        "AGAIN",
    )
    assert list(discarded.entries.values_list("letter_id", "became")) == [(second.pk, "DISCARDED")]


def test_audit_rows_outlive_the_letters_until_their_own_time_is_over(settings, given_up):
    deadletters.discard(DeadLetter.objects.all(), "operator", "all", "test objects")
    Delivery.objects.update(finished_at=timezone.now() - timedelta(days=settings.HUB_MESSAGE_DAYS + 1))
    partitions.delete_finished()
    assert (DeadLetter.objects.count(), DeadLetterEntry.objects.count()) == (0, 2)

    DeadLetterAction.objects.update(at=timezone.now() - timedelta(days=settings.HUB_AUDIT_DAYS + 1))
    partitions.delete_finished()
    assert (DeadLetterAction.objects.count(), DeadLetterEntry.objects.count()) == (0, 0)


def test_what_is_given_up_is_not_deleted_by_age(settings, given_up):
    Delivery.objects.update(finished_at=timezone.now() - timedelta(days=settings.HUB_MESSAGE_DAYS + 1))
    partitions.delete_finished()

    assert DeadLetter.objects.count() == 2


def test_500_dead_letters_are_retried_by_one_action_and_arrive_once_each(
    cpo, emsp, stranger, deliver, django_assert_max_num_queries
):
    ids = [f"LOC{number:03}" for number in range(500)]
    emsp.answers.append(refuse())
    push(cpo, *ids)
    while deliver():
        pass
    assert Counter(DeadLetter.objects.values_list("platform__name", "cause", "state")) == {
        ("MSP", "refused 2001", "OPEN"): 500
    }
    emsp.answers.clear()
    emsp.calls.clear()

    with django_assert_max_num_queries(10):
        retried = retry(DeadLetter.objects.filter(platform=emsp.platform, cause="refused 2001"))
    while deliver():
        pass

    assert retried[:3] == (500, 0, 0)
    assert Counter(call.body["id"] for call in emsp.received()) == dict.fromkeys(ids, 1)
    assert Counter(DeadLetter.objects.values_list("state", flat=True)) == {"SETTLED": 500}
    assert Counter(Delivery.objects.filter(platform=emsp.platform).values_list("state", "tries")) == {
        ("DELIVERED", 1): 500
    }
    (action,) = DeadLetterAction.objects.all()
    assert retried.action == action.pk
    assert set(action.entries.values_list("letter_id", "became")) == {
        (pk, "AGAIN") for pk in DeadLetter.objects.values_list("pk", flat=True)
    }


def test_a_refusal_in_another_envelope_is_a_letter_of_another_cause(cpo, emsp, deliver):
    emsp.answers.append(lambda request: enveloped(status_code=2004, http_status=400))
    push(cpo, "LOC1")
    deliver()

    assert DeadLetter.objects.get().cause == "refused 2004"

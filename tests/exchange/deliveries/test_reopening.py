"""What was discarded, and is to be sent after all."""

import pytest

from ocpi_hub.exchange.deliveries import deadletters, reopening
from ocpi_hub.exchange.models import DeadLetter, DeadLetterAction, Delivery
from tests import examples
from tests.partners import enveloped


def push(cpo, *object_ids):
    for object_id in object_ids:
        cpo.put(f"receiver/locations/NL/ABC/{object_id}", examples.location(id=object_id))


def reopen(rows=None):
    return reopening.reopen(rows or DeadLetter.objects.all(), by="ben", chosen="all", note=" by mistake ")


def states():
    return list(DeadLetter.objects.order_by("id").values_list("path", "state"))


@pytest.fixture
def discarded(cpo, emsp, deliver):
    """LOC1 and LOC2, refused by the provider, who is well again since, and discarded."""
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    push(cpo, "LOC1", "LOC2")
    deliver()
    deadletters.discard(DeadLetter.objects.all(), by="ann", chosen="all", note="a test")
    emsp.answers.clear()
    emsp.calls.clear()


def test_what_is_reopened_is_given_up_as_before_and_says_who_did_it(discarded):
    assert reopen(DeadLetter.objects.filter(path="NL/ABC/LOC1")) == 1

    assert states() == [("NL/ABC/LOC1", "OPEN"), ("NL/ABC/LOC2", "DISCARDED")]
    letter = DeadLetter.objects.get(path="NL/ABC/LOC1")
    assert (letter.closing, letter.closed_at) == ("", None)
    assert (letter.delivery.state, letter.delivery.reason) == ("FAILED", "HTTP 200, 2001: no message")
    action = DeadLetterAction.objects.first()
    assert (action.by, action.what, action.note) == ("ben", "REOPEN", "by mistake")
    assert list(action.entries.values_list("letter_id", "became")) == [(letter.pk, "REOPENED")]


def test_what_is_reopened_can_be_retried_and_arrives_once(discarded, emsp, deliver):
    reopen()
    deadletters.retry(DeadLetter.objects.all(), by="ben", chosen="all")
    deliver()

    assert len(emsp.received("PUT")) == 2
    assert [state for _, state in states()] == ["SETTLED", "SETTLED"]


def test_what_is_not_discarded_stays_as_it_is_and_leaves_no_action(discarded, emsp, cpo, deliver):
    reopen()
    before = DeadLetterAction.objects.count()

    assert reopen() == 0
    assert DeadLetterAction.objects.count() == before


def test_of_one_part_only_the_newest_is_reopened(discarded, emsp, cpo, deliver):
    emsp.answers.append(lambda request: enveloped(status_code=2002))
    cpo.put(
        "receiver/locations/NL/ABC/LOC1", examples.location(name="x", last_updated="2026-03-02T00:00:00Z")
    )
    deliver()
    assert reopen() == 1
    assert states() == [("NL/ABC/LOC1", "DISCARDED"), ("NL/ABC/LOC2", "OPEN"), ("NL/ABC/LOC1", "OPEN")]

    deadletters.discard(DeadLetter.objects.all(), by="ann", chosen="all", note="again")

    assert reopen() == 2
    assert states() == [("NL/ABC/LOC1", "DISCARDED"), ("NL/ABC/LOC2", "OPEN"), ("NL/ABC/LOC1", "OPEN")]
    assert Delivery.objects.filter(state="FAILED").count() == 2

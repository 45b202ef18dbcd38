"""Gaps are filled, waived, or close by themselves."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ocpi_hub.exchange.deliveries import deadletters, refills
from ocpi_hub.exchange.models import DeadLetter, DeadLetterAction, Delivery, Message
from ocpi_hub.partners import agreements
from ocpi_hub.partners.models import Platform
from ocpi_hub.proof import gaps
from ocpi_hub.proof.models import Gap
from sessions.models import Session
from tests import examples
from tests.partners import enveloped
from tests.proof.conftest import counted, open_gaps

IDS = [f"CDR{number}" for number in range(1, 13)]


@pytest.fixture
def lost(emsp, held, send_cdrs, reconcile):
    """Twelve CDRs were delivered; CDR2 and CDR5 are gone at the provider, and found missing."""
    send_cdrs(*IDS)
    del held["/kept/CDR2"], held["/kept/CDR5"]
    reconcile(emsp)
    emsp.calls.clear()


def by_policy(partner):
    Platform.objects.filter(pk=partner.platform.pk).update(gap_policy="FILL")
    partner.platform.refresh_from_db()


def posted(partner):
    return sorted(call.body["id"] for call in partner.received("POST"))


def test_what_was_lost_is_posted_once_more_and_the_gap_closes_when_it_arrives(emsp, held, lost, deliver):
    assert gaps.fill(Gap.objects.all(), "me") == (2, 0)
    assert gaps.fill(Gap.objects.all(), "me") == (0, 0)
    gaps.close_filled()
    assert set(Gap.objects.values_list("state", flat=True)) == {"FILLING"}

    deliver()
    gaps.close_filled()

    assert posted(emsp) == ["CDR2", "CDR5"]
    assert len(held) == 12
    assert set(Gap.objects.values_list("state", flat=True)) == {"FILLED"}
    assert Gap.objects.filter(closed_at=None).count() == 0


def test_what_is_filled_is_found_held_by_the_next_run(emsp, held, lost, deliver, reconcile):
    gaps.fill(Gap.objects.all(), "me")
    deliver()

    run = reconcile(emsp)

    assert (run.gaps, open_gaps(emsp)) == (0, {})


def test_what_turns_up_again_needs_no_filling(emsp, held, lost, reconcile):
    for cdr_id in ("CDR2", "CDR5"):
        held[f"/kept/{cdr_id}"] = examples.cdr(id=cdr_id)

    reconcile(emsp)

    assert set(Gap.objects.values_list("state", flat=True)) == {"FILLED"}
    assert emsp.received("POST") == []


def test_a_gap_that_stays_is_one_gap(emsp, held, lost, reconcile):
    reconcile(emsp)

    assert Gap.objects.count() == 2


def test_a_delivery_that_fails_leaves_the_gap_open_with_the_reason(emsp, held, lost, deliver):
    emsp.answers.insert(0, lambda request: enveloped(None, 2001) if request.method == "POST" else None)
    gaps.fill(Gap.objects.all(), "me")
    deliver()

    gaps.close_filled()

    rows = set(Gap.objects.values_list("state", "kind", "reason", "delivery_id"))
    assert rows == {("OPEN", "GIVEN_UP", "HTTP 200, 2001: no message", None)}


def test_what_is_filled_is_the_present_state_and_one_delivery_with_what_waits(
    cpo, emsp, held, deliver, reconcile
):
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    deliver()
    held["/receiver/sessions/NL/ABC/SESSION1"]["kwh"] = 1
    reconcile(emsp)
    cpo.put(
        "receiver/sessions/NL/ABC/SESSION1", examples.session(kwh=30, last_updated="2026-03-01T09:00:00Z")
    )
    emsp.calls.clear()

    gaps.fill(Gap.objects.all(), "me")
    deliver()

    assert [call.body["kwh"] for call in emsp.received("PUT")] == [30]
    assert Delivery.objects.filter(state="DELIVERED").count() == 2


def test_a_part_that_waits_goes_with_the_whole_object_that_fills_the_gap(cpo, emsp, deliver, reconcile):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    Delivery.objects.all().delete()
    reconcile(emsp)
    change = {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"}
    cpo.patch("receiver/locations/NL/ABC/LOC1/EVSE1", change)
    emsp.calls.clear()
    gaps.fill(Gap.objects.all(), "me")

    deliver()
    reconcile(emsp)

    assert [call.path for call in emsp.received()] == ["/receiver/locations/NL/ABC/LOC1"]
    assert emsp.received()[0].body["evses"][0]["status"] == "CHARGING"
    assert open_gaps(emsp) == {}


def test_filling_reaches_that_partner_alone(cpo, emsp, stranger, held, lost, deliver):
    Session.objects.all().delete()
    gaps.fill(Gap.objects.all(), "me")
    deliver()

    assert stranger.received() == []
    assert Message.objects.filter(expanded_at=None).count() == 0


def test_what_went_directly_and_has_no_message_is_filled_as_well(cpo, emsp, held, deliver, reconcile):
    to = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}
    for cdr_id in ("CDR1", "CDR2"):
        cpo.post("receiver/cdrs", examples.cdr(id=cdr_id), **to)
    del held["/kept/CDR1"]
    reconcile(emsp)
    emsp.calls.clear()

    assert gaps.fill(Gap.objects.all(), "me") == (1, 0)
    deliver()
    run = reconcile(emsp)

    (call,) = emsp.received("POST")
    assert (call.body["id"], call.headers["OCPI-from-party-id"]) == ("CDR1", "ABC")
    assert (run.gaps, open_gaps(emsp)) == (0, {})


def test_what_it_may_not_have_any_more_is_not_delivered(emsp, held, lost, deliver):
    agreements.settle("NL*ABC", "DE*MSP", "cdrs", allowed=False)

    assert gaps.fill(Gap.objects.all(), "me") == (0, 2)
    deliver()

    assert emsp.received() == []


@pytest.mark.parametrize("kind", ["LATE", "DIFFERENT"])
def test_what_a_delivery_cannot_mend_is_left(emsp, held, lost, kind):
    """What is under way arrives by itself; a CDR that is there otherwise would only be refused."""
    Gap.objects.update(kind=kind)

    assert gaps.fill(Gap.objects.all(), "me") == (0, 2)
    assert set(Gap.objects.values_list("state", flat=True)) == {"OPEN"}


def test_what_was_waived_is_no_gap_until_the_object_changes(cpo, emsp, held, deliver, reconcile):
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    deliver()
    held["/receiver/sessions/NL/ABC/SESSION1"]["kwh"] = 1
    reconcile(emsp)
    assert gaps.waive(Gap.objects.all(), "it rounds", timezone.now()) == 1

    reconcile(emsp)
    assert open_gaps(emsp) == {}
    Gap.objects.update(changed_at=timezone.now() - timedelta(days=1))
    reconcile(emsp)

    assert open_gaps(emsp) == {"sessions/NL/ABC/SESSION1": "DIFFERENT"}
    assert list(Gap.objects.order_by("id").values_list("state", "note")) == [
        ("WAIVED", "it rounds"),
        ("OPEN", ""),
    ]


def test_what_was_given_up_is_tried_again_as_the_dead_letter_that_it_is(cpo, emsp, deliver, reconcile):
    emsp.answers.append(lambda request: enveloped(None, 2001) if request.method == "PUT" else None)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    reconcile(emsp)
    emsp.answers.clear()

    assert gaps.fill(Gap.objects.all(), "me") == (1, 0)
    deliver()
    gaps.close_filled()

    assert (Gap.objects.get().state, Delivery.objects.get().state) == ("FILLED", "DELIVERED")
    letter, action = DeadLetter.objects.get(), DeadLetterAction.objects.get()
    assert (letter.state, action.by) == ("SETTLED", "me")
    assert action.chosen == f"1 gaps of locations at {emsp.platform}"


def test_what_an_operator_discarded_is_counted_as_given_up_and_no_gap(cpo, emsp, deliver, reconcile):
    emsp.answers.append(lambda request: enveloped(None, 2001) if request.method == "PUT" else None)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    deadletters.discard(DeadLetter.objects.all(), "me", "all", "it never takes them")

    reconcile(emsp)

    assert open_gaps(emsp) == {}
    assert counted(emsp, "locations") == {"accepted": 1, "given_up": 1}


# -------------------------------------------------------------------------------------------------- policy
def test_by_policy_what_is_missing_is_delivered_at_once(emsp, held, send_cdrs, reconcile, deliver):
    by_policy(emsp)
    send_cdrs(*IDS)
    del held["/kept/CDR2"]
    emsp.calls.clear()

    reconcile(emsp)
    deliver()

    assert posted(emsp) == ["CDR2"]
    assert len(held) == 12


def test_without_that_policy_it_is_listed_only(emsp, lost, deliver):
    deliver()

    assert emsp.received("POST") == []
    assert len(open_gaps(emsp)) == 2


def test_by_policy_nothing_is_sent_again_that_the_partner_refused(cpo, emsp, deliver, reconcile):
    by_policy(emsp)
    emsp.answers.append(lambda request: enveloped(None, 2001) if request.method == "PUT" else None)
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.calls.clear()

    reconcile(emsp)
    deliver()

    assert emsp.received() == []
    assert open_gaps(emsp) == {"locations/NL/ABC/LOC1": "GIVEN_UP"}


def test_by_policy_what_is_lost_again_and_again_is_sent_twice_only(emsp, held, send_cdrs, reconcile, deliver):
    by_policy(emsp)
    send_cdrs(*IDS)
    emsp.calls.clear()
    for _ in range(4):
        del held["/kept/CDR2"]
        reconcile(emsp)
        deliver()
        gaps.close_filled()
        held.setdefault("/kept/CDR2", examples.cdr(id="CDR2"))

    assert posted(emsp) == ["CDR2", "CDR2"]
    assert open_gaps(emsp) == {"cdrs/NL/ABC/CDR2": "LOST"}


def test_a_refill_of_many_is_made_by_a_fixed_number_of_queries(
    cpo, emsp, held, send_cdrs, django_assert_max_num_queries
):
    send_cdrs(*IDS)
    from cdrs.models import CDR

    rows = list(CDR.objects.values_list("pk", flat=True))
    with django_assert_max_num_queries(14):
        assert len(refills.refill(emsp.platform, CDR, rows)) == 12

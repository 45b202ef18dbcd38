"""What was accepted for a partner against what it acknowledged."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange.explaining import whynot
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Message
from ocpi_hub.partners import agreements
from ocpi_hub.partners.models import Endpoint, Platform, Status
from ocpi_hub.proof.models import Gap, Reconciliation
from tests import examples
from tests.partners import enveloped, register
from tests.proof.conftest import counted, open_gaps

PATH = "receiver/locations/NL/ABC/LOC1"
NAME = "locations/NL/ABC/LOC1"


@pytest.fixture
def pushed(cpo, emsp, deliver):
    """LOC1 is at the provider."""
    cpo.put(PATH, examples.location())
    deliver()


def fail(request):
    return enveloped(None, 2001) if request.method != "GET" else None


# --------------------------------------------------------------------------------------------- what is no gap
def test_what_was_delivered_is_acknowledged(emsp, pushed, reconcile):
    run = reconcile(emsp)

    assert (run.state, run.compared, run.gaps) == ("DONE", 1, 0)
    assert counted(emsp, "locations") == {"accepted": 1, "acknowledged": 1}
    assert Reconciliation.objects.get().day == Message.objects.get().created_at.date()


def test_what_changed_several_times_counts_once_with_its_newest_state(cpo, emsp, pushed, deliver, reconcile):
    for status in ("CHARGING", "BLOCKED"):
        cpo.patch(f"{PATH}/EVSE1", {"status": status, "last_updated": "2026-03-01T09:00:00Z"})
        deliver()

    reconcile(emsp)

    assert counted(emsp, "locations") == {"accepted": 1, "acknowledged": 1}


def test_a_part_that_the_whole_object_took_along_is_acknowledged_with_it(cpo, emsp, deliver, reconcile):
    cpo.put(PATH, examples.location())
    outbox.expand()
    cpo.patch(f"{PATH}/EVSE1", {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"})
    deliver()

    reconcile(emsp)

    assert [call.method for call in emsp.received()] == ["PUT"]
    assert counted(emsp, "locations") == {"accepted": 1, "acknowledged": 1}


def test_nothing_is_due_of_its_own_objects_nor_of_what_it_brought(cpo, stranger, deliver, reconcile):
    cpo.put(PATH, examples.location())
    own = examples.location(country_code="FR", party_id="XYZ", id="OWN")
    stranger.put(
        "receiver/locations/FR/XYZ/OWN", own, **{"OCPI-from-country-code": "FR", "OCPI-from-party-id": "XYZ"}
    )
    deliver()

    reconcile(stranger)
    reconcile(cpo)

    assert counted(stranger, "locations") == {"accepted": 1, "acknowledged": 1}
    assert counted(cpo, "locations") == {}


@pytest.mark.parametrize(
    "hindrance",
    [
        pytest.param(
            lambda platform: agreements.settle("NL*ABC", "DE*MSP", "", allowed=False), id="no agreement"
        ),
        pytest.param(
            lambda platform: Endpoint.objects.filter(platform=platform, module="locations").delete(),
            id="no endpoint",
        ),
        pytest.param(
            lambda platform: Platform.objects.filter(pk=platform.pk).update(pull_only=True), id="pull only"
        ),
        pytest.param(
            lambda platform: Platform.objects.filter(pk=platform.pk).update(status=Status.SUSPENDED),
            id="suspended",
        ),
        pytest.param(lambda platform: platform.parties.update(roles=["CPO"]), id="no role that sees it"),
        pytest.param(
            lambda platform: Platform.objects.filter(pk=platform.pk).update(
                connected_at=timezone.now() + timedelta(seconds=1)
            ),
            id="connected later",
        ),
    ],
)
def test_nothing_is_due_of_what_is_not_pushed_to_it(cpo, emsp, network, reconcile, hindrance):
    """Also where it was before, and was never sent."""
    cpo.put(PATH, examples.location())
    outbox.expand()
    Delivery.objects.all().delete()
    hindrance(emsp.platform)
    emsp.platform.refresh_from_db()

    run = reconcile(emsp)

    assert (run.state, run.gaps, counted(emsp, "locations"), open_gaps(emsp)) == ("DONE", 0, {}, {})


def test_what_was_closed_to_it_when_it_changed_is_not_due_after_the_agreement(cpo, emsp, deliver, reconcile):
    agreements.settle("NL*ABC", "DE*MSP", "", allowed=False)
    cpo.put(PATH, examples.location())
    deliver()
    Message.objects.update(created_at=F("created_at") - timedelta(minutes=5))
    agreements.settle("NL*ABC", "DE*MSP", "locations", allowed=True)

    reconcile(emsp)

    assert counted(emsp, "locations") == {}
    assert open_gaps(emsp) == {}


def test_an_object_that_was_deleted_counts_by_its_deletion(cpo, emsp, deliver, reconcile):
    cpo.put("receiver/tariffs/NL/ABC/TARIFF1", examples.tariff())
    deliver()
    emsp.answers.append(lambda request: enveloped(None, 2001) if request.method == "DELETE" else None)
    cpo.delete("receiver/tariffs/NL/ABC/TARIFF1")
    deliver()

    reconcile(emsp)

    assert counted(emsp, "tariffs") == {"accepted": 1, "given_up": 1, "gaps": 1}


def test_what_its_owner_brought_directly_is_acknowledged(cpo, emsp, reconcile):
    to = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}
    assert cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session(), **to).status_code == 1000
    assert cpo.put(PATH, examples.location(), **to).status_code == 1000

    reconcile(emsp, asks=False)

    assert Message.objects.count() == 0
    assert counted(emsp, "sessions") == {"accepted": 1, "acknowledged": 1}
    assert counted(emsp, "locations") == {"accepted": 1, "acknowledged": 1}


def test_of_two_parties_on_a_platform_both_count(cpo, network, deliver, reconcile):
    duo = register(network, "DUO", "DE-MSP-EMSP", "AT-TWO-EMSP")
    for number, (country, party) in enumerate((("DE", "MSP"), ("AT", "TWO"))):
        token = examples.session()["cdr_token"] | {"country_code": country, "party_id": party}
        session = examples.session(id=f"S{number}", cdr_token=token)
        cpo.put(f"receiver/sessions/NL/ABC/S{number}", session)
    cpo.put(PATH, examples.location())
    deliver()
    agreements.settle("NL*ABC", "AT*TWO", "sessions", allowed=False)

    reconcile(duo, asks=False)

    assert counted(duo, "sessions") == {"accepted": 1, "acknowledged": 1}
    assert counted(duo, "locations") == {"accepted": 1, "acknowledged": 1}


def test_what_changed_before_it_took_pushes_of_the_module_is_not_due(cpo, emsp, pushed, reconcile):
    Delivery.objects.all().delete()
    Endpoint.objects.filter(platform=emsp.platform).update(since=timezone.now())

    reconcile(emsp)

    assert (counted(emsp, "locations"), open_gaps(emsp)) == ({}, {})


def test_a_look_at_one_day_leaves_the_others_and_their_gaps_as_they_are(cpo, emsp, pushed, reconcile):
    Delivery.objects.all().delete()
    reconcile(emsp)
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)

    reconcile(emsp, since=today - timedelta(days=1), until=today)

    assert counted(emsp, "locations") == {"accepted": 1, "never_sent": 1, "gaps": 1}
    assert open_gaps(emsp) == {NAME: "NEVER_SENT"}


# ------------------------------------------------------------------------------------------------ what is one
def test_what_has_no_delivery_on_record_was_never_sent(emsp, pushed, reconcile):
    Delivery.objects.all().delete()

    reconcile(emsp)

    assert counted(emsp, "locations") == {"accepted": 1, "never_sent": 1, "gaps": 1}
    assert open_gaps(emsp) == {NAME: "NEVER_SENT"}


def test_what_was_given_up_is_a_gap_with_what_the_partner_said(cpo, emsp, deliver, reconcile):
    emsp.answers.append(fail)
    cpo.put(PATH, examples.location())
    deliver()

    reconcile(emsp)

    assert counted(emsp, "locations") == {"accepted": 1, "given_up": 1, "gaps": 1}
    gap = Gap.objects.get()
    assert (gap.name, gap.kind, gap.reason) == (NAME, "GIVEN_UP", "HTTP 200, 2001: no message")


def test_a_part_that_was_given_up_is_a_gap_until_the_whole_object_arrives(
    cpo, emsp, pushed, deliver, reconcile
):
    emsp.answers.append(fail)
    cpo.put(f"{PATH}/EVSE2", examples.evse(uid="EVSE2"))
    deliver()
    Delivery.objects.filter(state="PENDING").update(state="FAILED", reason="no")
    emsp.answers.clear()
    cpo.patch(f"{PATH}/EVSE1", {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"})
    deliver()

    reconcile(emsp)
    assert open_gaps(emsp) == {NAME: "GIVEN_UP"}
    cpo.put(PATH, examples.location(last_updated="2026-03-01T10:00:00Z"))
    deliver()
    reconcile(emsp)

    assert open_gaps(emsp) == {}
    assert Gap.objects.get().state == "FILLED"
    assert counted(emsp, "locations") == {"accepted": 1, "acknowledged": 1}


def test_what_waits_is_a_gap_only_when_it_waits_too_long(cpo, emsp, deliver, reconcile, settings):
    emsp.answers.append(lambda request: enveloped(None, 3000))
    cpo.put(PATH, examples.location())
    deliver()

    reconcile(emsp)
    assert (counted(emsp, "locations"), open_gaps(emsp)) == ({"accepted": 1, "waiting": 1}, {})
    Delivery.objects.update(created_at=F("created_at") - timedelta(hours=25))
    reconcile(emsp)

    assert counted(emsp, "locations") == {"accepted": 1, "waiting": 1, "gaps": 1}
    assert open_gaps(emsp) == {NAME: "LATE"}
    assert "the last try said: HTTP 200, 3000" in Gap.objects.get().reason


def test_what_no_worker_has_looked_at_yet_waits(cpo, emsp, reconcile):
    cpo.put(PATH, examples.location())

    reconcile(emsp)

    assert counted(emsp, "locations") == {"accepted": 1, "waiting": 1}


def test_a_gap_is_over_when_nothing_is_due_any_more(emsp, pushed, reconcile):
    Delivery.objects.all().delete()
    reconcile(emsp)
    agreements.settle("NL*ABC", "DE*MSP", "", allowed=False)

    reconcile(emsp)

    assert (open_gaps(emsp), Gap.objects.get().state) == ({}, "OVER")
    assert counted(emsp, "locations") == {}


def test_the_comparison_says_the_same_as_the_page_of_the_object(cpo, emsp, stranger, deliver, reconcile):
    """whynot.py answers for one object what the comparison answers for all."""
    words = {"delivered": "acknowledged", "waiting": "waiting", "held": "waiting", "given up": "given_up"}
    emsp.answers.append(lambda request: enveloped(None, 2001) if b'"BAD"' in request.read() else None)
    stranger.answers.append(lambda request: enveloped(None, 3000))
    for name in ("GOOD", "BAD"):
        cpo.put(f"receiver/locations/NL/ABC/{name}", examples.location(id=name))
    deliver()
    cpo.put("receiver/locations/NL/ABC/NEW", examples.location(id="NEW"))

    for partner in (emsp, stranger, cpo):
        reconcile(partner)
        said = [dict(whynot.answers(row)).get(partner.platform) for row in Location.objects.all()]
        expected = [words[answer.word] for answer in said if answer.word != "not sent"]
        found = counted(partner, "locations")
        assert {word: expected.count(word) for word in expected} == {
            word: count for word, count in found.items() if word in words.values()
        }

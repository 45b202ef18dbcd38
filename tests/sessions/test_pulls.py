"""Sessions out of a partner's list: read as they are pushed, and only for the provider they are for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ocpi_hub.exchange.models import RefusedObject
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.protocol.envelope import format_time
from sessions.models import Session
from tests import examples
from tests.conformance.calls import nothing_changes, to

pytestmark = pytest.mark.django_db

SESSION1 = "receiver/sessions/NL/ABC/SESSION1"
LATER = "2026-03-02T08:00:00Z"


def of(country_code, party_id, **changes):
    token = examples.session()["cdr_token"] | {"country_code": country_code, "party_id": party_id}
    return examples.session(cdr_token=token, **changes)


def pull(cpo, *documents):
    cpo.lists["sessions"] = list(documents)
    [report] = sync.pull_platform(cpo.platform.pk, "sessions", full=True)
    return report


@pytest.mark.row("SES-01")
def test_a_list_of_sessions_is_always_asked_for_from_a_date_on(cpo, emsp):
    pull(cpo)

    month = format_time(timezone.now() - timedelta(days=30))[:10]
    assert [f"date_from={month}" in call.url for call in cpo.calls] == [True]


@pytest.mark.row("SES-12")
def test_reserved_is_read_as_reservation(cpo, emsp, deliver):
    report = pull(cpo, examples.session(status="RESERVED"))
    deliver()

    assert (report.pull.new, report.pull.refused) == (1, 0)
    assert Session.objects.get().status == "RESERVATION"
    assert emsp.received()[0].body == examples.session(status="RESERVATION")


@pytest.mark.row("SES-18")
def test_a_known_session_does_not_move_to_another_provider(cpo, emsp, other_emsp):
    cpo.put(SESSION1, examples.session())

    with nothing_changes(besides=(sync.Pull,)):
        report = pull(cpo, of("AT", "PRO", last_updated=LATER))

    assert report.pull.refused == 1
    assert RefusedObject.objects.get().reason == (
        "belongs to AT*PRO, and NL/ABC/SESSION1 is for DE*MSP since it came; that never changes"
    )


@pytest.mark.row("SES-18")
def test_of_one_id_for_two_providers_in_a_page_the_first_is_taken(cpo, emsp, other_emsp, deliver):
    report = pull(cpo, examples.session(), of("AT", "PRO", last_updated=LATER))
    deliver()

    assert (report.pull.new, report.pull.refused) == (1, 1)
    assert [call.body for call in emsp.received()] == [examples.session()]
    assert other_emsp.received() == []


@pytest.mark.row("SES-18")
def test_what_went_to_one_party_directly_stays_with_it(cpo, emsp, other_emsp):
    cpo.put(SESSION1, examples.session(), **to("AT*PRO"))

    with nothing_changes(besides=(sync.Pull,)):
        report = pull(cpo, examples.session(last_updated=LATER))

    assert report.pull.refused == 1


@pytest.mark.row("SES-18")
def test_what_is_for_providers_that_the_hub_does_not_know_is_not_kept(cpo, emsp):
    report = pull(cpo, of("FR", "AAA", id="A1"), examples.session())

    assert (report.pull.new, report.pull.refused) == (1, 1)
    assert Session.objects.get().audience == "DE*MSP"
    assert RefusedObject.objects.get().document == ""


@pytest.mark.row("SES-10")
@pytest.mark.parametrize(("moment", "kwh"), [("2026-03-01T08:00:00Z", 20), (LATER, 30)])
def test_a_completed_session_is_replaced_by_something_newer_only(cpo, emsp, moment, kwh):
    cpo.put(SESSION1, examples.session(status="COMPLETED"))

    pull(cpo, examples.session(status="COMPLETED", kwh=30, last_updated=moment))

    assert Session.objects.get().kwh == kwh


def test_many_are_looked_through_with_as_few_queries_as_one(cpo, emsp, django_assert_max_num_queries):
    made = [examples.session(id=f"S{number}") for number in range(100)]

    with django_assert_max_num_queries(60):
        report = pull(cpo, *made)

    assert report.pull.new == 100
    assert {tuple(found) for found in Session.objects.values_list("findings", flat=True)} == {
        ("The hub knows no Location LOC1 of NL*ABC.",)
    }

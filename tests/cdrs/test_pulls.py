"""CDRs out of a partner's list: taken once, never changed, and only for providers that the hub knows."""

import httpx
import pytest
from django.utils import timezone

from cdrs.models import CDR
from ocpi_hub import background
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.models import Message, Pull, RefusedObject
from ocpi_hub.exchange.objects import store, upserts
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.protocol.codec import dump
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.conformance.calls import nothing_changes, to

pytestmark = pytest.mark.django_db

LATER, EARLIER = "2026-03-02T08:00:00Z", "2026-02-01T08:00:00Z"


def of(country_code, party_id, **changes):
    token = examples.cdr()["cdr_token"] | {"country_code": country_code, "party_id": party_id}
    return examples.cdr(cdr_token=token, **changes)


def pull(cpo, *documents):
    cpo.lists["cdrs"] = list(documents)
    [report] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)
    return report


def refusals():
    return list(RefusedObject.objects.values_list("object_key", "reason"))


@pytest.mark.row("CDR-07")
@pytest.mark.parametrize("moment", [LATER, EARLIER, "2026-03-01T08:00:00Z"])
def test_other_content_under_a_known_id_is_refused_whenever_it_is_from(cpo, emsp, moment):
    cpo.post("receiver/cdrs", examples.cdr())

    with nothing_changes(besides=(sync.Pull,)):
        report = pull(cpo, examples.cdr(total_energy=21, last_updated=moment))

    assert (report.pull.refused, report.pull.stale) == (1, 0)
    assert refusals() == [
        ("NL*ABC/CDR1", "differs from what came as NL/ABC/CDR1, and cdrs never change; the first stays")
    ]


@pytest.mark.row("CDR-07")
def test_of_one_id_twice_in_a_page_the_first_is_taken(cpo, emsp):
    report = pull(cpo, examples.cdr(), examples.cdr(total_energy=21, last_updated=LATER), examples.cdr())

    assert (report.pull.new, report.pull.refused) == (1, 1)
    assert CDR.objects.get().total_energy == 20
    assert refusals() == [
        ("NL*ABC/CDR1", "differs from what came as NL*ABC/CDR1, and cdrs never change; the first stays")
    ]


@pytest.mark.row("CDR-02", "CDR-07")
def test_a_known_cdr_does_not_come_again_for_another_provider(cpo, emsp, other_emsp):
    cpo.post("receiver/cdrs", examples.cdr())

    with nothing_changes(besides=(sync.Pull,)):
        report = pull(cpo, of("AT", "PRO", last_updated=LATER))

    assert report.pull.refused == 1
    assert other_emsp.get("sender/cdrs").data == []


@pytest.mark.row("CDR-07")
def test_two_writers_at_once_cannot_change_it_either(cpo, emsp):
    """What a pull found missing may have been posted since; the database itself keeps the first."""
    cpo.post("receiver/cdrs", examples.cdr())
    address = Address(PartyRef("NL", "ABC"), "CDR1")
    newer = examples.cdr(total_energy=21, last_updated=LATER)

    with nothing_changes():
        stored = upserts.save(CDR, address, store.examine(CDR, newer, dump(newer)), cpo.platform)

    assert stored.stale


@pytest.mark.row("CDR-02")
def test_what_is_listed_for_providers_that_the_hub_does_not_know_is_not_kept(cpo, emsp):
    report = pull(
        cpo, of("FR", "AAA", id="A1"), examples.cdr(), of("FR", "AAA", id="A2"), of("fr", "bbb", id="B1")
    )

    assert (report.pull.received, report.pull.new, report.pull.refused) == (4, 1, 3)
    assert list(CDR.objects.values_list("object_id", "audience")) == [("CDR1", "DE*MSP")]
    assert sorted(refusals()) == [
        ("all for FR*AAA", "2 in the last list belong to FR*AAA, and this hub knows no such party: not kept"),
        ("all for FR*BBB", "1 in the last list belong to FR*BBB, and this hub knows no such party: not kept"),
    ]
    assert set(RefusedObject.objects.values_list("document", flat=True)) == {""}


def test_a_list_for_thousands_of_invented_parties_names_some_and_counts_the_others(cpo, emsp, caplog):
    invented = [of("FR", f"{number:03}", id=f"X{number}") for number in range(1_000)]

    report = pull(cpo, *invented, examples.cdr(), *invented)

    assert (report.pull.state, report.pull.new, report.pull.refused) == ("DONE", 1, 2_000)
    assert len(report.pull.for_others) == RefusedObject.objects.count() == 101
    assert RefusedObject.objects.get(object_key="all for FR*099").times == 2
    besides = RefusedObject.objects.get(object_key="all for parties besides")
    assert besides.times == 1_800
    assert besides.reason == (
        "1800 in the last list belong to parties besides the first 100 that this hub does not know: not kept, nor"
        " told by name"
    )
    assert len([line for line in caplog.messages if "in the last list belong to" in line]) == 101
    background.flush()
    report = ErrorReport.objects.get(kind="object.unknown_party")
    assert (report.count, report.occurrences.count()) == (101, 20)


def test_what_is_for_others_is_told_when_the_list_is_read_and_not_at_each_wait(cpo, emsp):
    cpo.page_size = 2
    slow = iter([httpx.Response(429, headers={"Retry-After": "600"})])
    cpo.answers.append(lambda request: next(slow, None) if "offset" in request.url.params else None)
    waiting = pull(cpo, *(of("FR", "AAA", id=f"X{number}") for number in range(4)))
    told_meanwhile = refusals()
    Pull.objects.update(resume_at=timezone.now())

    [report] = sync.pull_platform(cpo.platform.pk, "cdrs", full=True)

    assert (waiting.pull.state, told_meanwhile) == ("WAITING", [])
    assert (report.pull.state, RefusedObject.objects.get().times) == ("DONE", 4)


def test_a_list_that_is_mostly_for_others_is_read_to_its_end(cpo, emsp, monkeypatch):
    monkeypatch.setattr(sync, "MOST_REFUSED", 1)

    report = pull(cpo, *(of("FR", "AAA", id=f"A{n}") for n in range(4)), examples.cdr())

    assert (report.pull.state, report.pull.new, report.pull.refused) == ("DONE", 1, 4)


@pytest.mark.row("CDR-01", "CDR-02")
def test_a_pulled_cdr_goes_to_the_owner_of_its_token_only(cpo, emsp, other_emsp, stranger, deliver):
    pull(cpo, examples.cdr(), of("AT", "PRO", id="CDR2"))
    deliver()

    assert [call.body["id"] for call in emsp.received("POST")] == ["CDR1"]
    assert [call.body["id"] for call in other_emsp.received("POST")] == ["CDR2"]
    assert stranger.received() == []
    assert [item["id"] for item in emsp.get("sender/cdrs").data] == ["CDR1"]


def test_a_pulled_cdr_that_went_to_one_party_directly_reaches_the_owner_of_its_token_too(
    cpo, emsp, other_emsp
):
    """It was addressed past the owner of its token, who is to have it all the same."""
    cpo.post("receiver/cdrs", examples.cdr(), **to("AT*PRO"))

    report = pull(cpo, examples.cdr())

    assert (report.pull.new, report.pull.refused) == (1, 0)
    assert sorted(CDR.objects.values_list("audience", flat=True)) == ["AT*PRO", "DE*MSP"]
    assert Message.objects.get().audience == "DE*MSP"

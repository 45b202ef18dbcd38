"""Who puts a report into which state, and what the hub resolves and forgets by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.errorreports import states
from ocpi_hub.errorreports.models import Digest, ErrorReport, Occurrence, StateChange
from ocpi_hub.errorreports.occurrences import Noted, write

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def report(db):
    return reported(NOON)


def reported(at, kind="DELIVERY_REFUSED"):
    write([Noted(kind, 7, "locations", "LOC1 was refused", at=at)])
    return ErrorReport.objects.get(kind=kind)


def changes():
    return list(StateChange.objects.values_list("state", "at", "by", "note"))


def test_a_change_of_state_says_who_made_it_when_and_why(report):
    ErrorReport.objects.update(alert_due_at=NOON)

    assert states.change(report.pk, "ACKNOWLEDGED", by="ann", note="I call them", now=LATER)

    report.refresh_from_db()
    assert (report.state, report.state_at, report.alert_due_at) == ("ACKNOWLEDGED", LATER, None)
    assert changes() == [("ACKNOWLEDGED", LATER, "ann", "I call them")]


def test_a_note_can_be_added_to_the_state_it_is_in(report):
    assert states.change(report.pk, "OPEN", by="ann", note="they know", now=LATER)

    assert ErrorReport.objects.get().state_at == NOON
    assert changes() == [("OPEN", LATER, "ann", "they know")]


def test_nothing_is_written_down_when_nothing_changes(report):
    assert not states.change(report.pk, "OPEN", by="ann", note="", now=LATER)
    assert not states.change(report.pk + 1, "OPEN", by="ann", note="no such report", now=LATER)

    assert changes() == []


@pytest.mark.parametrize("state", ["OPEN", "ACKNOWLEDGED"])
def test_what_has_been_quiet_for_a_week_is_resolved_by_itself(report, state):
    ErrorReport.objects.update(state=state)
    lasting = reported(NOON + timedelta(days=1), "DELIVERY_FAILING")
    week_later = NOON + timedelta(days=7, seconds=1)

    assert states.resolve_quiet(week_later) == 1

    report.refresh_from_db()
    lasting.refresh_from_db()
    assert (report.state, report.state_at, lasting.state) == ("RESOLVED", week_later, "OPEN")
    assert changes() == [("RESOLVED", week_later, "", "it has not happened for 7 days")]


def test_what_is_resolved_already_is_not_resolved_again(report):
    ErrorReport.objects.update(state="RESOLVED")

    assert states.resolve_quiet(NOON + timedelta(days=30)) == 0
    assert changes() == []


def test_old_occurrences_and_what_was_resolved_long_ago_are_forgotten(report):
    days_90 = timedelta(days=90)
    write([Noted("DELIVERY_REFUSED", 7, "locations", "LOC2 was refused", at=LATER)])
    states.change(report.pk, "RESOLVED", by="ann", note="mended", now=LATER)

    assert states.forget(NOON + days_90 + timedelta(seconds=1)) == 0
    assert [row.text for row in Occurrence.objects.all()] == ["LOC2 was refused"]

    assert states.forget(LATER + days_90 + timedelta(seconds=1)) == 1
    assert not ErrorReport.objects.exists()
    assert not StateChange.objects.exists()


def test_an_open_report_is_never_forgotten(report):
    assert states.forget(NOON + timedelta(days=1000)) == 0
    assert ErrorReport.objects.get().count == 1


def test_old_digests_are_forgotten_but_the_one_that_the_next_one_goes_on_from():
    days = [NOON.date() + timedelta(days=number) for number in range(3)]
    for day in days:
        Digest.objects.create(day=day, settled_at=NOON)

    states.forget(NOON + timedelta(days=500))

    assert [row.day for row in Digest.objects.all()] == [days[-1]]


def test_a_digest_that_was_never_sent_is_nothing_to_go_on_from():
    Digest.objects.create(day=NOON.date(), settled_at=NOON)
    Digest.objects.create(day=NOON.date() + timedelta(days=1), due_at=NOON)

    states.forget(NOON + timedelta(days=500))

    assert {row.settled_at for row in Digest.objects.all()} == {NOON, None}

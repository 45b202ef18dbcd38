"""Reconciliations run each night by themselves, are resumed, and never twice at a time with one partner."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from ocpi_hub.errorreports.models import ErrorReport, Occurrence
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.exchange.models import Lane
from ocpi_hub.partners.models import Platform
from ocpi_hub.proof import asking, comparison, gaps, runs, stages
from ocpi_hub.proof.models import Gap, Reconciliation, Run
from tests import examples
from tests.proof.conftest import counted, no_pause, open_gaps

EVENING = datetime(2026, 11, 20, 20, tzinfo=UTC)
NIGHT = datetime(2026, 11, 21, 2, 0, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    monkeypatch.setattr(runs, "_begun", set())


def test_workers_do_it_in_their_rounds():
    assert {runs.work, gaps.close_filled} <= set(sweeper.rounds())


def test_one_run_is_begun_each_night_with_every_partner_that_was_connected(cpo, emsp, stranger):
    Platform.objects.filter(pk=stranger.platform.pk).update(connected_at=NIGHT)
    Platform.objects.filter(pk=emsp.platform.pk).update(connected_at=EVENING)

    assert runs.begin(NIGHT - timedelta(minutes=1)) == 0
    assert runs.begin(NIGHT) == 2
    assert runs.begin(NIGHT + timedelta(hours=1)) == 0
    runs._begun.clear()
    assert runs.begin(NIGHT + timedelta(hours=2)) == 0

    nights = set(Run.objects.values_list("platform__name", "night"))
    assert nights == {("ABC", NIGHT.date()), ("MSP", NIGHT.date())}


def test_a_partner_that_is_being_reconciled_when_night_falls_has_its_run_after_that(cpo, emsp):
    by_hand = runs.start(emsp.platform, EVENING)

    assert runs.begin(NIGHT) == 1
    assert runs.begin(NIGHT + timedelta(minutes=1)) == 0
    Run.objects.filter(pk=by_hand.pk).update(state="DONE")
    assert runs.begin(NIGHT + timedelta(minutes=2)) == 1
    assert runs.begin(NIGHT + timedelta(minutes=3)) == 0

    assert Run.objects.filter(platform=emsp.platform, night=NIGHT.date()).count() == 1


def test_the_next_night_has_runs_of_its_own(emsp):
    runs.begin(NIGHT)
    Run.objects.update(state="DONE")

    assert runs.begin(NIGHT + timedelta(days=1)) == 1


def test_it_can_be_switched_off(emsp, settings):
    settings.HUB_PROOF_NIGHTLY = False

    assert runs.begin(NIGHT) == 0


def test_with_one_partner_there_is_one_at_a_time(emsp):
    first = runs.start(emsp.platform, timezone.now())

    assert runs.start(emsp.platform, timezone.now()) is None
    Run.objects.filter(pk=first.pk).update(state="DONE")
    assert runs.start(emsp.platform, timezone.now()) is not None


def test_whoever_had_a_turn_waits_for_those_who_had_none(emsp, stranger, cpo, monkeypatch):
    monkeypatch.setattr(runs, "TURN", -1)
    begun = [runs.start(partner.platform, timezone.now()).pk for partner in (emsp, stranger, cpo)]
    turns = []
    for _ in range(6):
        (run,) = runs.claim(timezone.now(), 1)
        turns.append(run.pk)
        runs.turn(run, no_pause)

    assert turns == begun + begun


def test_a_run_is_worked_on_by_one_process_and_after_its_death_by_another(emsp):
    runs.start(emsp.platform, timezone.now())
    now = timezone.now()

    (first,) = runs.claim(now, 4)
    assert runs.claim(now + timedelta(minutes=2), 4) == []
    (second,) = runs.claim(now + timedelta(minutes=4), 4)

    with pytest.raises(stages.LeaseLost):
        stages.advance(first, no_pause)
    stages.advance(second, no_pause)
    assert Run.objects.get().module == "locations"


def test_a_machine_whose_clock_is_ahead_takes_no_run_from_another_and_asks_nobody_too_soon(
    emsp, stranger, monkeypatch
):
    runs.start(emsp.platform, timezone.now())
    (held,) = runs.claim(clock.now(), 4)
    rests = runs.start(stranger.platform, timezone.now())
    Run.objects.filter(pk=rests.pk).update(next_at=clock.now() + timedelta(minutes=5))
    Lane.objects.create(platform=emsp.platform, rest_until=clock.now() + timedelta(minutes=5))
    ahead = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: ahead)

    taken = []
    monkeypatch.setattr(runs, "_turn", taken.append)
    runs.work()

    assert taken == []
    assert Run.objects.get(pk=held.pk).holder == held.holder
    assert asking.rests_until(emsp.platform) is not None


def test_a_run_that_is_broken_off_counts_nothing_twice_and_forgets_nothing(
    emsp, held, send_cdrs, monkeypatch, reconcile
):
    send_cdrs(*(f"CDR{number}" for number in range(1, 13)))
    for number in (3, 7):
        del held[f"/kept/CDR{number}"]
    monkeypatch.setattr(comparison, "STRIDE", 5)
    monkeypatch.setattr(stages, "ASKED_AT_ONCE", 4)
    runs.start(emsp.platform, timezone.now(), module="cdrs")

    steps = 0
    while Run.objects.get().state == "RUNNING":
        (run,) = runs.claim(timezone.now() + steps * timedelta(minutes=5), 1)  # the last process died
        stages.advance(run, no_pause)
        steps += 1

    assert steps > 6
    found = {"accepted": 12, "acknowledged": 12, "asked": 12, "held": 10, "lost": 2, "gaps": 2}
    assert counted(emsp, "cdrs") == found
    assert open_gaps(emsp) == {"cdrs/NL/ABC/CDR3": "LOST", "cdrs/NL/ABC/CDR7": "LOST"}
    run = Run.objects.get()
    assert (run.compared, run.asked, run.gaps) == (12, 12, 2)


def test_a_fault_of_the_hub_is_tried_again_from_there_and_in_the_end_given_up(emsp, monkeypatch):
    def fault(run, pause):
        raise ZeroDivisionError

    monkeypatch.setattr(stages, "advance", fault)
    runs.start(emsp.platform, timezone.now())

    for failures in (1, 2, 3, 4, 5):
        (run,) = runs.claim(timezone.now(), 1)
        runs.turn(run, no_pause)
        row = Run.objects.get()
        assert (row.failures, row.holder, row.error) == (
            failures,
            "",
            "a fault of the hub: ZeroDivisionError",
        )
        assert row.state == ("FAILED" if failures == 5 else "RUNNING")
        Run.objects.update(next_at=timezone.now())


def test_gaps_of_modules_that_are_not_pushed_any_more_are_over(cpo, emsp, deliver, reconcile):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.platform.deliveries.all().delete()
    reconcile(emsp)
    emsp.platform.endpoints.filter(module="locations").delete()

    reconcile(emsp)

    assert Gap.objects.get().state == "OVER"


def test_a_run_over_one_module_leaves_the_others_alone(cpo, emsp, deliver, reconcile):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    emsp.platform.deliveries.all().delete()
    reconcile(emsp)

    reconcile(emsp, module="cdrs")

    assert open_gaps(emsp) == {"locations/NL/ABC/LOC1": "NEVER_SENT"}


def test_old_counts_and_closed_gaps_are_forgotten_and_open_gaps_never(
    cpo, emsp, deliver, reconcile, settings
):
    settings.HUB_PROOF_KEPT_DAYS = 10
    for name in ("A", "B"):
        cpo.put(f"receiver/locations/NL/ABC/{name}", examples.location(id=name))
    deliver()
    emsp.platform.deliveries.all().delete()
    reconcile(emsp)
    gaps.waive(Gap.objects.filter(path="NL/ABC/A"), "so be it", timezone.now())

    assert runs.forget(timezone.now() + timedelta(days=9)) == 0
    assert runs.forget(timezone.now() + timedelta(days=11)) == 3

    assert (Run.objects.count(), Reconciliation.objects.count()) == (0, 0)
    assert open_gaps(emsp) == {"locations/NL/ABC/B": "NEVER_SENT"}


def test_what_is_found_missing_is_an_error_report_and_once_only(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1", "CDR2", "CDR3", "CDR4")
    del held["/kept/CDR1"], held["/kept/CDR2"]
    emsp.platform.deliveries.filter(path="NL/ABC/CDR4").delete()

    reconcile(emsp)
    reconcile(emsp)

    reports = list(ErrorReport.objects.order_by("kind").values_list("platform", "module", "kind", "count"))
    assert reports == [
        (emsp.platform.pk, "cdrs", "proof.lost", 1),
        (emsp.platform.pk, "cdrs", "proof.never_sent", 1),
    ]
    texts = set(Occurrence.objects.values_list("text", flat=True))
    assert texts == {
        "2 objects that it acknowledged are missing there, or differ",
        "1 objects that should be there and have no delivery on record",
    }

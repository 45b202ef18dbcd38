"""What a partner still holds, by its own word."""

from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
from django.utils import timezone

from cdrs.models import CDR
from ocpi_hub import background
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.journal.models import Hop
from ocpi_hub.partners.models import Platform, Status
from ocpi_hub.proof import asking, runs, stages
from ocpi_hub.proof.models import Asking, Gap, Reconciliation, Run
from tests import examples
from tests.partners import enveloped
from tests.proof.conftest import counted, no_pause, open_gaps

IDS = [f"CDR{number}" for number in range(1, 13)]


def asked(partner):
    return [call.path for call in partner.calls if call.method == "GET"]


def note(partner):
    return Reconciliation.objects.filter(platform=partner.platform, module="cdrs").get().note


@pytest.fixture
def session(cpo, emsp, held, deliver):
    """SESSION1 is at the provider."""
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    deliver()


# ---------------------------------------------------------------------------------------- where it is asked
def test_the_url_that_it_gave_in_its_location_header_is_kept(emsp, held, send_cdrs):
    send_cdrs("CDR1")

    assert CDR.objects.get().receiver_url == "https://msp.example/kept/CDR1"


def test_a_url_in_the_body_will_do_and_none_takes_no_earlier_one_away(cpo, emsp, deliver, send_cdrs):
    emsp.answers.append(
        lambda request: enveloped("https://msp.example/body/1") if request.method == "POST" else None
    )
    send_cdrs("CDR1")

    assert CDR.objects.get().receiver_url == "https://msp.example/body/1"


def test_what_is_asked_is_in_the_journal_as_a_check_of_the_hub(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1")
    reconcile(emsp)
    background.flush()

    noted = set(Hop.objects.values_list("direction", "method", "is_check"))

    assert noted == {("IN", "POST", False), ("OUT", "POST", False), ("OUT", "GET", True)}


def test_every_cdr_is_asked_for_at_its_url_with_both_parties_named(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1")
    emsp.calls.clear()

    reconcile(emsp)

    assert asked(emsp) == ["/kept/CDR1", "/kept/CDR1"]  # once to find out whether it can be asked
    headers = emsp.calls[0].headers
    ends = [headers[f"OCPI-{end}-{part}"] for end in ("from", "to") for part in ("country-code", "party-id")]
    assert ends == ["NL", "ABC", "DE", "MSP"]
    assert counted(emsp, "cdrs") == {"accepted": 1, "acknowledged": 1, "asked": 1, "held": 1}


@pytest.mark.parametrize("url", ["https://elsewhere.example/kept/CDR1", "http://msp.example/kept/CDR1", ""])
def test_our_token_goes_to_no_other_server(emsp, held, send_cdrs, reconcile, url):
    send_cdrs("CDR1", "CDR2")
    CDR.objects.filter(key="CDR1").update(receiver_url=url)
    emsp.calls.clear()

    reconcile(emsp)

    assert set(asked(emsp)) == {"/kept/CDR2"}
    found = {"accepted": 2, "acknowledged": 2, "asked": 2, "held": 1, "unclear": 1}
    assert (counted(emsp, "cdrs"), open_gaps(emsp)) == (found, {})


def test_what_came_directly_is_asked_for_as_well(cpo, emsp, held, reconcile):
    to = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "MSP"}
    assert cpo.post("receiver/cdrs", examples.cdr(), **to).status_code == 1000
    assert cpo.post("receiver/cdrs", examples.cdr(id="CDR2"), **to).status_code == 1000
    del held["/kept/CDR1"]

    reconcile(emsp)

    assert open_gaps(emsp) == {"cdrs/NL/ABC/CDR1": "LOST"}


# --------------------------------------------------------------------------------------------- what it says
def test_exactly_those_that_it_lost_are_named(emsp, held, send_cdrs, reconcile):
    send_cdrs(*IDS)
    for number in (2, 5, 11):
        del held[f"/kept/CDR{number}"]

    run = reconcile(emsp)

    assert open_gaps(emsp) == {f"cdrs/NL/ABC/CDR{number}": "LOST" for number in (2, 5, 11)}
    assert counted(emsp, "cdrs") == {
        "accepted": 12, "acknowledged": 12, "asked": 12, "held": 9, "lost": 3, "gaps": 3,
    }  # fmt: skip
    assert (run.asked, run.gaps) == (12, 3)
    assert list(Asking.objects.values_list("platform", "module")) == [(emsp.platform.pk, "cdrs")]


def test_a_session_with_other_content_is_named_with_the_place(emsp, held, session, reconcile):
    held["/receiver/sessions/NL/ABC/SESSION1"]["kwh"] = 19

    reconcile(emsp)

    gap = Gap.objects.get()
    assert (gap.name, gap.kind) == ("sessions/NL/ABC/SESSION1", "DIFFERENT")
    assert gap.reason == "$.kwh is 20 here and 19 there"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: enveloped({"id": "SESSION1"}), id="not an object that can be read"),
        pytest.param(lambda: enveloped(None, 2000), id="an error without 404"),
        pytest.param(lambda: httpx.Response(200, text="<html>"), id="no envelope"),
        pytest.param(lambda: enveloped(None, 3000, 500), id="a fault"),
    ],
)
def test_what_cannot_be_read_is_unclear_and_no_gap(emsp, held, session, reconcile, answer):
    Asking.objects.create(platform=emsp.platform, module="sessions", answered_at=timezone.now())
    emsp.answers.insert(0, lambda request: answer() if request.method == "GET" else None)

    reconcile(emsp)

    found = {"accepted": 1, "acknowledged": 1, "asked": 1, "unclear": 1}
    assert (counted(emsp, "sessions"), open_gaps(emsp)) == (found, {})


def test_what_changed_while_it_was_asked_for_tells_nothing(cpo, emsp, held, session, reconcile):
    Asking.objects.create(platform=emsp.platform, module="sessions", answered_at=timezone.now())

    def change(request):
        if request.method == "GET":
            newer = examples.session(kwh=30, last_updated="2026-03-01T09:00:00Z")
            cpo.put("receiver/sessions/NL/ABC/SESSION1", newer)
        return

    emsp.answers.insert(0, change)
    held["/receiver/sessions/NL/ABC/SESSION1"]["kwh"] = 30
    reconcile(emsp)

    assert open_gaps(emsp) == {}
    assert counted(emsp, "sessions") == {"accepted": 1, "acknowledged": 1}


# ----------------------------------------------------------------------------------- who refuses to be asked
@pytest.mark.parametrize("status", [405, 501])
def test_who_does_not_allow_get_is_left_alone(emsp, held, send_cdrs, reconcile, status):
    send_cdrs(*IDS)
    emsp.answers.insert(0, lambda request: httpx.Response(status) if request.method == "GET" else None)
    emsp.calls.clear()

    reconcile(emsp)
    reconcile(emsp)

    reason = f"it answered HTTP {status}: it does not allow GET"
    again = timezone.now() + timedelta(days=30)
    assert len(asked(emsp)) == 1
    assert (counted(emsp, "cdrs"), open_gaps(emsp)) == ({"accepted": 12, "acknowledged": 12}, {})
    assert note(emsp) == f"it cannot be asked, {reason}; that is tried again on {again:%Y-%m-%d}"


def test_who_answers_404_for_all_is_reported_and_asked_again_each_time(emsp, held, send_cdrs, reconcile):
    send_cdrs(*IDS)
    held.clear()
    emsp.calls.clear()

    reconcile(emsp)
    reconcile(emsp)

    assert len(asked(emsp)) == 12  # every second of them, twice
    assert open_gaps(emsp) == {}
    reason = "it answered 404 for all 6 that it was asked for: it has lost what it acknowledged, or it allows no GET"
    assert note(emsp) == f"NOT PROVEN: {reason}"
    report = ErrorReport.objects.get()
    assert (report.kind, report.platform, report.module) == ("proof.none_found", emsp.platform, "cdrs")
    assert (report.count, report.text, report.subject) == (2, reason, "NL/ABC/CDR1")


def test_what_has_no_url_hides_no_loss_of_the_others(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1", "CDR2", "CDR3")
    CDR.objects.filter(key="CDR2").update(receiver_url="")
    held.clear()

    reconcile(emsp)

    assert Asking.objects.get(module="cdrs").not_found == 2
    assert ErrorReport.objects.get().kind == "proof.none_found"


def test_who_shows_one_again_has_lost_the_others(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1", "CDR2", "CDR3")
    kept = dict(held)
    held.clear()
    reconcile(emsp)
    held["/kept/CDR2"] = kept["/kept/CDR2"]

    reconcile(emsp)

    assert open_gaps(emsp) == {"cdrs/NL/ABC/CDR1": "LOST", "cdrs/NL/ABC/CDR3": "LOST"}
    assert Asking.objects.get(module="cdrs").not_found == 0


def test_who_has_ever_given_what_it_was_asked_for_has_lost_it_all(emsp, held, send_cdrs, reconcile):
    send_cdrs(*IDS)
    reconcile(emsp)
    held.clear()

    reconcile(emsp)

    assert len(open_gaps(emsp)) == 12


def test_who_could_not_be_asked_is_asked_again_some_day(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1")
    Asking.objects.create(
        platform=emsp.platform,
        module="cdrs",
        reason="it said 405",
        again_at=timezone.now() - timedelta(seconds=1),
    )

    reconcile(emsp)

    row = Asking.objects.get(module="cdrs")
    assert (row.reason, row.again_at, row.answered_at is not None) == ("", None, True)
    assert counted(emsp, "cdrs")["held"] == 1


def test_asking_can_be_switched_off(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1")
    Asking.objects.create(platform=emsp.platform, module="cdrs", allowed=False)
    emsp.calls.clear()

    reconcile(emsp)

    assert (asked(emsp), note(emsp)) == ([], "not asked: that is switched off")


# ------------------------------------------------------------------------------------------- what it can bear
def test_who_is_offline_is_not_asked(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1")
    Platform.objects.filter(pk=emsp.platform.pk).update(status=Status.OFFLINE)
    emsp.calls.clear()

    reconcile(emsp)

    assert (asked(emsp), note(emsp)) == ([], "not asked: it was offline")


def test_who_wants_to_be_left_alone_is_and_the_rest_is_asked_for_later(emsp, held, send_cdrs):
    send_cdrs(*IDS)
    Asking.objects.create(platform=emsp.platform, module="cdrs", answered_at=timezone.now())
    busy = [enveloped(None, 3000, 429, **{"Retry-After": "120"})]
    emsp.answers.insert(
        0,
        lambda request: (
            busy.pop() if busy and request.url.path == "/kept/CDR4" and request.method == "GET" else None
        ),
    )
    emsp.calls.clear()
    runs.start(emsp.platform, timezone.now(), module="cdrs")
    now = timezone.now()

    (run,) = runs.claim(now, 1)
    runs.turn(run, no_pause)

    run.refresh_from_db()
    assert (run.state, run.asked, len(asked(emsp))) == ("RUNNING", 3, 4)
    assert timedelta(seconds=115) < run.next_at - now < timedelta(seconds=125)
    assert runs.claim(now, 1) == []
    Run.objects.update(next_at=now)
    (run,) = runs.claim(timezone.now(), 1)
    runs.turn(run, no_pause)
    assert (run.state, run.asked) == ("DONE", 12)
    assert counted(emsp, "cdrs")["held"] == 12


def test_who_is_so_slow_to_fail_that_one_question_fills_a_visit_is_given_a_rest(
    emsp, held, send_cdrs, monkeypatch
):
    send_cdrs("CDR1", "CDR2")
    Asking.objects.create(platform=emsp.platform, module="cdrs", answered_at=timezone.now())
    emsp.answers.insert(0, lambda request: enveloped(None, 3000, 503) if request.method == "GET" else None)
    runs.start(emsp.platform, timezone.now(), module="cdrs")
    emsp.calls.clear()
    clock = [1000.0]
    for module in (asking, stages):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=None))

    def pause(seconds):
        clock[0] += 16

    (run,) = runs.claim(timezone.now(), 1)
    runs.turn(run, pause)

    run.refresh_from_db()
    assert (run.state, run.pauses, len(asked(emsp))) == ("RUNNING", 1, 1)
    assert run.next_at > timezone.now() + timedelta(minutes=4)


def test_who_fails_three_times_in_a_row_is_given_a_rest_and_after_some_left_alone(emsp, held, send_cdrs):
    send_cdrs(*IDS)
    Asking.objects.create(platform=emsp.platform, module="cdrs", answered_at=timezone.now())
    emsp.answers.insert(0, lambda request: enveloped(None, 3000, 503) if request.method == "GET" else None)
    runs.start(emsp.platform, timezone.now(), module="cdrs")
    emsp.calls.clear()

    for pauses in (1, 2, 3):
        (run,) = runs.claim(timezone.now(), 1)
        runs.turn(run, no_pause)
        assert (run.state, run.pauses, len(asked(emsp))) == ("RUNNING", pauses, 3 * pauses)
        Run.objects.update(next_at=timezone.now())
    (run,) = runs.claim(timezone.now(), 1)
    runs.turn(run, no_pause)

    assert run.state == "DONE"
    assert note(emsp) == "asked only in part: it answered HTTP 503"
    assert open_gaps(emsp) == {}


def test_who_takes_no_more_just_now_is_asked_when_it_does(emsp, held, send_cdrs):
    send_cdrs("CDR1")
    Asking.objects.create(platform=emsp.platform, module="cdrs", answered_at=timezone.now())
    until = timezone.now() + timedelta(minutes=1)
    Lane.objects.filter(platform=emsp.platform).update(rest_until=until, rest_reason="429")
    runs.start(emsp.platform, timezone.now(), module="cdrs")
    emsp.calls.clear()

    (run,) = runs.claim(timezone.now(), 1)
    runs.turn(run, no_pause)

    assert (run.state, run.next_at, run.pauses, asked(emsp)) == ("RUNNING", until, 0, [])


@pytest.mark.parametrize(("limit", "seconds"), [(None, 0.2), (60, 2.0), (6000, 0.2)])
def test_questions_come_at_the_hubs_pace_or_half_of_the_partners(emsp, held, send_cdrs, limit, seconds):
    send_cdrs("CDR1")
    Asking.objects.create(platform=emsp.platform, module="cdrs", answered_at=timezone.now())
    Platform.objects.filter(pk=emsp.platform.pk).update(deliveries_per_minute=limit)
    runs.start(emsp.platform, timezone.now(), module="cdrs")
    pauses = []

    (run,) = runs.claim(timezone.now(), 1)
    runs.turn(run, pauses.append)

    assert pauses == [seconds]


def test_of_very_many_some_are_asked_for_and_others_each_night(emsp, held, send_cdrs, reconcile, settings):
    settings.HUB_PROOF_ASK_MOST = 4
    send_cdrs(*IDS)
    Asking.objects.create(platform=emsp.platform, module="cdrs", answered_at=timezone.now())
    nights = []
    now = timezone.now()
    for offset in range(3):
        emsp.calls.clear()
        reconcile(emsp, now + timedelta(days=offset) if offset else now, since=now - timedelta(days=1))
        nights.append(set(asked(emsp)))

    assert [len(paths) for paths in nights] == [4, 4, 4]
    assert len(set.union(*nights)) == 12
    assert note(emsp) == "one in 3 was asked for"


def test_only_the_last_days_are_asked_for(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1")
    emsp.calls.clear()

    reconcile(emsp, timezone.now() + timedelta(days=4))

    assert asked(emsp) == []
    assert counted(emsp, "cdrs") == {"accepted": 1, "acknowledged": 1}


def test_what_is_under_way_or_given_up_is_not_asked_for(emsp, held, send_cdrs, reconcile):
    send_cdrs("CDR1", "CDR2", "CDR3")
    Delivery.objects.filter(path="NL/ABC/CDR1").update(state="FAILED", reason="no")
    Delivery.objects.filter(path="NL/ABC/CDR2").update(state="PENDING")
    emsp.calls.clear()

    reconcile(emsp)

    assert set(asked(emsp)) == {"/kept/CDR3"}

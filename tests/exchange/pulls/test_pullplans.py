"""Plans of pulls: made with the registration, found by workers, never lost, as the operator edits them."""

from datetime import UTC, datetime, time, timedelta

import httpx
import pytest
from django.utils import timezone

from locations.models import Location
from ocpi_hub import background
from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.exchange.models import Pull, PullPlan
from ocpi_hub.exchange.pulls import planwords, pullplans, sync
from ocpi_hub.partners.models import Platform
from tests import examples
from tests.partners import enveloped, register

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_modules")]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAR = datetime(2999, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _on_time(settings):
    settings.HUB_PULL_JITTER = 0


def planned(partner, **changes):
    """The plan of its only list, with nothing due yet."""
    pullplans.make(partner.platform, NOW)
    (plan,) = partner.platform.pull_plans.all()
    PullPlan.objects.filter(pk=plan.pk).update(
        **{"interval": 3600, "full_at": time(2), "next_pull_at": FAR, "next_full_at": FAR} | changes
    )
    return PullPlan.objects.get(pk=plan.pk)


def due(now=NOW):
    return [(plan.platform.name, plan.module) for plan in pullplans.due(now)]


def fresh(plan):
    return PullPlan.objects.get(pk=plan.pk)


def run(now):
    return pullplans.run(pullplans.claim(now), now)


# ------------------------------------------------------------------------------------------------ making them
def test_each_list_of_a_partner_gets_a_plan(network, settings):
    settings.HUB_PULL_INTERVAL = 1234
    settings.HUB_VANISHED_UNKNOWN, settings.HUB_VANISHED_REMOVED = 5, 0
    partner = register(network, "BIG", "BE-ONE-CPO", "BE-ONE-EMSP")
    pullplans.make(partner.platform, NOW)

    plans = list(partner.platform.pull_plans.order_by("module"))
    assert [plan.module for plan in plans] == ["locations", "tokens"]
    for plan in plans:
        assert (plan.enabled, plan.interval, plan.unknown_after, plan.removed_after) == (True, 1234, 5, None)
        assert plan.full_at.hour in pullplans.NIGHT
        assert plan.next_pull_at == NOW + timedelta(seconds=1234)
        assert plan.next_full_at.time() == plan.full_at
        assert NOW < plan.next_full_at <= NOW + DAY


def test_a_new_registration_keeps_what_the_operator_set_and_switches_it_on(cpo):
    plan = planned(cpo, interval=60, full_at=time(4, 5), unknown_after=None, enabled=False)
    pullplans.make(cpo.platform, NOW)

    again = fresh(plan)
    assert (again.enabled, again.interval, again.full_at, again.unknown_after) == (True, 60, time(4, 5), None)
    assert PullPlan.objects.count() == 1


def test_a_list_without_a_plan_gets_one_and_is_read_soon(cpo, emsp):
    """Such as one of a module that was switched on after the registration."""
    Platform.objects.update(connected_at=NOW)
    planned(cpo)

    pullplans.make_missing(NOW + 30 * timedelta(seconds=1))
    assert due() == []
    pullplans.make_missing(NOW + 31 * timedelta(seconds=1))
    assert due() == [("MSP", "tokens")]


def test_starts_differ_by_chance(settings):
    settings.HUB_PULL_JITTER = 300
    found = [pullplans.next_pull(3600, NOW) - NOW - HOUR for _ in range(9)]
    nightly = [pullplans.next_full(time(2), NOW) - (NOW + 14 * HOUR) for _ in range(9)]

    for waits in (found, nightly):
        assert len(set(waits)) > 1
        assert all(timedelta() <= wait <= 5 * MINUTE for wait in waits)


@pytest.mark.parametrize(
    ("full_at", "following"),
    [(time(12, 1), NOW + MINUTE), (time(12), NOW + DAY), (time(2), NOW + 14 * HOUR), (None, None)],
)
def test_the_full_pull_is_daily_at_its_time(full_at, following):
    assert pullplans.next_full(full_at, NOW) == following


# -------------------------------------------------------------------------------------------------- what is due
@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({}, False),
        ({"next_pull_at": NOW}, True),
        ({"next_full_at": NOW}, True),
        ({"next_pull_at": None, "next_full_at": None}, False),
        ({"next_pull_at": NOW, "enabled": False}, False),
        ({"wanted": "CHANGES", "wanted_at": NOW, "enabled": False}, True),
        ({"next_pull_at": NOW, "not_before": NOW + MINUTE}, False),
        ({"wanted": "ALL", "wanted_at": NOW, "not_before": NOW}, True),
        ({"next_pull_at": NOW, "held_until": NOW + MINUTE}, False),
        ({"next_pull_at": NOW, "held_until": NOW}, True),
    ],
)
def test_what_is_due(cpo, changes, is_due):
    planned(cpo, **changes)

    assert bool(due()) == is_due


@pytest.mark.parametrize("changes", [{"status": "PLANNED"}, {"status": "SUSPENDED"}, {"token_cipher": ""}])
def test_only_lists_of_registered_partners_are_due(cpo, changes):
    planned(cpo, next_pull_at=NOW)
    assert due() == [("ABC", "locations")]
    Platform.objects.filter(pk=cpo.platform.pk).update(**changes)

    assert due() == []


def test_what_somebody_asked_for_goes_first_then_what_waits_longest(network):
    partners = [register(network, name, f"NL-{name}-CPO") for name in ("AAA", "BBB", "CCC")]
    planned(partners[0], next_pull_at=NOW - MINUTE)
    planned(partners[1], next_full_at=NOW - HOUR)
    planned(partners[2], wanted="CHANGES", wanted_at=NOW)

    assert [name for name, _ in due()] == ["CCC", "BBB", "AAA"]


def test_of_one_partner_only_some_lists_are_read_at_once(network, monkeypatch):
    monkeypatch.setattr(pullplans, "OF_ONE_PARTNER", 1)
    both = register(network, "TWO", "NL-TWO-CPO", "NL-TWO-EMSP")
    pullplans.make(both.platform, NOW)
    PullPlan.objects.update(next_pull_at=NOW)
    first = pullplans.claim(NOW)

    assert first is not None
    assert pullplans.claim(NOW) is None
    pullplans.run(first, NOW)
    assert pullplans.claim(NOW).module != first.module


def test_a_plan_is_claimed_once_and_again_when_its_worker_is_gone(cpo):
    plan = planned(cpo, next_pull_at=NOW)
    first = pullplans.claim(NOW)
    later = NOW + pullplans.HELD_FOR

    assert first.pk == plan.pk
    assert pullplans.claim(later - MINUTE) is None
    second = pullplans.claim(later)
    assert (second.pk, second.holder != first.holder) == (plan.pk, True)


def test_a_claim_is_renewed_by_each_page(cpo):
    planned(cpo, next_pull_at=NOW)
    cpo.lists["locations"], cpo.page_size = [examples.location(id="A"), examples.location(id="B")], 1
    held = []

    def note(request):
        if request.url.params.get("offset"):
            held.append(PullPlan.objects.get().held_until)

    cpo.answers.append(note)
    run(NOW)

    assert held[0] > timezone.now() + pullplans.HELD_FOR - MINUTE


# ------------------------------------------------------------------------------------------------ running them
def test_after_a_pull_the_next_one_is_due_an_interval_later(cpo):
    plan = planned(cpo, next_pull_at=NOW, failures=2)
    cpo.lists["locations"] = []
    before = timezone.now()
    (report,) = run(NOW)

    after = fresh(plan)
    assert report.pull.started_at == NOW
    assert HOUR <= after.next_pull_at - before < HOUR + MINUTE
    assert (after.holder, after.held_until, after.failures, after.not_before) == ("", None, 0, None)


@pytest.mark.parametrize(
    ("changes", "full"),
    [
        ({"next_pull_at": NOW}, False),
        ({"next_full_at": NOW}, True),
        ({"wanted": "CHANGES", "wanted_at": NOW}, False),
        ({"wanted": "ALL", "wanted_at": NOW}, True),
        ({"wanted": "CHANGES", "wanted_at": NOW, "next_full_at": NOW}, True),
        ({"wanted": "CHANGES", "wanted_at": NOW, "next_full_at": NOW, "enabled": False}, False),
    ],
)
def test_what_is_read_in_full(cpo, changes, full):
    cpo.lists["locations"] = []
    sync.pull_platform(cpo.platform.pk, "locations", now=NOW - DAY)
    plan = planned(cpo, **changes)
    (report,) = run(NOW)

    assert report.pull.full is full
    after = fresh(plan)
    assert (after.wanted, due(timezone.now())) == ("", [])
    assert (after.next_full_at != plan.next_full_at) is full


def test_a_failed_pull_is_tried_again_soon_and_then_less_often(cpo, monkeypatch):
    monkeypatch.setattr(pullplans.random, "random", lambda: 0)
    plan = planned(cpo, wanted="ALL", wanted_at=NOW, since=NOW - HOUR)
    cpo.answers.append(lambda request: httpx.Response(500))
    waits = []
    for number in range(6):
        before = timezone.now()
        run(timezone.now() + number * 3 * HOUR)
        waits.append(round((fresh(plan).not_before - before).total_seconds()))

    assert waits == [5, 60, 300, 900, 3600, 3600]
    after = fresh(plan)
    assert (after.failures, after.wanted, after.since) == (6, "ALL", NOW - HOUR)
    assert (after.next_pull_at, after.next_full_at) == (plan.next_pull_at, plan.next_full_at)


def test_a_fault_of_the_hub_is_a_failure_like_any_other(cpo, monkeypatch):
    plan = planned(cpo, next_pull_at=NOW)
    monkeypatch.setattr(sync, "pull_platform", lambda *args, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(NOW)

    after = fresh(plan)
    assert (after.failures, after.holder, after.held_until) == (1, "", None)


def test_a_partner_that_asks_to_be_called_later_is(cpo):
    plan = planned(cpo, next_pull_at=NOW)
    quota = [enveloped(status_code=2000, http_status=429, **{"Retry-After": "600"})]
    cpo.lists["locations"] = [examples.location()]
    cpo.answers.append(lambda request: quota.pop() if quota else None)
    (waiting,) = run(timezone.now() + HOUR)

    after = fresh(plan)
    assert (waiting.pull.state, after.not_before, after.failures) == ("WAITING", waiting.pull.resume_at, 0)
    assert due(after.not_before - MINUTE) == []
    (report,) = run(after.not_before)
    assert (report.pull.state, report.pull.pk) == ("DONE", waiting.pull.pk)


def test_a_list_that_somebody_reads_by_hand_is_waited_for(cpo):
    plan = planned(cpo, next_pull_at=NOW)
    Pull.objects.create(
        platform=cpo.platform, module="locations", party="NL*ABC", full=True, started_at=NOW,
        touched_at=timezone.now() + HOUR,
    )  # fmt: skip
    run(timezone.now() + HOUR)

    after = fresh(plan)
    assert (after.failures, after.next_pull_at) == (0, NOW)
    assert after.not_before - timezone.now() > pullplans.BUSY_FOR - MINUTE / 2
    assert cpo.calls == []


def test_a_worker_that_is_stopped_leaves_the_rest_of_a_list_to_another(cpo, monkeypatch):
    planned(cpo, next_full_at=NOW)
    cpo.lists["locations"], cpo.page_size = [examples.location(id=name) for name in "ABC"], 1
    stopping = pullplans.threading.Event()
    monkeypatch.setattr(pullplans, "stopping", stopping)
    stopping.set()
    (cut_off,) = run(timezone.now() + DAY)
    stopping.clear()
    (gone_on,) = run(timezone.now() + DAY)

    assert (cut_off.pull.state, cut_off.pull.error) == ("FAILED", "the worker was stopped")
    assert (gone_on.pull.pk, gone_on.pull.state, gone_on.pull.received) == (cut_off.pull.pk, "DONE", 3)
    background.flush()
    assert [report.kind for report in ErrorReport.objects.all()] == ["pull.interrupted"]
    assert len(cpo.calls) == 3


def test_a_long_list_makes_way_for_others_that_wait_and_goes_on_after_them(cpo, emsp, monkeypatch):
    planned(cpo, next_full_at=NOW)
    cpo.lists["locations"], cpo.page_size = [examples.location(id=name) for name in "ABC"], 1
    monkeypatch.setattr(pullplans, "TURN", -1)
    now = timezone.now() + DAY
    waiting = planned(emsp, next_full_at=now + MINUTE)
    monkeypatch.setattr(pullplans.clock, "now", lambda: now + HOUR)
    (made_way,) = run(now)
    plan = PullPlan.objects.get(platform=cpo.platform)
    assert (made_way.pull.state, made_way.pull.pages) == ("WAITING", 1)
    assert made_way.pull.error == "other lists wait to be read; it goes on after them"
    assert plan.not_before == now + HOUR + pullplans.MAKES_WAY_FOR
    assert pullplans.claim(now + HOUR).pk == waiting.pk

    PullPlan.objects.filter(pk=waiting.pk).update(held_until=FAR)
    (gone_on,) = run(now + 2 * HOUR)

    assert (gone_on.pull.pk, gone_on.pull.state, gone_on.pull.received) == (made_way.pull.pk, "DONE", 3)
    background.flush()
    assert not ErrorReport.objects.exists()


def test_a_list_that_the_partner_no_longer_offers_is_left_in_peace(cpo):
    plan = planned(cpo, wanted="ALL", wanted_at=NOW)
    cpo.platform.endpoints.all().delete()

    assert run(NOW) == []
    assert (fresh(plan).wanted, due()) == ("", [])


def test_a_party_whose_list_was_read_is_left_out_when_that_of_another_is_tried_again(network):
    both = register(network, "TWO", "NL-ONE-CPO", "NL-TWO-CPO")
    plan = planned(both, wanted="ALL", wanted_at=NOW)
    broken = [httpx.Response(500), enveloped(status_code=2000, http_status=429)]

    def answer(request):
        party = request.headers["OCPI-to-party-id"]
        if party == "TWO" and broken:
            return broken.pop()
        return enveloped([examples.location(party_id=party)])

    both.answers.append(answer)
    now = timezone.now()
    for hours in range(3):
        run(now + hours * 2 * HOUR)

    assert [call.headers["OCPI-to-party-id"] for call in both.calls] == ["ONE", "TWO", "TWO", "TWO"]
    assert (fresh(plan).wanted, fresh(plan).begun_at) == ("", None)
    pullplans.ask_platform(both.platform, full=True)
    run(timezone.now() + 9 * HOUR)
    assert [call.headers["OCPI-to-party-id"] for call in both.calls[4:]] == ["ONE", "TWO"]


# ----------------------------------------------------------------------------------------------- asking for them
def test_what_is_asked_for_is_read_though_it_is_switched_off(cpo):
    planned(cpo, enabled=False)
    pullplans.ask_platform(cpo.platform)

    assert due(timezone.now()) == [("ABC", "locations")]


def test_after_an_outage_only_what_is_read_by_schedule_is(cpo, emsp):
    planned(cpo, enabled=False)
    for partner in (cpo, emsp):
        pullplans.ask_platform(partner.platform, since=NOW)

    assert due(timezone.now()) == [("MSP", "tokens")]


def test_the_earliest_outage_counts_until_the_list_is_read(cpo, settings):
    settings.HUB_PULL_OVERLAP = 60
    cpo.lists["locations"] = []
    sync.pull_platform(cpo.platform.pk, "locations")
    plan = planned(cpo)
    for since in (NOW, NOW - HOUR, NOW + HOUR):
        pullplans.ask_platform(cpo.platform, since=since)
    assert fresh(plan).since == NOW - HOUR
    cpo.answers.append(lambda request: httpx.Response(500))
    run(timezone.now())
    assert fresh(plan).since == NOW - HOUR

    cpo.answers.clear()
    (report,) = run(timezone.now() + HOUR)
    assert report.pull.date_from == NOW - HOUR - MINUTE
    assert (fresh(plan).since, fresh(plan).wanted) == (None, "")


def test_a_full_pull_that_was_asked_for_is_not_made_less_by_a_smaller_wish(cpo):
    plan = planned(cpo)
    pullplans.ask_platform(cpo.platform, full=True)
    pullplans.ask_platform(cpo.platform)

    assert fresh(plan).wanted == "ALL"


def test_what_is_asked_for_during_a_pull_is_read_after_it(cpo):
    """The pages that were read already may be older than the wish."""
    plan = planned(cpo, next_pull_at=NOW)
    cpo.lists["locations"] = []
    cpo.answers.append(lambda request: pullplans.ask_platform(cpo.platform, since=NOW - DAY))
    run(NOW)

    after = fresh(plan)
    assert (after.wanted, after.since, after.holder) == ("CHANGES", NOW - DAY, "")
    assert due(timezone.now()) == [("ABC", "locations")]


def test_a_full_pull_that_went_on_is_followed_by_what_changed_since(cpo):
    plan = planned(cpo, next_full_at=NOW)
    cpo.lists["locations"], cpo.page_size = [examples.location(id="A"), examples.location(id="B")], 1
    broken = [httpx.Response(500)]
    cpo.answers.append(lambda request: broken.pop() if broken and request.url.params.get("offset") else None)
    run(timezone.now() - MINUTE)
    pullplans.ask_platform(cpo.platform, full=True)
    (report,) = run(timezone.now())

    assert (report.pull.state, report.pull.resumed) == ("DONE", 1)
    assert fresh(plan).wanted == "CHANGES"


def test_a_partner_that_left_keeps_its_plans_with_nothing_asked_for(cpo):
    plan = planned(cpo, interval=77)
    pullplans.ask_platform(cpo.platform, since=NOW)
    pullplans.stand_still(cpo.platform)

    after = fresh(plan)
    assert (after.interval, after.wanted, after.since) == (77, "", None)


# -------------------------------------------------------------------------------------------- by the workers
def test_workers_find_due_plans_by_themselves(cpo, emsp, monkeypatch):
    begun = []

    class Thread:
        def __init__(self, target, args, **more):
            self.work = (target, args[0])

        def start(self):
            begun.append(self.work)

    monkeypatch.setattr(sweeper.threading, "Thread", Thread)
    for partner in (cpo, emsp):
        partner.lists |= {"locations": [examples.location()], "tokens": [examples.token()]}
        pullplans.make(partner.platform)
        pullplans.ask_platform(partner.platform)
    sweeper.begin_pulls()
    assert [plan.platform.name for _, plan in begun] == ["ABC", "MSP"]
    monkeypatch.setattr(sweeper.connection, "close", lambda: None)
    for target, plan in begun:
        target(plan)

    assert Location.objects.count() == 1
    assert sorted(Pull.objects.values_list("module", "state")) == [("locations", "DONE"), ("tokens", "DONE")]
    assert due(timezone.now()) == []


def test_a_worker_reads_only_so_many_lists_at_once(network, monkeypatch):
    monkeypatch.setattr(sweeper, "_places", sweeper.threading.BoundedSemaphore(2))
    begun = []

    class Thread:
        def __init__(self, **more):
            begun.append(more["args"][0].platform.name)

        def start(self):
            pass

    monkeypatch.setattr(sweeper.threading, "Thread", Thread)
    for name in ("AAA", "BBB", "CCC"):
        planned(register(network, name, f"NL-{name}-CPO"), wanted="ALL", wanted_at=NOW)
    sweeper.begin_pulls()
    sweeper.begin_pulls()

    assert begun == ["AAA", "BBB"]
    assert PullPlan.objects.filter(held_until=None).get().platform.name == "CCC"


# --------------------------------------------------------------------------------------------------- in words
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "every hour, in full at 02:00 UTC"),
        ({"interval": 5400}, "every 90 minutes, in full at 02:00 UTC"),
        ({"interval": 2 * 86400, "full_at": None}, "every 2 days"),
        ({"interval": None}, "in full at 02:00 UTC"),
        ({"enabled": False}, "only when asked for"),
    ],
)
def test_the_schedule_in_words(cpo, changes, text):
    assert planwords.schedule(planned(cpo, **changes)) == text


@pytest.mark.parametrize(
    ("module", "changes", "text"),
    [
        ("locations", {}, "UNKNOWN after 3 full, REMOVED after 14 full"),
        ("locations", {"unknown_after": 1, "removed_after": None}, "UNKNOWN after 1 full"),
        ("locations", {"unknown_after": None, "removed_after": None}, "kept, marked as missing"),
        ("locations", {"full_at": None}, "never noticed: no full pull"),
        ("tokens", {}, "kept, marked as missing"),
        ("tariffs", {}, "deleted, receivers are told"),
        ("sessions", {}, "kept"),
    ],
)
def test_what_becomes_of_the_vanished_in_words(cpo, settings, module, changes, text):
    settings.OCPI_MODULES = ["locations", "tokens", "tariffs", "sessions"]
    plan = PullPlan(
        **{
            "platform": cpo.platform,
            "module": module,
            "full_at": time(2),
            "unknown_after": 3,
            "removed_after": 14,
        }
        | changes
    )
    assert planwords.policy(plan) == text


@pytest.mark.parametrize(
    ("changes", "last", "text"),
    [
        ({}, None, "never read so far"),
        ({}, {"state": "DONE"}, "up to date"),
        ({"enabled": False}, {"state": "DONE"}, "switched off"),
        ({"wanted": "ALL", "wanted_at": NOW}, None, "asked for, begins within seconds"),
        (
            {},
            {"state": "RUNNING", "pages": 3, "received": 600, "total": 80000},
            "is being read: page 4, 600 of 80000 objects so far",
        ),
        (
            {"not_before": NOW + HOUR},
            {"state": "WAITING", "resume_at": NOW + HOUR, "error": "page 2: HTTP 429"},
            "waits until 2026-03-01 13:00:00 UTC and goes on then: page 2: HTTP 429",
        ),
        (
            {"failures": 2, "next_pull_at": NOW, "not_before": NOW + MINUTE},
            {"state": "FAILED", "error": "page 1: HTTP 500"},
            "failed 2 times in a row: page 1: HTTP 500; the next one begins at 2026-03-01 12:01:00 UTC",
        ),
        (
            {"failures": 1, "wanted": "ALL", "wanted_at": NOW},
            {"state": "FAILED", "error": "page 1: HTTP 500"},
            "failed once: page 1: HTTP 500; the next one begins within seconds",
        ),
        ({}, {"state": "DONE", "note": "NL*ABC listed nothing"}, "NL*ABC listed nothing"),
    ],
)
def test_how_a_plan_stands_in_words(cpo, changes, last, text):
    found = Pull(**last) if last else None

    assert planwords.state(planned(cpo, **changes), found, NOW) == text


def test_the_plan_of_a_partner_that_left_says_that_it_rests(cpo):
    plan = planned(cpo)
    plan.platform.token_cipher = ""

    assert planwords.state(plan, None, NOW) == "rests: the partner is not registered"


@pytest.mark.parametrize(
    ("ago", "text"), [(0, "now"), (59, "59 seconds ago"), (60, "1 minute ago"), (7300, "2 hours ago")]
)
def test_ages_in_words(ago, text):
    assert planwords.age(NOW - timedelta(seconds=ago), NOW) == text

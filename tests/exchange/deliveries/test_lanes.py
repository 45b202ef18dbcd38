"""A lane per partner: leases, claims, the breaker."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange import tasks
from ocpi_hub.exchange.calls import verdicts
from ocpi_hub.exchange.deliveries import lanebreaker, lanes, outcomes
from ocpi_hub.exchange.housekeeping import liveness, sweeper
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Lane, Pull, PullPlan
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.exchange.pulls.sync import date_from
from ocpi_hub.partners.models import Platform
from tests import examples
from tests.partners import enveloped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PENDING, SENDING, DELIVERED, ABSORBED, FAILED = "PENDING", "SENDING", "DELIVERED", "ABSORBED", "FAILED"


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    monkeypatch.setattr(outcomes, "jitter", lambda: 0.0)


def push(cpo, *object_ids):
    for object_id in object_ids:
        answered = cpo.put(f"receiver/locations/NL/ABC/{object_id}", examples.location(id=object_id))
        assert answered.status_code == 1000
    outbox.expand()
    Delivery.objects.filter(state=PENDING, tries=0).update(next_attempt_at=NOW)


def fail(http_status=503):
    return lambda request: httpx.Response(http_status)


def broken(request):
    raise httpx.ConnectError("connection refused", request=request)


def states():
    return list(Delivery.objects.order_by("id").values_list("state", flat=True))


def due_now(platform):
    """As if the waits were over, of the deliveries and of the breaker."""
    Delivery.objects.filter(platform=platform, state=PENDING).update(next_attempt_at=NOW)
    Lane.objects.filter(platform=platform, probe_at__isnull=False).update(probe_at=NOW)


def acquired(platform):
    lane = lanes._acquire(platform.pk)
    assert lane is not None
    return lane


def expire_lease():
    Lane.objects.update(held_until=timezone.now() - timedelta(milliseconds=1))


def expire_claims():
    lease = outcomes.lease_of(Platform())
    Delivery.objects.filter(state=SENDING).update(claimed_at=timezone.now() - lease)


# ------------------------------------------------------------------------------------------------- leases
def test_a_lane_is_held_by_one_drain_at_a_time(cpo, emsp):
    push(cpo, "LOC1")
    first = acquired(emsp.platform)
    assert lanes._acquire(emsp.platform.pk) is None

    expire_lease()
    second = acquired(emsp.platform)
    assert second.holder != first.holder


def test_a_drain_of_a_held_lane_does_nothing(cpo, emsp):
    push(cpo, "LOC1")
    acquired(emsp.platform)

    assert lanes.drain(emsp.platform.pk) == 0
    assert states() == [PENDING]
    assert emsp.calls == []


def test_a_lane_is_free_after_its_drain_even_when_that_failed(cpo, emsp, monkeypatch):
    push(cpo, "LOC1")
    monkeypatch.setattr(lanes, "_work", lambda lane: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        lanes.drain(emsp.platform.pk)

    lane = Lane.objects.get()
    assert (lane.holder, lane.held_until) == ("", None)


def test_a_drain_that_lost_its_lane_writes_nothing_but_that_what_it_sent_is_to_follow(cpo, emsp):
    push(cpo, "LOC1")

    def steal(request):
        Lane.objects.filter(platform=emsp.platform).update(holder="another")

    emsp.answers.append(steal)
    lanes.drain(emsp.platform.pk)

    assert states() == [SENDING, PENDING]
    assert Lane.objects.get().holder == "another"


def test_a_drain_that_lost_its_lane_claims_nothing_more_and_puts_nothing_back(cpo, emsp, monkeypatch):
    push(cpo, "LOC1", "LOC2", "LOC3")
    monkeypatch.setattr(lanes, "FLUSH_AFTER", -1.0)

    def steal(request):
        Lane.objects.filter(platform=emsp.platform).update(holder="another")

    emsp.answers.append(steal)

    assert lanes.drain(emsp.platform.pk) == 1
    assert states() == [SENDING, SENDING, SENDING, PENDING]
    assert Lane.objects.get().holder == "another"
    assert len(emsp.calls) == 1


def test_a_drain_that_lost_its_lane_at_the_end_of_its_slice_puts_nothing_back(cpo, emsp, monkeypatch):
    push(cpo, "LOC1", "LOC2")
    monkeypatch.setattr(lanes, "FLUSH_AFTER", 3600.0)
    monkeypatch.setattr(lanebreaker, "rests", lambda lane, now: bool(emsp.calls))

    def steal(request):
        Lane.objects.filter(platform=emsp.platform).update(holder="another")

    emsp.answers.append(steal)
    lanes.drain(emsp.platform.pk)

    assert len(emsp.calls) == 1
    assert states() == [SENDING, SENDING, PENDING]


def test_a_drain_that_lost_its_lane_does_not_go_on_in_the_name_of_the_new_holder(cpo, emsp, monkeypatch):
    push(cpo, "LOC1", "LOC2")
    monkeypatch.setattr(lanes, "BATCH", 1)

    def steal(request):
        Lane.objects.filter(platform=emsp.platform).update(holder="another")

    emsp.answers.append(steal)
    lanes.drain(emsp.platform.pk)

    assert states() == [SENDING, PENDING, PENDING]
    assert Lane.objects.get().holder == "another"
    assert len(emsp.calls) == 1


def test_what_is_due_already_is_left_alone_when_a_partner_is_back(cpo, emsp):
    push(cpo, "LOC1", "LOC2")
    now = NOW + timedelta(minutes=1)
    Delivery.objects.filter(key="NL/ABC/LOC2").update(next_attempt_at=now + timedelta(hours=1))

    lanebreaker.came_back(emsp.platform, now)

    due = dict(Delivery.objects.values_list("key", "next_attempt_at"))
    assert due == {"NL/ABC/LOC1": NOW, "NL/ABC/LOC2": now}


@pytest.fixture
def restarts(monkeypatch):
    """Of PostgreSQL, so many of them while a drain writes down what came of deliveries; the pauses in between."""
    pauses, write, faults = [], outcomes._write, []

    def interrupted(*args):
        if faults:
            raise faults.pop()
        return write(*args)

    monkeypatch.setattr(outcomes, "_write", interrupted)
    monkeypatch.setattr(outcomes.connection, "close", lambda: None)
    monkeypatch.setattr(outcomes.time, "sleep", pauses.append)
    return lambda times, fault=OperationalError: faults.extend([fault("gone")] * times) or pauses


@pytest.mark.parametrize("fault", [OperationalError, InterfaceError])
def test_what_was_sent_is_written_down_when_postgresql_is_back(cpo, emsp, restarts, fault):
    push(cpo, "LOC1")
    pauses = restarts(2, fault)

    assert lanes.drain(emsp.platform.pk) == 1

    assert (states(), len(emsp.calls), pauses) == ([DELIVERED], 1, [outcomes.PAUSE] * 2)


def test_a_drain_ends_when_postgresql_is_gone_for_half_its_lease(cpo, emsp, restarts, monkeypatch):
    push(cpo, "LOC1")
    restarts(2)
    monkeypatch.setattr(outcomes, "lease_of", lambda platform: timedelta(seconds=-1))

    with pytest.raises(OperationalError, match="gone"):
        lanes.drain(emsp.platform.pk)

    assert states() == [SENDING]


def test_a_flush_renews_the_lease_and_the_claims_that_wait(cpo, emsp):
    push(cpo, "LOC1", "LOC2")
    lane = acquired(emsp.platform)
    claimed = lanes.claim(lane, timezone.now())
    Lane.objects.update(held_until=NOW)
    Delivery.objects.update(claimed_at=NOW)

    assert lanes.flush(lane, [], claimed[1:])

    assert Lane.objects.get().held_until > timezone.now()
    assert Delivery.objects.get(pk=claimed[0].pk).claimed_at == NOW
    assert Delivery.objects.get(pk=claimed[1].pk).claimed_at > NOW


# ------------------------------------------------------------------------------------------------- claims
def test_claims_are_made_in_order_and_a_batch_at_a_time(cpo, emsp, monkeypatch):
    push(cpo, "LOC1", "LOC2", "LOC3")
    monkeypatch.setattr(lanes, "BATCH", 2)
    lane = acquired(emsp.platform)

    assert [row.key for row in lanes.claim(lane, timezone.now())] == ["NL/ABC/LOC1", "NL/ABC/LOC2"]
    assert states() == [SENDING, SENDING, PENDING]
    assert [row.key for row in lanes.claim(lane, timezone.now())] == ["NL/ABC/LOC3"]


def test_an_object_that_is_being_sent_is_not_claimed_again(cpo, emsp):
    push(cpo, "LOC1")
    Delivery.objects.update(state=SENDING, claimed_at=timezone.now())
    push(cpo, "LOC1", "LOC2")

    assert [row.key for row in lanes.claim(acquired(emsp.platform), timezone.now())] == ["NL/ABC/LOC2"]


def test_what_is_not_due_is_not_claimed(cpo, emsp):
    push(cpo, "LOC1")
    Delivery.objects.update(next_attempt_at=NOW + timedelta(seconds=1))
    lane = acquired(emsp.platform)

    assert lanes.claim(lane, NOW) == []
    assert len(lanes.claim(lane, NOW + timedelta(seconds=1))) == 1


@pytest.mark.parametrize("changes", [{"status": "SUSPENDED"}, {"token_cipher": ""}])
def test_nothing_is_sent_to_a_partner_that_is_suspended_or_left(cpo, emsp, changes):
    push(cpo, "LOC1")
    Platform.objects.filter(pk=emsp.platform.pk).update(**changes)

    assert lanes.due_platforms(timezone.now()) == []
    assert lanes.drain(emsp.platform.pk) == 0
    assert states() == [PENDING]


def test_a_partner_that_is_suspended_meanwhile_gets_nothing_more(cpo, emsp, monkeypatch):
    push(cpo, "LOC1", "LOC2")
    monkeypatch.setattr(lanes, "BATCH", 1)

    def suspend(request):
        Platform.objects.filter(pk=emsp.platform.pk).update(status="SUSPENDED")

    emsp.answers.append(suspend)

    assert lanes.drain(emsp.platform.pk) == 1
    assert states() == [DELIVERED, PENDING]
    assert len(emsp.calls) == 1


def test_claims_are_made_without_comparing_each_delivery_with_every_other(cpo, emsp, rows_read):
    push(cpo, *(f"LOC{number}" for number in range(200)))
    Delivery.objects.update(state=DELIVERED)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE exchange_delivery")  # the statistics of a quiet hour: nothing is pending
    Delivery.objects.filter(pk__in=Delivery.objects.order_by("id")[:150].values("pk")).update(state=PENDING)
    Delivery.objects.filter(state=DELIVERED).update(state=SENDING, claimed_at=NOW)
    lane = acquired(emsp.platform)
    before = rows_read("exchange_delivery")

    assert len(lanes.claim(lane, timezone.now())) == 20
    assert rows_read("exchange_delivery") - before < 5 * 200


def copy_delivery(count):
    """So many more like the one that is there, of other locations."""
    row = Delivery.objects.get()
    names = [field.attname for field in Delivery._meta.concrete_fields if field.attname != "id"]
    values = {name: getattr(row, name) for name in names}
    copies = (values | {"key": f"NL/ABC/COPY{n}", "parent_key": f"NL/ABC/COPY{n}"} for n in range(count))
    Delivery.objects.bulk_create([Delivery(**copy) for copy in copies])


def quiet_hour():
    """The statistics know of nothing that is pending."""
    Delivery.objects.update(state=DELIVERED)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE exchange_delivery")
    Delivery.objects.update(state=PENDING)


def test_a_claim_reads_what_it_takes_and_not_all_that_waits(cpo, emsp, rows_read):
    push(cpo, "LOC1")
    copy_delivery(3_000)
    quiet_hour()
    lane = acquired(emsp.platform)
    before = rows_read("exchange_delivery")

    assert len(lanes.claim(lane, timezone.now())) == 20
    assert rows_read("exchange_delivery") - before <= 5 * 20


@pytest.mark.parametrize("known", [False, True], ids=["quiet hour", "known"])
def test_which_lanes_are_due_is_seen_without_reading_all_that_waits(cpo, emsp, stranger, rows_read, known):
    push(cpo, *(f"LOC{number}" for number in range(300)))
    Delivery.objects.filter(platform=stranger.platform).delete()
    quiet_hour()
    if known:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE exchange_delivery")
    before = rows_read("exchange_delivery")

    assert lanes.due_platforms(timezone.now()) == [emsp.platform.pk]
    assert rows_read("exchange_delivery") - before <= 3


def test_a_claim_that_expired_is_in_doubt_and_is_sent_as_the_state(cpo, emsp):
    push(cpo, "LOC1")
    lane = acquired(emsp.platform)
    lanes.claim(lane, NOW)

    lease = outcomes.lease_of(emsp.platform)
    Delivery.objects.update(claimed_at=timezone.now() - lease + timedelta(seconds=5))
    assert outcomes.recover() == 0
    expire_claims()
    before = timezone.now()
    assert outcomes.recover() == 1

    row = Delivery.objects.get()
    assert (row.state, row.exact, row.tries) == (PENDING, False, 0)
    assert row.claimed_at is None
    assert before <= row.next_attempt_at <= timezone.now()
    assert row.reason == "a worker ended while it was being sent"


def test_a_claim_that_expired_gives_way_to_a_newer_delivery_of_the_same_part(cpo, emsp):
    push(cpo, "LOC1")
    lanes.claim(acquired(emsp.platform), NOW)
    push(cpo, "LOC1")
    expire_claims()
    outcomes.recover()

    first, second = Delivery.objects.order_by("id")
    assert (first.state, first.reason) == (ABSORBED, "a newer delivery carries the same part")
    assert (second.state, second.exact) == (PENDING, False)


def test_what_was_claimed_and_not_sent_waits_again_as_it_was(cpo, emsp):
    push(cpo, "LOC1", "LOC2")
    lane = acquired(emsp.platform)
    claimed = lanes.claim(lane, NOW)
    push(cpo, "LOC2")
    assert lanes.flush(lane, [], [], claimed)

    first, second, newer = Delivery.objects.order_by("id")
    assert (first.state, first.exact, first.tries, first.claimed_at) == (PENDING, True, 0, None)
    assert (second.state, second.reason) == (ABSORBED, "a newer delivery carries the same part")
    assert (newer.state, newer.exact) == (PENDING, False)


def test_a_slice_that_is_over_puts_the_rest_back(cpo, emsp, settings, monkeypatch):
    push(cpo, "LOC1", "LOC2", "LOC3")
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(lanes.time, "monotonic", lambda: float(next(clock)))
    settings.HUB_DRAIN_SLICE = 50.0
    tried = lanes.drain(emsp.platform.pk)

    assert 0 < tried < 3
    assert states() == [DELIVERED] * tried + [PENDING] * (3 - tried)
    assert list(Delivery.objects.filter(state=PENDING).values_list("exact", flat=True)) == [True] * (
        3 - tried
    )


# ------------------------------------------------------------------------------------------------ results
def test_a_delivery_that_arrived_is_finished(cpo, emsp):
    push(cpo, "LOC1")

    assert lanes.drain(emsp.platform.pk) == 1
    row = Delivery.objects.get()
    assert (row.state, row.tries, row.reason) == (DELIVERED, 1, "accepted")
    assert row.finished_at is not None


@pytest.mark.parametrize(("seconds", "together"), [(0.5, [4]), (1.5, [2, 2]), (30.0, [1, 1, 1, 1])])
def test_what_came_of_deliveries_is_written_for_several_at_once_but_soon(
    cpo, emsp, monkeypatch, seconds, together
):
    push(cpo, "LOC1", "LOC2", "LOC3", "LOC4")
    written = []
    flush = lanes.flush
    monkeypatch.setattr(
        lanes, "flush", lambda lane, done, *rest: written.append(len(done)) or flush(lane, done, *rest)
    )
    monkeypatch.setattr(lanes.time, "monotonic", lambda: seconds * len(emsp.calls))
    monkeypatch.setattr(lanes.settings, "HUB_DRAIN_SLICE", 3600.0)

    lanes.drain(emsp.platform.pk)

    assert states() == [DELIVERED] * 4
    assert written == together


def test_a_temporary_failure_waits_by_the_schedule_of_the_partner(cpo, emsp):
    Platform.objects.filter(pk=emsp.platform.pk).update(retry_schedule=[600])
    emsp.answers.append(fail(503))
    push(cpo, "LOC1")
    before = timezone.now()
    lanes.drain(emsp.platform.pk)

    row = Delivery.objects.get()
    assert (row.state, row.tries, row.exact) == (PENDING, 1, False)
    assert row.reason == "HTTP 503 without an OCPI envelope"
    assert timedelta(seconds=600) <= row.next_attempt_at - before < timedelta(seconds=660)


def test_a_delivery_is_given_up_after_its_schedule_and_keeps_the_reason(cpo, emsp):
    Platform.objects.filter(pk=emsp.platform.pk).update(retry_schedule=[1])
    emsp.answers.append(broken)
    push(cpo, "LOC1")
    lanes.drain(emsp.platform.pk)
    due_now(emsp.platform)
    lanes.drain(emsp.platform.pk)

    row = Delivery.objects.get()
    assert (row.state, row.tries, row.next_attempt_at) == (FAILED, 2, None)
    assert row.reason == "msp.example: connection refused"
    assert row.finished_at is not None


def test_a_failure_leaves_no_exact_delivery_of_the_same_object(cpo, emsp):
    push(cpo, "LOC1")
    lane = acquired(emsp.platform)
    (claimed,) = lanes.claim(lane, timezone.now())
    cpo.put("receiver/locations/NL/ABC/LOC1/EVSE1", examples.evse(last_updated="2026-03-01T09:00:00Z"))
    outbox.expand()
    Delivery.objects.exclude(pk=claimed.pk).update(exact=True)
    result = verdicts.Result(verdicts.Verdict.TEMPORARY, "no", "PUT", "https://msp.example")
    lanes.flush(lane, [outcomes.Done(claimed, result, NOW)], [])

    assert list(Delivery.objects.values_list("exact", flat=True)) == [False, False]


def test_a_failed_whole_that_returns_gives_way_to_a_newer_one(cpo, emsp):
    push(cpo, "LOC1")

    def newer(request):
        if not Delivery.objects.filter(state=PENDING).exists():
            push(cpo, "LOC1")
        return httpx.Response(503)

    emsp.answers.append(newer)
    lanes.drain(emsp.platform.pk)

    assert states()[0] == ABSORBED
    assert Delivery.objects.filter(state=PENDING).count() == 1


# ------------------------------------------------------------------------------------------------ breaker
def open_breaker(cpo, emsp, *more):
    emsp.answers.append(broken)
    push(cpo, *(f"LOC{number}" for number in range(1, 6)), *more)
    lanes.drain(emsp.platform.pk)
    emsp.platform.refresh_from_db()


def test_the_breaker_opens_after_five_failures_in_a_row(cpo, emsp):
    open_breaker(cpo, emsp, "LOC6", "LOC7")

    lane = Lane.objects.get()
    assert lane.failures == 5
    assert timedelta() < lane.probe_at - timezone.now() <= timedelta(seconds=emsp.platform.schedule[0])
    assert emsp.platform.status == "CONNECTED"
    assert emsp.platform.next_probe_at <= timezone.now()  # whether it is there at all is asked at once
    assert len(emsp.calls) == 5
    assert list(Delivery.objects.order_by("id").values_list("tries", flat=True)) == [1, 1, 1, 1, 1, 0, 0]
    assert states() == [PENDING] * 7


@pytest.mark.parametrize(
    ("http_status", "status_code", "opens"),
    [
        (200, 2001, False),
        (404, 2003, False),
        (405, 2000, False),
        (200, 3000, True),
        (500, 3000, True),
        (401, 2000, True),
    ],
)
def test_refusals_are_answers_and_do_not_open_the_breaker(cpo, emsp, http_status, status_code, opens):
    emsp.answers.append(lambda request: enveloped(status_code=status_code, http_status=http_status))
    push(cpo, *(f"LOC{number}" for number in range(1, 8)))
    lanes.drain(emsp.platform.pk)
    emsp.platform.refresh_from_db()

    assert lanebreaker.is_open(emsp.platform.pk) is opens
    assert (emsp.platform.next_probe_at is not None) is opens
    assert len(emsp.calls) == (5 if opens else 7)


def test_a_partner_that_lacks_the_parents_of_what_it_is_sent_is_well(cpo, emsp):
    push(cpo, *(f"LOC{number}" for number in range(1, 7)))
    lanes.drain(emsp.platform.pk)
    emsp.answers.append(lambda request: enveloped(status_code=2003, http_status=404))
    for number in range(1, 7):
        cpo.patch(
            f"receiver/locations/NL/ABC/LOC{number}/EVSE1",
            {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"},
        )
    outbox.expand()
    lanes.drain(emsp.platform.pk)
    emsp.platform.refresh_from_db()

    assert emsp.platform.status == "CONNECTED"
    assert Lane.objects.get().failures == 0


def test_a_success_between_failures_keeps_the_breaker_closed(cpo, emsp):
    push(cpo, *(f"LOC{number}" for number in range(1, 10)))
    emsp.answers.append(lambda request: None if request.url.path.endswith("5") else httpx.Response(500))
    lanes.drain(emsp.platform.pk)
    emsp.platform.refresh_from_db()

    assert Lane.objects.get().failures == 4
    assert emsp.platform.status == "CONNECTED"


def test_an_open_breaker_rests_until_its_probe(cpo, emsp):
    open_breaker(cpo, emsp, "LOC6")
    emsp.calls.clear()

    assert lanes.due_platforms(timezone.now()) == []
    assert lanes.drain(emsp.platform.pk) == 0
    assert emsp.calls == []

    due_now(emsp.platform)
    assert lanes.due_platforms(timezone.now()) == [emsp.platform.pk]


def test_an_open_breaker_lets_one_delivery_through_and_each_in_turn(cpo, emsp):
    open_breaker(cpo, emsp, "LOC6", "LOC7")
    emsp.calls.clear()
    for _ in range(4):
        due_now(emsp.platform)
        assert lanes.drain(emsp.platform.pk) == 1

    assert [call.path.rpartition("/")[2] for call in emsp.calls] == ["LOC6", "LOC7", "LOC1", "LOC2"]
    assert Lane.objects.get().failures == 9


@pytest.mark.parametrize(("failures", "wait"), [(4, 10), (5, 100), (6, 1000), (20, 1000)])
def test_probes_follow_the_schedule_and_stay_at_its_end(cpo, emsp, failures, wait):
    lane = Lane(platform=emsp.platform, failures=failures)
    emsp.platform.retry_schedule = [10, 100, 1000]
    lanebreaker.count(lane, verdicts.Result(verdicts.Verdict.TEMPORARY, ""), NOW)

    assert lane.failures == failures + 1
    assert lane.probe_at == NOW + timedelta(seconds=wait)


def test_an_object_that_is_gone_says_nothing_about_the_partner(cpo, emsp):
    lane = Lane(platform=emsp.platform, failures=5, probe_at=NOW)
    lanebreaker.count(lane, verdicts.Result(verdicts.Verdict.GONE, ""), NOW)

    assert (lane.failures, lane.probe_at) == (5, NOW)


def test_a_partner_that_is_back_gets_all_that_waited_and_is_pulled_from_before_the_outage(cpo, emsp, network):
    open_breaker(cpo, emsp, "LOC6", "LOC7")
    liveness.ask(emsp.platform.pk)
    emsp.platform.refresh_from_db()
    since = emsp.platform.offline_since
    Pull.objects.create(
        platform=emsp.platform,
        module="tokens",
        party="DE*MSP",
        full=True,
        state="DONE",
        started_at=since + timedelta(hours=5),
        touched_at=since,
    )
    emsp.answers.clear()
    emsp.calls.clear()
    Lane.objects.update(probe_at=NOW)
    Delivery.objects.filter(tries=1).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    lanes.drain(emsp.platform.pk)

    emsp.platform.refresh_from_db()
    assert (emsp.platform.status, emsp.platform.offline_since) == ("CONNECTED", None)
    assert states() == [DELIVERED] * 7
    assert Lane.objects.get().failures == 0
    plan = PullPlan.objects.get()
    assert (plan.platform, plan.module, plan.wanted, plan.since) == (
        emsp.platform,
        "tokens",
        "CHANGES",
        since,
    )
    party = emsp.platform.parties.get()
    assert date_from(emsp.platform, "tokens", party, since) == since - timedelta(hours=1)


def test_a_closed_breaker_leaves_a_suspended_partner_suspended(cpo, emsp):
    Platform.objects.filter(pk=emsp.platform.pk).update(status="SUSPENDED")
    lanebreaker.came_back(emsp.platform, NOW)

    emsp.platform.refresh_from_db()
    assert emsp.platform.status == "SUSPENDED"


# -------------------------------------------------------------------------------------- due and the tasks
def test_lanes_that_are_held_are_not_named_as_due(cpo, emsp, stranger):
    push(cpo, "LOC1")
    acquired(emsp.platform)

    assert lanes.due_platforms(timezone.now()) == [stranger.platform.pk]
    assert lanes.due_platforms(timezone.now(), stranger.platform.pk) == [stranger.platform.pk]
    assert lanes.due_platforms(timezone.now(), emsp.platform.pk) == []


@pytest.mark.parametrize(("tried", "due", "again"), [(3, True, True), (3, False, False), (0, True, False)])
def test_a_drain_asks_for_another_slice_while_there_is_more(db, monkeypatch, tried, due, again):
    started = []
    monkeypatch.setattr(sweeper, "drain", lambda platform_id: tried)
    monkeypatch.setattr(lanes, "due_platforms", lambda now, platform_id: [platform_id] if due else [])
    monkeypatch.setattr(tasks.drain, "apply_async", lambda args, expires: started.append(args))
    tasks.drain(7)

    assert started == ([(7,)] if again else [])


def test_a_drain_leaves_messages_to_the_task_that_starts_the_lanes_they_are_for(cpo, emsp, monkeypatch):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    started = []
    monkeypatch.setattr(sweeper, "drain", lambda platform_id: 1)
    monkeypatch.setattr(tasks.drain, "apply_async", lambda args, expires: started.append(args))
    tasks.drain(cpo.platform.pk)
    tasks.expand()

    assert started == [(emsp.platform.pk,)]


def test_what_was_pushed_to_us_goes_before_what_a_pull_brought(cpo, emsp, deliver):
    cpo.lists["locations"] = [examples.location(id=f"LOC{number}") for number in range(1, 4)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    outbox.expand()
    cpo.put("receiver/locations/NL/ABC/LIVE", examples.location(id="LIVE"))

    deliver()

    assert [call.path.rpartition("/")[2] for call in emsp.received()] == ["LIVE", "LOC1", "LOC2", "LOC3"]


def test_a_pulled_object_that_is_pushed_meanwhile_goes_first_and_once(cpo, emsp, deliver):
    cpo.lists["locations"] = [examples.location(id=f"LOC{number}") for number in range(1, 4)]
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    outbox.expand()
    newer = examples.location(id="LOC3", name="Now", last_updated="2026-03-02T08:00:00Z")
    cpo.put("receiver/locations/NL/ABC/LOC3", newer)

    deliver()

    assert [call.path.rpartition("/")[2] for call in emsp.received()] == ["LOC3", "LOC1", "LOC2"]
    assert emsp.received()[0].body == newer


def test_a_fault_of_the_hub_costs_one_delivery_a_try_and_no_other(cpo, emsp, deliver, monkeypatch, caplog):
    real = lanes.attempt

    def attempt(platform, parcel, now):
        if parcel.delivery.path.endswith("POISON"):
            raise ZeroDivisionError
        return real(platform, parcel, now)

    monkeypatch.setattr(lanes, "attempt", attempt)
    push(cpo, "POISON", "LOC1")

    deliver()

    poisoned, other = Delivery.objects.order_by("id")
    assert (poisoned.state, poisoned.tries, poisoned.reason) == (
        PENDING,
        1,
        "a fault of the hub: ZeroDivisionError",
    )
    assert other.state == DELIVERED
    assert Lane.objects.get(platform=emsp.platform).failures == 0
    assert f"delivery {poisoned.pk} stopped on a fault of the hub" in caplog.messages


def test_an_object_that_cannot_be_read_stops_no_other(cpo, emsp, deliver):
    push(cpo, "POISON", "LOC1")
    Delivery.objects.update(exact=False)
    Delivery.objects.filter(path__endswith="POISON").update(path="NL/ABC/POISON/EVSE1")
    Location.objects.filter(object_id="POISON").update(document="[" * 40 + "]" * 40)

    deliver()

    poisoned, other = Delivery.objects.order_by("id")
    assert (poisoned.state, poisoned.reason) == (PENDING, "a fault of the hub: InvalidObject")
    assert other.state == DELIVERED

"""Workers that stand still, two at one lane, and clocks that jump: nothing is sent twice for long, nothing is lost."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.deliveries import lanebreaker, lanes, outcomes
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Attempt, DeadLetter, Delivery, Lane
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import PlatformClient
from ocpi_hub.protocol.envelope import format_time
from tests import examples
from tests.partners import enveloped

HOUR = timedelta(hours=1)
IDS = ["LOC0", "LOC1", "LOC2"]


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    monkeypatch.setattr(outcomes, "jitter", lambda: 0.0)


@pytest.fixture
def waiting(cpo, emsp):
    """Three locations wait for the provider."""
    for object_id in IDS:
        cpo.put(f"receiver/locations/NL/ABC/{object_id}", examples.location(id=object_id))
    outbox.expand()


def of_database(expression, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}", parameters)
        return cursor.fetchone()[0]


def states():
    return list(Delivery.objects.order_by("id").values_list("state", "tries"))


# ---------------------------------------------------------------------- a worker that stands still for long
class Stopped:
    """A worker that is stopped at a moment for longer than its lease, while another one works the lane."""

    def __init__(self, monkeypatch, emsp, meanwhile=lambda: None, works=True):
        self.emsp, self.slept, self.done, self.meanwhile, self.works = emsp, 0.0, False, meanwhile, works
        real = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: real() + self.slept)

    def here(self):
        if self.done:
            return
        self.done = True
        lease = outcomes.lease_of(self.emsp.platform)
        past = of_database("statement_timestamp()") - lease
        self.slept += lease.total_seconds() + 1
        Lane.objects.update(held_until=past)
        Delivery.objects.filter(state="SENDING").update(claimed_at=past)
        outcomes.recover()
        self.meanwhile()
        if self.works:
            lanes.drain(self.emsp.platform.pk)


def before_it_sends(monkeypatch, emsp, stopped):
    real = lanes.pack
    monkeypatch.setattr(lanes, "pack", lambda *args: (real(*args), stopped.here())[0])


def while_it_sends(monkeypatch, emsp, stopped):
    emsp.answers.append(lambda request: stopped.here())


def between_send_and_commit(monkeypatch, emsp, stopped):
    real = lanes.flush
    monkeypatch.setattr(lanes, "flush", lambda *args: (stopped.here(), real(*args))[1])


def before_it_claims(monkeypatch, emsp, stopped):
    real = lanes.claim
    monkeypatch.setattr(lanes, "claim", lambda *args: (stopped.here(), real(*args))[1])


def after_it_took_the_lane(monkeypatch, emsp, stopped):
    real = lanes._work
    monkeypatch.setattr(lanes, "_work", lambda lane: (stopped.here(), real(lane))[1])


@pytest.mark.parametrize(
    ("stop", "sent_twice"),
    [
        (after_it_took_the_lane, []),
        (before_it_claims, []),
        (before_it_sends, []),
        (while_it_sends, ["LOC0"]),
        (between_send_and_commit, IDS),
    ],
)
def test_a_worker_that_stood_still_longer_than_its_lease_changes_nothing_and_sends_nothing_more(
    waiting, emsp, monkeypatch, settings, stop, sent_twice
):
    settings.HUB_DRAIN_SLICE = 3600.0  # that its slice is over is not what holds it back
    stopped = Stopped(monkeypatch, emsp)
    stop(monkeypatch, emsp, stopped)

    lanes.drain(emsp.platform.pk)

    assert stopped.done
    sent = [call.path.rpartition("/")[2] for call in emsp.calls]
    assert sorted(sent) == sorted([*IDS, *sent_twice])
    assert states() == [("DELIVERED", 1)] * 3 + [("PENDING", 0)] * len(sent_twice)
    assert Attempt.objects.count() == 3  # those of the one who held the lane
    assert (Lane.objects.get().holder, Lane.objects.get().held_until) == ("", None)


def test_a_late_failure_of_a_worker_that_lost_its_lane_is_no_failure(waiting, emsp, monkeypatch):
    stopped = Stopped(monkeypatch, emsp)

    def refuse_after_the_other(request):
        first = not stopped.done
        stopped.here()
        return enveloped(status_code=2001) if first else None

    emsp.answers.append(refuse_after_the_other)
    lanes.drain(emsp.platform.pk)

    assert states() == [("DELIVERED", 1)] * 3 + [("PENDING", 0)]
    assert DeadLetter.objects.count() == 0


def before_the_socket(monkeypatch, stopped):
    """It has looked at its lease, and what it is about to send is made."""
    real = PlatformClient.request

    def request(*args, **named):
        stopped.here()
        return real(*args, **named)

    monkeypatch.setattr(PlatformClient, "request", request)


def held_by(emsp):
    """The names of the locations, as the provider got them last."""
    return {call.body["id"]: call.body.get("name") for call in emsp.received()}


def renamed(cpo, object_id="LOC0"):
    stamp = format_time(timezone.now())
    cpo.put(
        f"receiver/locations/NL/ABC/{object_id}",
        examples.location(id=object_id, name="new", last_updated=stamp),
    )
    outbox.expand()


def test_an_older_state_that_a_stopped_worker_sends_late_is_followed_by_the_present_one(
    waiting, cpo, emsp, monkeypatch
):
    stopped = Stopped(monkeypatch, emsp, meanwhile=lambda: renamed(cpo))
    before_the_socket(monkeypatch, stopped)

    lanes.drain(emsp.platform.pk)
    assert held_by(emsp)["LOC0"] != "new"
    lanes.drain(emsp.platform.pk)

    assert held_by(emsp)["LOC0"] == "new"
    assert set(states()) == {("DELIVERED", 1)}


def test_so_it_is_while_another_worker_is_still_sending_it(waiting, cpo, emsp, monkeypatch):
    """That one may be overtaken on its way, and finds the lane its own."""
    stopped = Stopped(monkeypatch, emsp, meanwhile=lambda: renamed(cpo), works=False)
    before_the_socket(monkeypatch, stopped)
    taken = []

    def take(request):
        if not taken:
            lane = lanes._acquire(emsp.platform.pk)
            taken.append((lane, lanes.claim(lane, clock.now())))

    emsp.answers.append(take)
    lanes.drain(emsp.platform.pk)

    (lane, claimed), *_ = taken
    assert "LOC0" in {delivery.key.rpartition("/")[2] for delivery in claimed}
    lanes._send(lane, claimed, time.monotonic() + 60)
    Lane.objects.update(held_until=None)
    emsp.calls.clear()
    lanes.drain(emsp.platform.pk)
    assert held_by(emsp) == {"LOC0": "new"}


def test_what_never_changes_is_not_sent_once_more(cpo, emsp, monkeypatch):
    """A second POST could become a second CDR."""
    cpo.post("receiver/cdrs", examples.cdr())
    outbox.expand()
    before_the_socket(monkeypatch, Stopped(monkeypatch, emsp))

    lanes.drain(emsp.platform.pk)

    assert states() == [("DELIVERED", 1)]


def test_a_worker_that_stood_still_at_the_end_of_its_slice_takes_nothing_back_from_the_next(
    waiting, emsp, monkeypatch
):
    monkeypatch.setattr(lanebreaker, "rests", lambda lane, now: len(emsp.calls) == 1)
    stopped = Stopped(monkeypatch, emsp)
    real = lanes.flush

    def flush(lane, done, claimed, unsent=None):
        if not stopped.done:
            stopped.done = True
            Lane.objects.update(holder="another")
        return real(lane, done, claimed, unsent)

    monkeypatch.setattr(lanes, "flush", flush)
    lanes.drain(emsp.platform.pk)

    assert states() == [("SENDING", 0)] * 3 + [("PENDING", 0)]


@pytest.mark.parametrize("lost", [{"holder": "another"}, {"held_until": datetime(2026, 3, 1, tzinfo=UTC)}])
def test_who_holds_the_lane_no_longer_claims_nothing(waiting, emsp, lost):
    lane = lanes._acquire(emsp.platform.pk)
    Lane.objects.update(**lost)

    assert lanes.claim(lane, clock.now()) == []
    assert states() == [("PENDING", 0)] * 3


def test_a_claim_that_is_renewed_while_it_is_looked_at_stays(waiting, emsp, monkeypatch):
    lane = lanes._acquire(emsp.platform.pk)
    claimed = lanes.claim(lane, clock.now())
    Delivery.objects.update(
        claimed_at=of_database("statement_timestamp()") - outcomes.lease_of(emsp.platform)
    )
    real = outcomes._in_doubt

    def renew_first(*args):
        outcomes.flush(lane, [], claimed)
        return real(*args)

    monkeypatch.setattr(outcomes, "_in_doubt", renew_first)
    outcomes.recover()

    assert states() == [("SENDING", 0)] * 3


def test_a_partner_with_a_longer_time_to_answer_has_a_longer_lease(waiting, emsp):
    Platform.objects.filter(pk=emsp.platform.pk).update(total_timeout=100)
    lane = lanes._acquire(emsp.platform.pk)
    lanes.claim(lane, clock.now())

    assert of_database("held_until - statement_timestamp() > interval '190 seconds' FROM exchange_lane")
    Delivery.objects.update(claimed_at=of_database("statement_timestamp()") - timedelta(seconds=190))
    assert outcomes.recover() == 0
    Delivery.objects.update(claimed_at=of_database("statement_timestamp()") - timedelta(seconds=200))
    assert outcomes.recover() == 3


# --------------------------------------------------------------------------------------- clocks that jump
@pytest.fixture
def machine(monkeypatch):
    """Sets this machine's clock off by so much."""
    real = timezone.now
    return lambda off: monkeypatch.setattr(timezone, "now", lambda: real() + off)


CLOCKS = pytest.mark.parametrize(
    ("of_holder", "of_other"),
    [
        (timedelta(), HOUR),
        (timedelta(), -HOUR),
        (HOUR, timedelta()),
        (-HOUR, timedelta()),
        (HOUR, -HOUR),
        (-HOUR, HOUR),
    ],
    ids=[
        "other ahead",
        "other behind",
        "holder ahead",
        "holder behind",
        "two hours apart",
        "two hours apart too",
    ],
)


@CLOCKS
def test_a_lease_and_its_claims_hold_and_end_whatever_the_machines_clocks_say(
    waiting, emsp, machine, of_holder, of_other
):
    machine(of_holder)
    lane = lanes._acquire(emsp.platform.pk)
    assert len(lanes.claim(lane, clock.now())) == 3

    machine(of_other)
    assert lanes._acquire(emsp.platform.pk) is None
    assert sweeper.sweep() == []
    assert states() == [("SENDING", 0)] * 3

    lease = outcomes.lease_of(emsp.platform)
    Lane.objects.update(held_until=of_database("statement_timestamp()") - timedelta(milliseconds=1))
    Delivery.objects.update(claimed_at=of_database("statement_timestamp()") - lease)
    assert sweeper.sweep() == [emsp.platform.pk]
    assert lanes.drain(emsp.platform.pk) == 3


def test_a_clock_that_is_set_back_while_a_lane_is_held_ends_nothing_and_lengthens_nothing(
    waiting, emsp, machine
):
    def set_back(request):
        machine(-HOUR)

    emsp.answers.append(set_back)
    lanes.drain(emsp.platform.pk)

    assert states() == [("DELIVERED", 1)] * 3
    assert of_database("bool_and(finished_at BETWEEN now() AND statement_timestamp()) FROM exchange_delivery")
    assert Lane.objects.get().held_until is None


@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_waits_are_counted_by_the_databases_clock(waiting, emsp, machine, off):
    Platform.objects.filter(pk=emsp.platform.pk).update(retry_schedule=[600, 600, 600])
    emsp.answers.append(lambda request: httpx.Response(500))
    for _ in range(2):
        Delivery.objects.update(next_attempt_at=of_database("now()"))
        machine(off)
        lanes.drain(emsp.platform.pk)

    within = "BETWEEN statement_timestamp() + interval '590 seconds' AND statement_timestamp() + interval '600 seconds'"
    assert of_database(f"bool_and(next_attempt_at {within}) FROM exchange_delivery WHERE tries = 2")
    assert Delivery.objects.filter(tries=2).count() == 2
    assert Lane.objects.get().failures == 5
    assert of_database(f"bool_and(probe_at {within}) FROM exchange_lane")


@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_what_is_due_is_so_by_the_databases_clock(waiting, emsp, machine, off):
    machine(off)
    assert sweeper.sweep() == [emsp.platform.pk]

    Delivery.objects.update(next_attempt_at=of_database("statement_timestamp() + interval '10 minutes'"))
    assert sweeper.sweep() == []
    assert lanes.drain(emsp.platform.pk) == 0


def test_leases_and_claims_from_before_the_databases_own_clock_was_set_back_do_not_hold_for_hours(
    waiting, emsp
):
    lanes.claim(lanes._acquire(emsp.platform.pk), clock.now())
    Lane.objects.update(held_until=of_database("statement_timestamp()") + HOUR)
    Delivery.objects.update(claimed_at=of_database("statement_timestamp()") + HOUR)

    assert sweeper.sweep() == [emsp.platform.pk]
    assert lanes.drain(emsp.platform.pk) == 3
    assert states() == [("DELIVERED", 1)] * 3


def test_the_clock_is_that_of_the_database_and_is_read_now_and_then(
    db, monkeypatch, machine, django_assert_num_queries
):
    ticks = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: ticks)
    monkeypatch.setattr(clock, "_read", None)
    machine(HOUR)
    with django_assert_num_queries(1):
        first = clock.now()
        ticks += 9.0
        assert clock.now() - first == timedelta(seconds=9)
    with django_assert_num_queries(1):
        ticks += 1.0
        clock.now()

    assert abs(first - datetime.now(UTC)) < timedelta(minutes=1)

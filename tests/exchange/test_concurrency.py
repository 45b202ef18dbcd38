"""Several at once, on real threads and real transactions; and no database while a partner is called."""

import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from credentials import handshake
from locations.models import EVSE, Location
from ocpi_hub.exchange.calls import presence
from ocpi_hub.exchange.deliveries import deadletters, lanebreaker, lanes
from ocpi_hub.exchange.housekeeping import liveness
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import (
    Attempt,
    DeadLetter,
    DeadLetterAction,
    DeadLetterEntry,
    Delivery,
    Lane,
    Message,
    Tally,
)
from ocpi_hub.exchange.objects import store, tally
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.types import PartyRef
from sessions.models import Session
from tariffs.models import Tariff
from tests import examples
from tests.ocpi_hub.machine import until
from tests.partners import enveloped, register

NINE, TEN = "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"


@pytest.fixture(autouse=True)
def committed(transactional_db):
    """Real commits; the attempts' table is not among those that are emptied after a test."""
    Attempt.objects.all().delete()
    yield
    Attempt.objects.all().delete()


def at_once(*works):
    """Run them in threads that start together; what each returned."""
    start = threading.Barrier(len(works))

    def run(work):
        try:
            start.wait(30)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture
def rival(db, network):
    return register(network, "DEF", "BE-DEF-CPO")


def test_changes_of_different_evses_of_one_location_at_once_lose_nothing(cpo):
    uids = [f"EVSE{number}" for number in range(8)]
    cpo.put(
        "receiver/locations/NL/ABC/LOC1", examples.location(evses=[examples.evse(uid=uid) for uid in uids])
    )
    answers = at_once(
        *(
            lambda uid=uid: (
                cpo.patch(
                    f"receiver/locations/NL/ABC/LOC1/{uid}", {"status": "CHARGING", "last_updated": NINE}
                ).codes
            )
            for uid in uids
        )
    )

    assert answers == [(200, 1000)] * 8
    stored = json.loads(Location.objects.get().document)
    assert [evse["status"] for evse in stored["evses"]] == ["CHARGING"] * 8
    assert set(EVSE.objects.values_list("status", flat=True)) == {"CHARGING"}
    assert Message.objects.count() == 9


@pytest.mark.parametrize("round", range(3))
def test_a_put_of_the_whole_and_a_newer_change_of_a_part_at_once(cpo, round):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    answers = at_once(
        lambda: (
            cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(name="x", last_updated=NINE)).codes
        ),
        lambda: (
            cpo.patch(
                "receiver/locations/NL/ABC/LOC1/EVSE1", {"status": "CHARGING", "last_updated": TEN}
            ).codes
        ),
    )

    assert answers == [(200, 1000)] * 2
    row = Location.objects.get()
    stored = json.loads(row.document)
    assert stored["evses"][0]["status"] == EVSE.objects.get().status == "CHARGING"
    assert stored["last_updated"] == TEN
    assert stored.get("name") == row.name


def test_the_same_new_object_from_many_threads_is_created_once(cpo):
    answers = at_once(
        *[lambda: cpo.put("receiver/locations/NL/ABC/LOC1", examples.location()).http_status] * 6
    )

    assert sorted(answers) == [200] * 5 + [201]
    assert Location.objects.count() == 1


@pytest.mark.parametrize("round", range(3))
def test_objects_of_several_owners_stored_in_opposite_orders_wait_for_nobody_and_are_counted(
    cpo, rival, round
):
    parties = {"NL*ABC": cpo, "BE*DEF": rival}
    both_stored_one = threading.Barrier(2)

    def store_for(object_id, owners):
        with transaction.atomic():
            for number, owner in enumerate(owners):
                address = Address(PartyRef(*owner.split("*")), object_id)
                made = examples.location(
                    id=object_id, country_code=address.owner.country_code, party_id=address.owner.party_id
                )
                store.put(Location, address, json.dumps(made).encode(), parties[owner].platform)
                if number == 0:
                    both_stored_one.wait(30)

    at_once(
        lambda: store_for("LOC1", ["NL*ABC", "BE*DEF"]),
        lambda: store_for("LOC2", ["BE*DEF", "NL*ABC"]),
    )

    assert Counter(Location.objects.values_list("owner_key", flat=True)) == {"NL*ABC": 2, "BE*DEF": 2}
    assert Counter(Tally.objects.values_list("owner_key", "count")) == {("NL*ABC", 1): 2, ("BE*DEF", 1): 2}


def test_totals_hold_while_others_write_delete_condense_and_compare(cpo):
    """Objects that come, go, and come again in several threads, on the same few addresses."""
    done = threading.Event()

    def write(seed):
        chance = random.Random(seed)
        for _ in range(40):
            path = f"receiver/tariffs/NL/ABC/TARIFF{chance.randrange(3)}"
            if chance.random() < 0.5:
                assert cpo.put(path, examples.tariff(id=path[-7:])).status_code == 1000
            else:
                assert cpo.delete(path).status_code in (1000, 2001)

    def write_all():
        at_once(*[lambda seed=seed: write(seed) for seed in range(3)])
        done.set()

    def keep_up():
        faults = 0
        while not done.is_set():
            tally.condense()
            faults += tally.compare()
        return faults

    _, *faults = at_once(write_all, keep_up, keep_up)

    assert faults == [0, 0]
    assert sum(Tally.objects.values_list("count", flat=True)) == Tariff.objects.present().count()
    assert tally.compare() == 0


def test_two_expansions_at_once_make_every_delivery_once(cpo, emsp, stranger):
    for number in range(20):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    reached = at_once(*[outbox.expand] * 4)

    assert set.union(*reached) == {emsp.platform.pk, stranger.platform.pk}
    assert Delivery.objects.count() == 40
    assert Message.objects.filter(expanded_at=None).count() == 0


def test_a_whole_object_that_is_claimed_in_that_moment_takes_no_part_along(cpo, emsp):
    """What it sends has been read: the part would never arrive."""
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    cpo.patch("receiver/locations/NL/ABC/LOC1/EVSE1", {"status": "CHARGING", "last_updated": NINE})
    claimed, expanded = threading.Event(), threading.Event()

    def claim():
        with transaction.atomic():
            Delivery.objects.filter(state="PENDING").update(state="SENDING", claimed_at=timezone.now())
            claimed.set()
            expanded.wait(
                2
            )  # an expansion that waits for this transaction has looked at what was there before

    def expand():
        claimed.wait(30)
        outbox.expand()
        expanded.set()

    at_once(claim, expand)

    assert dict(Delivery.objects.values_list("key", "state")) == {
        "NL/ABC/LOC1": "SENDING",
        "NL/ABC/LOC1/EVSE1": "PENDING",
    }


def test_two_drains_of_one_lane_at_once_deliver_once(cpo, emsp):
    for number in range(30):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    outbox.expand()
    tried = at_once(*[lambda: lanes.drain(emsp.platform.pk)] * 4)

    assert sum(tried) == 30
    assert [call.path.rpartition("/")[2] for call in emsp.calls] == [f"LOC{number}" for number in range(30)]
    assert set(Delivery.objects.values_list("state", "tries")) == {("DELIVERED", 1)}
    assert Attempt.objects.count() == 30


def test_two_operators_who_retry_the_same_dead_letters_at_once_send_each_once(cpo, emsp):
    refused_by(emsp, cpo)
    retried = at_once(
        *[
            lambda name=name: deadletters.retry(DeadLetter.objects.all(), name, "all")
            for name in ("anna", "ben")
        ]
    )
    lanes.drain(emsp.platform.pk)

    assert sorted(done.again for done in retried) == [0, 20]
    assert len(emsp.calls) == 20
    assert DeadLetterAction.objects.count() == 1
    assert DeadLetterEntry.objects.count() == 20


def test_one_retries_while_another_discards_and_each_letter_has_one_end(cpo, emsp):
    refused_by(emsp, cpo)
    retried, discarded = at_once(
        lambda: deadletters.retry(DeadLetter.objects.all(), "anna", "all").again,
        lambda: deadletters.discard(DeadLetter.objects.all(), "ben", "all", "test objects"),
    )

    states = Counter(DeadLetter.objects.values_list("state", "delivery__state"))
    assert retried + discarded == 20
    assert (
        states
        == Counter({("RETRYING", "PENDING"): retried, ("DISCARDED", "DISCARDED"): discarded}) - Counter()
    )
    assert Counter(DeadLetterEntry.objects.values_list("became", flat=True)) == Counter(
        {"AGAIN": retried, "DISCARDED": discarded}
    )


def test_a_retry_while_newer_changes_are_expanded_leaves_one_delivery_of_each_part(cpo, emsp):
    refused_by(emsp, cpo)
    for number in range(20):
        cpo.put(
            f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}", last_updated=NINE)
        )
    at_once(
        lambda: deadletters.retry(DeadLetter.objects.all(), "anna", "all"),
        outbox.expand,
        lambda: deadletters.retry(DeadLetter.objects.all(), "ben", "all"),
    )
    outbox.expand()
    lanes.drain(emsp.platform.pk)

    assert Counter(call.body["id"] for call in emsp.calls) == {f"LOC{number}": 1 for number in range(20)}
    assert {call.body["last_updated"] for call in emsp.calls} == {NINE}
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"SETTLED"}


def test_a_retry_that_meets_a_delivery_of_the_part_which_goes_back_into_the_queue_is_covered_by_it(cpo, emsp):
    """What put_back() does outside the lane, and so without its lock."""
    refused_by(emsp, cpo, count=1)
    letter = DeadLetter.objects.get()
    cpo.put("receiver/locations/NL/ABC/LOC0", examples.location(id="LOC0", last_updated=NINE))
    outbox.expand()
    Delivery.objects.filter(state="PENDING").update(state="SENDING", claimed_at=letter.given_up_at)
    put, asked = threading.Event(), threading.Event()

    def put_back():
        with transaction.atomic():
            Delivery.objects.filter(state="SENDING").update(state="PENDING")
            put.set()
            asked.wait(1)  # the retry has begun, and waits for this transaction

    def retry():
        put.wait(30)
        return deadletters.retry(DeadLetter.objects.all(), "anna", "all")

    _, retried = at_once(put_back, retry)

    assert retried[:3] == (0, 1, 0)
    assert Delivery.objects.filter(state="PENDING").count() == 1


def refused_by(emsp, cpo, count=20):
    """So many locations, refused by the provider, who is well again since."""
    for number in range(count):
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}"))
    outbox.expand()
    emsp.answers.append(lambda request: enveloped(status_code=2001))
    lanes.drain(emsp.platform.pk)
    emsp.answers.clear()
    emsp.calls.clear()
    assert DeadLetter.objects.filter(state="OPEN").count() == count


def someone_waits_for_a_lock(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return cursor.fetchone()[0] > 0


@pytest.mark.parametrize("ends", [handshake.leave, handshake.reset])
def test_a_partner_that_ends_its_registration_while_deliveries_are_written_down_waits_its_turn(
    cpo, emsp, monkeypatch, ends
):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    written = threading.Event()
    follow = lanebreaker.follow

    def follow_when_the_other_waits(*args):
        written.set()
        deadline = time.monotonic() + 30
        while not someone_waits_for_a_lock(connection) and time.monotonic() < deadline:
            time.sleep(0.01)
        follow(*args)

    def end():
        written.wait(30)
        ends(emsp.platform)

    monkeypatch.setattr(lanebreaker, "follow", follow_when_the_other_waits)
    tried, _ = at_once(lambda: lanes.drain(emsp.platform.pk), end)

    assert tried == 1
    assert Delivery.objects.get().state == "DELIVERED"
    assert Platform.objects.get(pk=emsp.platform.pk).token_cipher == ""


def test_two_pulls_of_one_list_at_once_are_one(cpo):
    cpo.lists["locations"] = [examples.location()]
    second = threading.Event()

    def wait_for_the_other(request):
        second.wait(30)

    cpo.answers.append(wait_for_the_other)

    def pull():
        (report,) = sync.pull_platform(cpo.platform.pk, "locations")
        second.set()  # the first that ends is the one that found the list taken
        return report.pull.error

    assert sorted(at_once(pull, pull)) == ["", "the same list is being pulled already"]
    assert len(cpo.calls) == 1


# ------------------------------------------------------------------------------------------------- who is back
def somebody_waits():
    """Another transaction waits for what a third one holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


def test_an_answer_to_a_delivery_and_one_to_a_probe_bring_a_partner_back_together(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    Platform.objects.filter(pk=emsp.platform.pk).update(status="OFFLINE", missed_probes=3)
    emsp.platform.refresh_from_db()
    lane = Lane.objects.create(platform=emsp.platform, failures=0)

    def probe():
        try:
            liveness.ask(emsp.platform.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            # As a drain does that writes down what its partner answered.
            lane = Lane.objects.select_for_update().get()
            presence.note_answer(emsp.platform.pk, timezone.now())
            probed = pool.submit(probe)
            until(somebody_waits)
            lanebreaker.follow(lane, 5, True, timezone.now())
        probed.result(30)

    emsp.platform.refresh_from_db()
    assert emsp.platform.status == "CONNECTED"


# --------------------------------------------------------------------------- no database while HTTP is running
@pytest.fixture
def held():
    """What a partner saw of the hub's database connection, call by call."""
    return []


def look(held):
    def reply(request):
        held.append((request.method, connection.connection is not None or connection.in_atomic_block))

    return reply


def test_no_connection_is_held_while_deliveries_are_sent(cpo, emsp, deliver, held):
    emsp.answers.append(look(held))
    emsp.answers.append(
        lambda request: (
            enveloped(status_code=2003, http_status=404) if request.method in ("PATCH", "GET") else None
        )
    )
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    deliver()
    cpo.patch("receiver/locations/NL/ABC/LOC1", {"name": "x", "last_updated": NINE})
    deliver()

    assert held == [("PUT", False), ("PATCH", False), ("GET", False)]


def test_no_connection_is_held_while_pages_are_read(cpo, held):
    cpo.answers.append(look(held))
    cpo.lists["locations"] = [examples.location(id=f"LOC{number}") for number in range(3)]
    cpo.page_size = 1
    sync.pull_platform(cpo.platform.pk, "locations")

    assert held == [("GET", False)] * 3


def test_a_call_inside_a_transaction_is_a_fault(cpo, emsp):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    with (
        transaction.atomic(),
        pytest.raises(RuntimeError, match="a partner is called inside a database transaction"),
    ):
        lanes.drain(emsp.platform.pk)

    assert emsp.calls == []


@pytest.fixture
def waits_for_the_provider(cpo, emsp):
    """A Session that came to the hub and is not expanded yet."""
    cpo.put("receiver/sessions/NL/ABC/SESSION1", examples.session())
    return Address(PartyRef("NL", "ABC"), "SESSION1")


def test_what_was_delivered_directly_while_it_was_being_expanded_is_not_delivered_again(
    waits_for_the_provider, emsp, monkeypatch
):
    expanded, real = threading.Event(), outbox._insert

    def insert(*args):
        found = real(*args)
        expanded.set()
        until(lambda: locks_waited_for() == 1, 20)
        return found

    monkeypatch.setattr(outbox, "_insert", insert)

    def cover():
        assert expanded.wait(20)
        outbox.cover(Session, waits_for_the_provider, "DE*MSP")

    at_once(outbox.expand, cover)

    assert [(row.state, row.reason) for row in Delivery.objects.all()] == [("ABSORBED", outbox.DIRECTLY)]


def test_what_is_being_covered_is_not_expanded(waits_for_the_provider, emsp):
    covered = threading.Event()

    def cover():
        with transaction.atomic():
            outbox.cover(Session, waits_for_the_provider, "DE*MSP")
            covered.set()
            until(lambda: locks_waited_for() == 1, 20)

    def expand():
        assert covered.wait(20)
        return outbox.expand()

    assert at_once(cover, expand) == [None, set()]
    assert Delivery.objects.count() == 0


def locks_waited_for():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0]

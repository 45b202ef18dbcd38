"""Each worker looks for due work by itself."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from ocpi_hub.exchange import tasks
from ocpi_hub.exchange.deliveries import lanes, outcomes
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.exchange.models import Delivery, Lane
from tests import examples


@pytest.fixture(autouse=True)
def no_rounds(monkeypatch):
    """What apps have registered is theirs to test."""
    monkeypatch.setattr(sweeper, "_rounds", {})


@pytest.fixture(autouse=True)
def kept_connection(monkeypatch):
    """The sweeper gives its connection back, which a test inside a transaction needs."""
    closed = []
    monkeypatch.setattr(sweeper.connection, "close", lambda: closed.append(True))
    return closed


def test_a_sweep_expands_recovers_and_names_the_lanes_that_are_due(cpo, emsp, stranger):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())

    assert sorted(sweeper.sweep()) == [emsp.platform.pk, stranger.platform.pk]
    long_ago = timezone.now() - outcomes.lease_of(emsp.platform) - timedelta(seconds=1)
    Delivery.objects.filter(platform=emsp.platform).update(state="SENDING", claimed_at=long_ago)
    Delivery.objects.filter(platform=stranger.platform).update(state="DELIVERED")

    assert sweeper.sweep() == [emsp.platform.pk]


def test_the_task_starts_every_lane_that_is_due(db, monkeypatch):
    started = []
    monkeypatch.setattr(sweeper, "sweep", lambda: [3, 5])
    monkeypatch.setattr(tasks.drain, "apply_async", lambda args, expires: started.append((args, expires)))
    tasks.sweep()

    assert started == [((3,), 60), ((5,), 60)]


def test_the_task_does_what_apps_registered_as_well(db, monkeypatch):
    done = []
    monkeypatch.setattr(sweeper, "sweep", list)
    sweeper.every_round(lambda: done.append("done"))
    tasks.sweep()

    assert done == ["done"]


def test_work_of_every_round_is_registered_once(kept_connection):
    done = []

    def work():
        done.append("done")
        sweeper.run_round(work)  # what is still under way is not begun again

    for _ in range(2):
        sweeper.every_round(work)
    for _ in range(2):
        for registered in sweeper.rounds():
            sweeper.run_round(registered)

    assert done == ["done", "done"]
    assert len(kept_connection) == 2


def test_a_fault_of_one_app_stops_no_other_and_not_its_own_next_round(caplog):
    done = []

    def fails():
        done.append("failed")
        raise ValueError

    sweeper.every_round(fails)
    sweeper.every_round(lambda: done.append("done"))
    for _ in range(2):
        for work in sweeper.rounds():
            sweeper.run_round(work)

    assert done == ["failed", "done"] * 2
    assert (
        caplog.messages == [f"{fails.__module__}.{fails.__qualname__} failed; the next round tries again"] * 2
    )


def test_failing_lanes_take_a_part_of_the_threads_only(cpo, emsp, monkeypatch, kept_connection):
    monkeypatch.setattr(sweeper, "_failing_lanes", threading.BoundedSemaphore(1))
    Lane.objects.create(platform=emsp.platform, failures=1)
    Lane.objects.create(platform=cpo.platform)
    drained = []

    def drain(platform_id):
        drained.append(platform_id)
        if len(drained) == 1:
            # While one failing lane is worked on, another waits and a healthy one does not.
            assert sweeper.drain(emsp.platform.pk) == 0
            assert sweeper.drain(cpo.platform.pk) == 9
        return 9

    monkeypatch.setattr(lanes, "drain", drain)

    assert sweeper.drain(emsp.platform.pk) == 9
    assert drained == [emsp.platform.pk, cpo.platform.pk]
    assert sweeper.drain(emsp.platform.pk) == 9
    assert len(kept_connection) == 4


def test_a_failing_lane_gives_its_thread_back_after_a_fault(emsp, monkeypatch):
    monkeypatch.setattr(sweeper, "_failing_lanes", threading.BoundedSemaphore(1))
    Lane.objects.create(platform=emsp.platform, failures=1)
    monkeypatch.setattr(lanes, "drain", lambda platform_id: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            sweeper.drain(emsp.platform.pk)


def test_a_quarter_of_the_threads_is_kept_for_failing_lanes(settings):
    assert sweeper._failing_lanes._initial_value == settings.HUB_WORKER_THREADS // 4


class _End(BaseException):
    pass


def run(monkeypatch, rounds):
    class Pause:
        left = rounds

        def wait(self, seconds):
            if not self.left:
                raise _End
            self.left -= 1
            return False

    monkeypatch.setattr(sweeper.threading, "Event", Pause)
    with pytest.raises(_End):
        sweeper._run()


def test_the_sweeper_outlives_a_fault_and_works_what_it_finds(db, monkeypatch, caplog):
    rounds, drained = iter([OperationalError(), [7, 8]]), []

    def sweep():
        found = next(rounds)
        if isinstance(found, Exception):
            raise found
        return found

    class Pool:
        def submit(self, function, *arguments):
            function(*arguments)

    def drain(platform_id):
        drained.append(platform_id)
        if platform_id == 7:
            raise ValueError

    monkeypatch.setattr(sweeper, "sweep", sweep)
    monkeypatch.setattr(sweeper, "drain", drain)
    monkeypatch.setattr(sweeper, "begin_pulls", lambda: drained.append("pulls"))
    monkeypatch.setattr(sweeper.liveness, "claim", lambda now: [11])
    monkeypatch.setattr(sweeper.liveness, "ask", lambda platform_id: drained.append(f"probe {platform_id}"))
    monkeypatch.setattr(sweeper, "_pool", Pool())
    sweeper.every_round(lambda: drained.append("every round"))
    run(monkeypatch, 2)

    assert drained == [7, 8, "pulls", "probe 11", "every round"]
    assert caplog.messages == [
        "a sweep failed; the next one follows",
        "work for platform 7 stopped on a fault of the hub",
    ]


@pytest.mark.parametrize("failing", ["expand", "recover"])
def test_a_fault_in_one_step_of_a_sweep_keeps_no_lane_from_being_worked(
    cpo, emsp, monkeypatch, failing, caplog
):
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    sweeper.outbox.expand()
    module = {"expand": sweeper.outbox, "recover": outcomes}[failing]

    def fails():
        raise ValueError

    monkeypatch.setattr(module, failing, fails)

    assert sweeper.sweep() == [emsp.platform.pk]
    assert [line.partition(" failed")[1] for line in caplog.messages] == [" failed"]


def test_a_sweep_without_a_database_is_over_at_once(monkeypatch, caplog):
    """What comes after it would fail as well, and tell the same again."""
    done = []

    def gone():
        raise OperationalError

    monkeypatch.setattr(sweeper.outbox, "expand", gone)
    monkeypatch.setattr(sweeper, "begin_pulls", lambda: done.append("pulls"))
    run(monkeypatch, 1)

    assert done == []
    assert caplog.messages == ["a sweep failed; the next one follows"]


def test_a_worker_starts_its_sweeper(monkeypatch):
    started = []

    class Thread:
        def __init__(self, **options):
            self.options = options

        def start(self):
            started.append((self.options["target"], self.options["daemon"]))

    monkeypatch.setattr(sweeper.threading, "Thread", Thread)
    sweeper.start()

    assert started == [(sweeper._run, True)]

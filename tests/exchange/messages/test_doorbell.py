"""Telling the workers, without waiting for Redis."""

import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

from ocpi_hub.exchange import tasks
from ocpi_hub.exchange.messages import doorbell
from ocpi_hub.exchange.models import Message
from tests import examples


class _End(BaseException):
    pass


class Flag:
    """The flag of a doorbell whose thread is ended after so many rounds."""

    def __init__(self, rounds):
        self.rounds, self.up = rounds, False

    def wait(self):
        if self.rounds == 0:
            raise _End
        self.rounds -= 1

    def set(self):
        self.up = True

    def clear(self):
        self.up = False

    def is_set(self):
        return self.up


@pytest.fixture
def rung(monkeypatch):
    """What was published, and a doorbell without a thread, without time and without a broker."""
    rung = []
    monkeypatch.setattr(doorbell, "_ensure_thread", lambda: None)
    monkeypatch.setattr(doorbell.time, "sleep", lambda seconds: rung.append(seconds))
    monkeypatch.setattr(doorbell.current_app, "send_task", lambda name, **options: rung.append("expand"))
    return rung


def run(monkeypatch, rounds=1):
    flag = Flag(rounds)
    monkeypatch.setattr(doorbell, "_flag", flag)
    with pytest.raises(_End):
        doorbell._run()
    return flag


def test_rings_in_a_row_are_one(rung, monkeypatch):
    monkeypatch.setattr(doorbell, "_flag", Flag(1))
    doorbell.ring()
    doorbell.ring()
    with pytest.raises(_End):
        doorbell._run()

    assert rung == ["expand", doorbell.QUIET]


def test_what_is_rung_is_the_task_that_expands():
    assert tasks.expand.name == doorbell.EXPAND


def test_a_dead_broker_drops_the_ring(rung, monkeypatch, caplog):
    def dead(name, **options):
        rung.append("dead")
        raise ConnectionError("no broker at redis://:password@example")

    monkeypatch.setattr(doorbell.current_app, "send_task", dead)
    monkeypatch.setattr(doorbell, "_flag", Flag(0))
    flag = run(monkeypatch)

    assert rung == ["dead", doorbell.PAUSE, doorbell.QUIET]
    assert not flag.is_set()
    assert caplog.messages == [
        "the workers were not rung, they find the work by their sweep: ConnectionError"
    ]


def test_one_thread_is_started_for_a_process_and_a_fork_starts_its_own(monkeypatch):
    started = []
    monkeypatch.setattr(doorbell, "_owner", None)
    monkeypatch.setattr(doorbell.atexit, "register", lambda function: None)

    class Thread:
        def __init__(self, **options):
            started.append(options["name"])
            assert options["daemon"]

        def start(self):
            pass

    monkeypatch.setattr(doorbell.threading, "Thread", Thread)
    doorbell._ensure_thread()
    doorbell._ensure_thread()
    assert started == ["doorbell"]

    monkeypatch.setattr(doorbell.os, "getpid", lambda: -1)
    doorbell._ensure_thread()
    assert started == ["doorbell", "doorbell"]


def test_a_process_that_ends_waits_for_its_last_ring_but_not_for_ever(monkeypatch):
    flag = Flag(0)
    flag.set()
    monkeypatch.setattr(doorbell, "_flag", flag)
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    monkeypatch.setattr(doorbell.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(doorbell.time, "sleep", sleep)
    doorbell.finish()
    assert clock[0] == pytest.approx(doorbell.PATIENCE, abs=0.02)

    flag.clear()
    monkeypatch.setattr(doorbell, "_busy", False)
    clock[0] = 0.0
    doorbell.finish()
    assert clock[0] == 0.0


@pytest.mark.usefixtures("transactional_db")
def test_a_broker_that_never_answers_neither_delays_nor_fails_a_push(cpo, monkeypatch):
    asked, release, published = threading.Event(), threading.Event(), []

    def silent(name, **options):
        published.append(options)
        asked.set()
        release.wait(60)
        raise _End

    def until_the_end(work=doorbell._run):
        with suppress(_End):
            work()

    monkeypatch.setattr(doorbell, "settings", SimpleNamespace(HUB_BACKGROUND=True))
    monkeypatch.setattr(doorbell, "_run", until_the_end)
    monkeypatch.setattr(doorbell, "_owner", None)
    monkeypatch.setattr(doorbell.atexit, "register", lambda function: None)
    monkeypatch.setattr(doorbell, "_flag", threading.Event())
    monkeypatch.setattr(doorbell.current_app, "send_task", silent)
    answers = [
        cpo.put(f"receiver/locations/NL/ABC/LOC{number}", examples.location(id=f"LOC{number}")).codes
        for number in range(3)
    ]

    assert asked.wait(30)
    assert not release.is_set()
    assert answers == [(201, 1000)] * 3
    assert Message.objects.count() == 3
    assert published == [{"retry": False, "expires": 60, "ignore_result": True}]
    release.set()

"""Lanes of workers that were killed are given back as soon as it is seen that their process is gone."""

import os
import subprocess
import sys

import pytest
from django.db import OperationalError
from django.db.models import QuerySet

from ocpi_hub import processes
from ocpi_hub.exchange.deliveries import holders, lanes, outcomes
from ocpi_hub.exchange.housekeeping import sweeper
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Lane
from tests import examples

pytestmark = pytest.mark.django_db


def other_process():
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def killed():
    """What a process was known by that is gone, and its number with it."""
    with other_process() as process:
        known_by = processes.identity(process.pid)
        process.kill()
    return known_by


@pytest.fixture
def sending(cpo, emsp):
    """A drain of this process that is sending a location to the provider."""
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()
    lane = lanes._acquire(emsp.platform.pk)
    assert len(lanes.claim(lane, lanes.clock.now())) == 1
    return lane


def held_by(known_by, where=None):
    where = processes.machine() if where is None else where
    Lane.objects.update(holder=f"{where}/{known_by}/0123456789abcdef")


def test_the_lane_of_a_killed_worker_is_worked_by_the_next_sweep(sending, emsp):
    held_by(killed())

    assert sweeper.sweep() == [emsp.platform.pk]
    assert list(Delivery.objects.values_list("state", "exact")) == [("PENDING", False)]
    assert lanes.drain(emsp.platform.pk) == 1
    assert Delivery.objects.get().state == "DELIVERED"


def test_that_of_a_living_one_is_not(sending, emsp):
    assert len(sending.holder) <= Lane._meta.get_field("holder").max_length
    assert sweeper.sweep() == []

    with other_process() as process:
        held_by(processes.identity(process.pid))
        assert sweeper.sweep() == []
        process.kill()

    assert Delivery.objects.get().state == "SENDING"


@pytest.mark.parametrize("where", ["0123456789ab", ""], ids=["another machine", "unknown"])
def test_of_processes_elsewhere_nothing_is_known(sending, emsp, where):
    held_by(killed(), where)

    assert (holders.give_back(), outcomes.recover()) == (0, 0)
    assert Delivery.objects.get().state == "SENDING"


def test_a_number_that_another_process_has_by_now_is_not_the_same_process(sending, emsp):
    held_by(f"{os.getpid()}:1")

    assert holders.give_back() == 1


@pytest.mark.parametrize("holder", ["another", "0f" * 16, "//", "a/b/c"])
def test_a_holder_that_does_not_say_what_it_is_has_its_lease(sending, holder):
    Lane.objects.update(holder=holder)

    assert holders.give_back() == 0


def test_a_lane_that_somebody_else_took_meanwhile_stays_with_him(sending, monkeypatch):
    monkeypatch.setattr(holders, "is_gone", lambda holder: Lane.objects.update(holder="another"))

    assert holders.give_back() == 0
    assert Lane.objects.get().holder == "another"
    assert outcomes.recover() == 0


def test_the_lane_of_a_drain_that_ended_without_postgresql_is_worked_by_the_next_sweep(
    cpo, emsp, monkeypatch
):
    """Its process lives on, and would else keep the lane until its lease is over."""
    cpo.put("receiver/locations/NL/ABC/LOC1", examples.location())
    outbox.expand()

    def gone(*_):
        raise OperationalError("gone")

    with monkeypatch.context() as away:
        away.setattr(lanes, "_send", gone)
        away.setattr(QuerySet, "update", failing_release(QuerySet.update))
        with pytest.raises(OperationalError):
            lanes.drain(emsp.platform.pk)
    assert Lane.objects.exclude(holder="").count() == 1
    assert Delivery.objects.get().state == "SENDING"

    assert sweeper.sweep() == [emsp.platform.pk]
    assert lanes.drain(emsp.platform.pk) == 1
    assert Delivery.objects.get().state == "DELIVERED"


def failing_release(update):
    def instead(rows, **changes):
        if changes == {"holder": "", "held_until": None}:
            raise OperationalError("gone")
        return update(rows, **changes)

    return instead


def test_who_finds_a_lane_held_or_is_done_with_it_is_no_longer_at_work(sending, cpo, emsp):
    before = set(holders._at_work)

    assert lanes.drain(emsp.platform.pk) == 0
    Lane.objects.update(holder="", held_until=None)
    cpo.put("receiver/locations/NL/ABC/LOC2", examples.location(id="LOC2"))
    outbox.expand()
    assert lanes.drain(emsp.platform.pk) == 1

    assert holders._at_work == before

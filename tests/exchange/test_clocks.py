"""Machines whose clocks are wrong: what waits, and what came first, is judged by the database's clock."""

from datetime import timedelta

import pytest
from django.utils import timezone

from locations.models import Location
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls import presence
from ocpi_hub.exchange.deliveries import lanes, refills
from ocpi_hub.exchange.housekeeping import liveness, upkeep
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.exchange.relays import overdue
from tests import examples
from tests.conformance.orders import answering, post_command

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
LOC1 = "receiver/locations/NL/ABC/LOC1"


@pytest.fixture
def machine(monkeypatch):
    """Sets this machine's clock off by so much."""
    real = timezone.now
    return lambda off: monkeypatch.setattr(timezone, "now", lambda: real() + off)


def test_what_is_filled_by_a_machine_that_is_ahead_is_due_at_once(cpo, emsp, deliver, machine):
    cpo.put(LOC1, examples.location())
    deliver()
    machine(HOUR)

    refills.refill(emsp.platform, Location, [Location.objects.get().pk])

    assert Delivery.objects.filter(state="PENDING").count() == 1
    assert lanes.due_platforms(clock.now()) == [emsp.platform.pk]


def test_a_partner_that_did_not_answer_a_machine_that_is_ahead_is_asked_at_once(emsp, machine):
    machine(HOUR)
    presence.missed(emsp.platform.pk)

    assert liveness.claim(clock.now()) == [emsp.platform.pk]


def test_a_machine_that_is_ahead_does_no_chore_before_its_time_and_puts_none_off(db, monkeypatch, machine):
    done = []
    monkeypatch.setattr(upkeep, "_chores", [upkeep.Chore("a chore", HOUR, lambda: done.append(True))])
    upkeep.do_what_is_due()

    machine(2 * HOUR)
    upkeep.do_what_is_due()

    assert len(done) == 1


def test_a_request_of_a_machine_that_is_behind_has_its_time(cpo, emsp, machine):
    machine(-HOUR)
    cpo.answers.append(answering(examples.command_response(timeout=60)))
    post_command(emsp, "START_SESSION")
    machine(timedelta())

    assert overdue.report() == 0


def test_what_changes_at_a_machine_that_is_behind_while_a_list_is_read_has_not_vanished(cpo, machine):
    locations = [examples.location(id=object_id) for object_id in ("LOC1", "LOC2", "LOC3")]
    cpo.lists["locations"] = locations
    sync.pull_platform(cpo.platform.pk, "locations", full=True)
    cpo.lists["locations"] = locations[1:]
    evse = locations[0]["evses"][0]["uid"]

    def change(request):
        if request.method == "GET":
            machine(-HOUR)
            changed = {"status": "CHARGING", "last_updated": "2026-03-01T09:00:00Z"}
            assert cpo.patch(f"{LOC1}/{evse}", changed).codes == (200, 1000)

    cpo.answers.append(change)
    sync.pull_platform(cpo.platform.pk, "locations", full=True)

    assert Location.objects.get(object_id="LOC1").missing_since is None

"""What beat does for the hub itself, as the operator may edit it."""

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from ocpi_hub.exchange.housekeeping import schedules

pytestmark = pytest.mark.django_db


def test_an_interval_that_the_operator_made_twice_stops_nothing():
    PeriodicTask.objects.all().delete()
    for _ in range(2):
        IntervalSchedule.objects.create(every=60, period="seconds")
    schedules.plan_upkeep()

    assert PeriodicTask.objects.filter(name="look for due deliveries").count() == 1


def test_the_upkeep_is_planned_once_and_stays_as_the_operator_left_it():
    schedules.plan_upkeep()
    PeriodicTask.objects.filter(description="upkeep of the hub").update(enabled=False)
    count = PeriodicTask.objects.count()
    schedules.plan_upkeep()

    assert PeriodicTask.objects.count() == count
    assert not PeriodicTask.objects.filter(description="upkeep of the hub", enabled=True).exists()


def test_beat_only_sweeps_and_no_longer_does_what_workers_do_by_themselves():
    hourly = IntervalSchedule.objects.create(every=3600, period=IntervalSchedule.SECONDS)
    task = "ocpi_hub.exchange.tasks.housekeeping"
    PeriodicTask.objects.create(name="old", task=task, interval=hourly, description="upkeep of the hub")
    PeriodicTask.objects.create(name="mine", task=task, interval=hourly)

    schedules.plan_upkeep()

    assert not PeriodicTask.objects.filter(name="old").exists()
    assert PeriodicTask.objects.filter(name="mine").exists()
    (left,) = PeriodicTask.objects.filter(description="upkeep of the hub")
    assert (left.task, left.interval.every) == ("ocpi_hub.exchange.tasks.sweep", 60)

"""The scheduled pulls of a partner, as the operator may edit them."""

import json

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from ocpi_hub.exchange import schedules
from tests.partners import register

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_modules")]


def planned(partner):
    rows = PeriodicTask.objects.filter(name__endswith=f" from platform {partner.platform.pk}").order_by(
        "name"
    )
    return [(row.name.partition(" from")[0], row.kwargs, row.enabled) for row in rows]


def test_each_list_gets_an_incremental_and_a_full_pull(network, settings):
    settings.HUB_PULL_INTERVAL = 1234
    partner = register(network, "BIG", "BE-ONE-CPO", "BE-ONE-EMSP")
    schedules.plan_pulls(partner.platform)

    assert planned(partner) == [
        ("full pull of locations", '{"full": true}', True),
        ("full pull of tokens", '{"full": true}', True),
        ("incremental pull of locations", '{"full": false}', True),
        ("incremental pull of tokens", '{"full": false}', True),
    ]
    row = PeriodicTask.objects.get(name=f"incremental pull of tokens from platform {partner.platform.pk}")
    assert (row.task, json.loads(row.args)) == (schedules.TASK, [partner.platform.pk, "tokens"])
    assert (row.interval.every, row.interval.period) == (1234, "seconds")
    full = PeriodicTask.objects.get(name=f"full pull of tokens from platform {partner.platform.pk}")
    assert full.crontab.hour in "01234"
    assert 0 <= int(full.crontab.minute) < 60


def test_only_what_the_owner_offers_is_planned(cpo, emsp):
    schedules.plan_pulls(cpo.platform)
    schedules.plan_pulls(emsp.platform)

    assert {name for name, _, _ in planned(cpo)} == {
        "full pull of locations",
        "incremental pull of locations",
    }
    assert {name for name, _, _ in planned(emsp)} == {"full pull of tokens", "incremental pull of tokens"}


def test_planning_again_keeps_the_operators_schedule_and_switches_it_on(cpo):
    schedules.plan_pulls(cpo.platform)
    daily = IntervalSchedule.objects.create(every=1, period="days")
    PeriodicTask.objects.filter(name__startswith="incremental").update(interval=daily, enabled=False)
    schedules.plan_pulls(cpo.platform)

    row = PeriodicTask.objects.get(name=f"incremental pull of locations from platform {cpo.platform.pk}")
    assert (row.interval, row.enabled) == (daily, True)
    assert len(planned(cpo)) == 2


def test_a_schedule_that_the_operator_made_twice_stops_no_registration(cpo, settings):
    for _ in range(2):
        IntervalSchedule.objects.create(every=settings.HUB_PULL_INTERVAL, period="seconds")
    schedules.plan_pulls(cpo.platform)
    schedules.plan_upkeep()

    assert len(planned(cpo)) == 2


def test_the_pulls_of_one_partner_are_removed_and_those_of_others_stay(network, cpo, emsp):
    cpo.platform.pk, before = 7, cpo.platform.pk
    PeriodicTask.objects.create(
        name="full pull of tokens from platform 17",
        task=schedules.TASK,
        interval=IntervalSchedule.objects.create(every=1, period="days"),
    )
    PeriodicTask.objects.create(
        name="full pull of tokens from platform 7",
        task=schedules.TASK,
        interval=IntervalSchedule.objects.first(),
    )
    schedules.remove_pulls(cpo.platform)
    cpo.platform.pk = before

    names = PeriodicTask.objects.filter(task=schedules.TASK).values_list("name", flat=True)
    assert list(names) == ["full pull of tokens from platform 17"]


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

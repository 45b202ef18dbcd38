"""On an upgrade the pulls that beat ran become plans, as operators had set them."""

import importlib
import json
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from ocpi_hub.exchange.models import PullPlan

pytestmark = pytest.mark.django_db

migration = importlib.import_module("ocpi_hub.exchange.migrations.0014_plans_of_beat")


def row(partner, module, kind, **schedule):
    """As releases before wrote it."""
    return PeriodicTask.objects.create(
        name=f"{kind} pull of {module} from platform {partner.platform.pk}",
        task=migration.TASK,
        args=json.dumps([partner.platform.pk, module]),
        kwargs=json.dumps({"full": kind == "full"}),
        **schedule,
    )


def every(count, period="seconds"):
    return {"interval": IntervalSchedule.objects.create(every=count, period=period)}


def at(hour="3", minute="17", zone="UTC", **more):
    crontab = CrontabSchedule.objects.create(hour=hour, minute=minute, timezone=ZoneInfo(zone), **more)
    return {"crontab": crontab}


def taken_over():
    migration.take_over(apps, None)
    return {
        plan.module: (plan.enabled, plan.interval, plan.full_at)
        for plan in PullPlan.objects.order_by("module")
    }


def test_intervals_and_times_stay_and_nothing_of_them_is_left_with_beat(cpo):
    others = set(PeriodicTask.objects.values_list("name", flat=True))
    for module, interval, hour in (("locations", (3600,), "3"), ("tariffs", (2, "hours"), "22")):
        row(cpo, module, "incremental", **every(*interval))
        row(cpo, module, "full", **at(hour))
    before = timezone.now()

    assert taken_over() == {
        "locations": (True, 3600, time(3, 17)),
        "tariffs": (True, 7200, time(22, 17)),
    }
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == others
    assert PeriodicTasks.objects.get(ident=1).last_update >= before
    for plan in PullPlan.objects.all():
        assert before < plan.next_pull_at <= before + timedelta(seconds=plan.interval + 5)
        assert plan.next_full_at.time() == plan.full_at
        assert plan.next_full_at > before
        assert (plan.unknown_after, plan.removed_after) == (None, None)


@pytest.mark.parametrize(
    ("off", "plan"),
    [
        ({"full"}, (True, 60, None)),
        ({"incremental"}, (True, None, time(3, 17))),
        ({"full", "incremental"}, (False, 60, time(3, 17))),
    ],
)
def test_what_was_switched_off_stays_so(cpo, off, plan):
    row(cpo, "locations", "incremental", enabled="incremental" not in off, **every(1, "minutes"))
    row(cpo, "locations", "full", enabled="full" not in off, **at())

    assert taken_over() == {"locations": plan}


def test_what_a_plan_cannot_say_is_told_and_comes_near(cpo, settings, caplog):
    settings.HUB_PULL_INTERVAL = 1800
    row(cpo, "locations", "incremental", **at("*", "*/20"))
    row(cpo, "locations", "full", **at("4", "10", day_of_week="1"))
    row(cpo, "tokens", "full", **at("6", "*/30"))

    found = taken_over()

    assert found["locations"] == (True, 1800, time(4, 10))
    assert (found["tokens"][:2], found["tokens"][2].hour) == ((True, None), 6)
    assert len(caplog.messages) == 3
    assert "daily at 04:10 UTC" in caplog.text


def test_times_of_other_zones_are_told_in_utc(cpo):
    row(cpo, "locations", "full", **at("3", "30", "Asia/Kolkata"))

    assert taken_over() == {"locations": (True, None, time(22))}


def test_the_rows_of_a_platform_that_is_no_more_go(cpo):
    cpo.platform.pk = 4711
    row(cpo, "locations", "full", **at())

    assert taken_over() == {}
    assert not PeriodicTask.objects.filter(task=migration.TASK).exists()

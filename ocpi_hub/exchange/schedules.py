"""The scheduled pulls of a partner, as rows of django-celery-beat that the operator can edit in the admin."""

import json
import random

from django.conf import settings
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from ocpi_hub.exchange import sync
from ocpi_hub.partners.models import Platform

TASK = "ocpi_hub.exchange.tasks.scheduled_pull"


def plan_pulls(platform: Platform) -> None:
    """An incremental pull every HUB_PULL_INTERVAL and a full one a day, for each list the partner offers.

    Rows that are there already stay as the operator left them, only switched on again.
    """
    interval = _every(settings.HUB_PULL_INTERVAL)
    for _, module in sync.sources(platform.pk):
        _plan(platform, module, "incremental", interval=interval)
        _plan(platform, module, "full", crontab=_some_time_at_night())


def _plan(platform: Platform, module: str, kind: str, **schedule: object) -> None:
    PeriodicTask.objects.update_or_create(
        name=f"{kind} pull of {module} from platform {platform.pk}",
        defaults={"enabled": True},
        create_defaults={
            "task": TASK,
            "args": json.dumps([platform.pk, module]),
            "kwargs": json.dumps({"full": kind == "full"}),
            "description": f"{platform.name}: edit the schedule here; the name and arguments are the hub's",
            "enabled": True,
            **schedule,
        },
    )


def _every(seconds: int) -> IntervalSchedule:
    """The operator may have made several alike in the admin, any of which will do."""
    wanted = {"every": seconds, "period": IntervalSchedule.SECONDS}
    return IntervalSchedule.objects.filter(**wanted).first() or IntervalSchedule.objects.create(**wanted)


def _some_time_at_night() -> CrontabSchedule:
    """Every partner gets a minute of its own, so that not all of them are read at once."""
    wanted = {
        "minute": str(random.randrange(60)),  # noqa: S311  # spreads load; nothing to guess
        "hour": str(random.choice((0, 1, 2, 3, 4))),  # noqa: S311
        "day_of_week": "*",
        "day_of_month": "*",
        "month_of_year": "*",
        "timezone": "UTC",
    }
    return CrontabSchedule.objects.filter(**wanted).first() or CrontabSchedule.objects.create(**wanted)


def remove_pulls(platform: Platform) -> None:
    PeriodicTask.objects.filter(task=TASK, name__endswith=f" from platform {platform.pk}").delete()


def plan_upkeep() -> None:
    """What beat does for the hub itself: it looks as well for what workers find by themselves, chores included."""
    task, upkeep = "ocpi_hub.exchange.tasks.sweep", "upkeep of the hub"
    PeriodicTask.objects.filter(description=upkeep).exclude(task=task).delete()
    PeriodicTask.objects.get_or_create(
        name="look for due deliveries",
        defaults={"task": task, "interval": _every(60), "description": upkeep},
    )

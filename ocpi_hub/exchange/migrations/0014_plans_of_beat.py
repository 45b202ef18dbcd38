"""The pulls that beat ran become plans, with the intervals and times that operators set, and leave beat's tables."""

import json
import logging
import random
from datetime import UTC, datetime, time, timedelta

from django.conf import settings
from django.db import migrations
from django.utils import timezone

logger = logging.getLogger(__name__)

TASK = "ocpi_hub.exchange.tasks.scheduled_pull"
SECONDS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1, "microseconds": 0}


def take_over(apps, schema_editor):
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(task=TASK)
    plan_of = apps.get_model("exchange", "PullPlan").objects
    platforms = apps.get_model("partners", "Platform").objects
    now = timezone.now()
    found = {}
    for task in tasks.select_related("interval", "crontab"):
        platform_id, module = json.loads(task.args)
        kind = "full" if json.loads(task.kwargs).get("full") else "incremental"
        if platforms.filter(pk=platform_id).exists():
            found.setdefault((platform_id, module), {})[kind] = task
    for (platform_id, module), rows in found.items():
        # What vanishes is kept, as before; the operator decides when it is to be called UNKNOWN or REMOVED.
        plan_of.get_or_create(platform_id=platform_id, module=module, defaults=plan(rows, now))
    tasks.delete()
    # Beat reads its tables again when this changes.
    apps.get_model("django_celery_beat", "PeriodicTasks").objects.filter(ident=1).update(last_update=now)


def plan(rows, now):
    on = {kind: row for kind, row in rows.items() if row.enabled}
    # A pair that was switched off as a whole comes back as it was when it is switched on.
    counting = on or rows
    interval = seconds(counting["incremental"]) if "incremental" in counting else None
    full_at = moment(counting["full"], now) if "full" in counting else None
    return {
        "enabled": bool(on),
        "interval": interval,
        "full_at": full_at,
        "next_pull_at": now + timedelta(seconds=random.uniform(0, interval)) if interval else None,  # noqa: S311
        "next_full_at": following(full_at, now) if full_at else None,
    }


def seconds(row):
    """An interval as it was; of a crontab the hub's default."""
    if row.interval is None:
        return told(row, settings.HUB_PULL_INTERVAL, f"every {settings.HUB_PULL_INTERVAL} seconds")
    return max(row.interval.every * SECONDS[row.interval.period], 10)


def moment(row, now):
    """The time of a crontab in UTC; of one with several times the first, and of none an hour at night."""
    crontab = row.crontab
    if crontab is None or not (crontab.hour.isdigit() and crontab.minute.isdigit()):
        hour = int(crontab.hour) if crontab is not None and crontab.hour.isdigit() else random.randrange(5)  # noqa: S311
        found = time(hour, random.randrange(60))  # noqa: S311
        return told(row, found, f"daily at {found:%H:%M} UTC")
    local = datetime.combine(
        now.date(), time(int(crontab.hour), int(crontab.minute)), tzinfo=crontab.timezone or UTC
    )
    at = local.astimezone(UTC).time()
    if any(part != "*" for part in (crontab.day_of_week, crontab.day_of_month, crontab.month_of_year)):
        return told(row, at, f"daily at {at:%H:%M} UTC")
    return at


def following(at, now):
    today = datetime.combine(now.date(), at, tzinfo=UTC)
    return today if today > now else today + timedelta(days=1)


def told(row, value, text):
    logger.warning("%r had a schedule that plans of pulls do not have; it is %s now", row.name, text)
    return value


class Migration(migrations.Migration):
    dependencies = [
        ("exchange", "0013_pull_plans"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]

"""What beat does for the hub itself, as rows of django-celery-beat. Pulls have plans of their own (pullplans.py)."""

from django_celery_beat.models import IntervalSchedule, PeriodicTask


def _every(seconds: int) -> IntervalSchedule:
    """The operator may have made several alike in the admin, any of which will do."""
    wanted = {"every": seconds, "period": IntervalSchedule.SECONDS}
    return IntervalSchedule.objects.filter(**wanted).first() or IntervalSchedule.objects.create(**wanted)


def plan_upkeep() -> None:
    """What beat does for the hub itself: it looks as well for what workers find by themselves, chores included."""
    task, upkeep = "ocpi_hub.exchange.tasks.sweep", "upkeep of the hub"
    PeriodicTask.objects.filter(description=upkeep).exclude(task=task).delete()
    PeriodicTask.objects.get_or_create(
        name="look for due deliveries",
        defaults={"task": task, "interval": _every(60), "description": upkeep},
    )

"""What a plan of pulls says to its operator, in words: when the list is read, how it stands, what becomes of what."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from ocpi_hub.exchange.models import Pull, PullPlan
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.objects.reasons import minute

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def pulls_of(plan: PullPlan) -> "QuerySet[Pull]":
    return Pull.objects.filter(platform=plan.platform_id, module=plan.module)


def schedule(plan: PullPlan) -> str:
    """Such as "every hour, in full at 02:13 UTC"."""
    if not plan.enabled:
        return "only when asked for"
    parts = [f"every {lasting(plan.interval)}"] if plan.interval else []
    parts += [f"in full at {plan.full_at:%H:%M} UTC"] if plan.full_at else []
    return ", ".join(parts) or "only when asked for"


def lasting(seconds: int) -> str:
    """Such as "hour", "90 minutes" or "2 days"."""
    name, size = next((name, size) for name, size in UNITS if seconds % size == 0)
    count = seconds // size
    return name if count == 1 else f"{count} {name}s"


def has_policy(model: type[OwnedObject]) -> bool:
    """Whether there is anything to choose for what vanishes."""
    return not model.deletable and model.says_what_is_gone()


def policy(plan: PullPlan) -> str:
    """What becomes of objects that a full pull no longer lists."""
    model = owned_models().get(plan.module)
    if model and (model.addressed or model.hearsay):
        return "kept"
    if plan.full_at is None or model is None:
        return "never noticed: no full pull"
    if model.deletable:
        return "deleted, receivers are told"
    if not has_policy(model):
        return "kept, marked as missing"
    steps = [
        f"{word} after {count} full"
        for word, count in (("UNKNOWN", plan.unknown_after), ("REMOVED", plan.removed_after))
        if count
    ]
    return ", ".join(steps) or "kept, marked as missing"


def state(plan: PullPlan, last: Pull | None, now: datetime) -> str:
    """How it stands, and where somebody has to act: what to do."""
    if not plan.platform.registered:
        return "rests: the partner is not registered"
    if last and last.state == Pull.State.RUNNING:
        of = f" of {last.total}" if last.total else ""
        return f"is being read: page {last.pages + 1}, {last.received}{of} objects so far"
    if last and last.state == Pull.State.WAITING and last.resume_at and last.resume_at > now:
        return f"waits until {minute(last.resume_at)} and goes on then: {last.error}"
    if plan.failures and last:
        return f"failed {times(plan.failures)}: {last.error}; {coming(plan, now)}"
    if plan.wanted:
        return "asked for, begins within seconds" if free(plan, now) else coming(plan, now)
    if last is None:
        return "never read so far"
    if last.note:
        return last.note
    return "up to date" if plan.enabled else "switched off"


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times in a row"


def free(plan: PullPlan, now: datetime) -> bool:
    return plan.not_before is None or plan.not_before <= now


def coming(plan: PullPlan, now: datetime) -> str:
    at = next_due(plan)
    if at is None:
        return "no further pull is planned"
    return "the next one begins within seconds" if at <= now else f"the next one begins at {minute(at)}"


def next_due(plan: PullPlan) -> datetime | None:
    """When it is read next, at the earliest."""
    planned = [at for at in (plan.next_pull_at, plan.next_full_at) if at and plan.enabled]
    if plan.wanted and plan.wanted_at:
        planned.append(plan.wanted_at)
    if not planned:
        return None
    return max(min(planned), plan.not_before) if plan.not_before else min(planned)


def age(moment: datetime, now: datetime) -> str:
    """Such as "3 hours ago"; of the moment itself, "now"."""
    seconds = int((now - moment) / timedelta(seconds=1))
    for name, size in UNITS:
        if count := seconds // size:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "now"

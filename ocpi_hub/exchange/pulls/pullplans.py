"""When which list is read: a plan for each partner and module, which workers find by themselves (TRN-13).

All that a worker has to know is in the plan's row: when it is due, what was asked for besides, and from when after
an outage. A worker claims a due plan by an UPDATE and renews its claim page by page; the plan of one that was
killed is due again minutes later, and the pull goes on where it stood (crawls.py). So a pull that was asked for is
never lost, with or without Redis and beat.
"""

import random
import threading
import uuid
from datetime import datetime, time, timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Least

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.models import Pull, PullPlan
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.pulls import crawls, sync
from ocpi_hub.exchange.pulls.partnerlists import PullFailed, TurnOver
from ocpi_hub.partners.models import Endpoint, Platform

HELD_FOR = crawls.ABANDONED_AFTER
OF_ONE_PARTNER = 3  # lists of it that are read at once
TURN = 120.0  # seconds that a list is read when others wait for a place
MAKES_WAY_FOR = timedelta(seconds=10)  # two looks of a worker at what is due
NIGHT = range(5)  # the hours in which new plans have their full pull
FIRST_PULL_WITHIN = timedelta(seconds=30)  # of the registration, before a list without a plan is looked for

# Seconds until a failed pull is tried again. The first is for a partner that needs a moment after its registration
# to learn that it is registered, and knows no token of ours until then.
AGAIN = (5, 60, 300, 900, 3600)
BUSY_FOR = timedelta(seconds=60)  # somebody reads the list besides the plan


# ----------------------------------------------------------------------------------------------- making plans
def make(platform: Platform, now: datetime | None = None) -> None:
    """A plan for each list that the partner offers. Those that are there stay as the operator left them, switched on.

    What was cut off at its lists before does not go on: they may be elsewhere now.
    """
    now = now or clock.now()
    crawls.give_up(platform, now)
    platform.pull_plans.update(enabled=True)
    for _, module in sync.sources(platform.pk):
        _make(platform, module, now)


def make_missing(now: datetime) -> None:
    """Plans for lists that have none, such as those of a module that was switched on after the registration."""
    models = {name: model for name, model in owned_models().items() if model.pulled}
    planned = PullPlan.objects.filter(platform=OuterRef("platform"), module=OuterRef("module"))
    unplanned = Endpoint.objects.filter(
        ~Exists(planned),
        role=Endpoint.Role.SENDER,
        module__in=models,
        platform__in=Platform.objects.registered().filter(connected_at__lt=now - FIRST_PULL_WITHIN),
    )
    for row in unplanned.select_related("platform"):
        if row.platform.party_with([models[row.module].owner_role]):
            _make(row.platform, row.module, now, wanted=PullPlan.Wanted.ALL, wanted_at=now)


def _make(platform: Platform, module: str, now: datetime, **more: Any) -> PullPlan:
    plan, _ = PullPlan.objects.get_or_create(platform=platform, module=module, defaults=_new(now) | more)
    return plan


def _new(now: datetime) -> dict[str, Any]:
    full_at = _some_time_at_night()
    return {
        "interval": settings.HUB_PULL_INTERVAL,
        "full_at": full_at,
        "unknown_after": settings.HUB_VANISHED_UNKNOWN or None,
        "removed_after": settings.HUB_VANISHED_REMOVED or None,
        "next_pull_at": next_pull(settings.HUB_PULL_INTERVAL, now),
        "next_full_at": next_full(full_at, now),
    }


def _some_time_at_night() -> time:
    """Every list gets a minute of its own, so that not all of them are read at once."""
    return time(random.choice(NIGHT), random.randrange(60))  # noqa: S311  # spreads load; nothing to guess


def next_pull(interval: int | None, now: datetime) -> datetime | None:
    """When an incremental pull is due that follows one of now, a little later by chance."""
    return now + timedelta(seconds=interval) + _chance() if interval else None


def next_full(full_at: time | None, now: datetime) -> datetime | None:
    """The next day's full pull, or today's when its time is to come, a little later by chance."""
    if full_at is None:
        return None
    today = now.replace(hour=full_at.hour, minute=full_at.minute, second=full_at.second, microsecond=0)
    return (today if today > now else today + timedelta(days=1)) + _chance()


def _chance() -> timedelta:
    return timedelta(seconds=random.uniform(0, settings.HUB_PULL_JITTER))  # noqa: S311  # spreads load


def reschedule(plan: PullPlan, now: datetime) -> None:
    """The operator changed interval or time; the caller saves it."""
    plan.next_pull_at, plan.next_full_at = next_pull(plan.interval, now), next_full(plan.full_at, now)


# --------------------------------------------------------------------------------------------- asking for pulls
def ask(plans: QuerySet[PullPlan], *, full: bool = False, since: datetime | None = None) -> int:
    """Have these lists read soon, besides their schedule; how many. In the caller's transaction.

    `since` is when an outage began: the pull starts before it, whatever the last one says.
    """
    now = clock.now()
    everything = Value(PullPlan.Wanted.ALL)
    return plans.update(
        wanted=everything
        if full
        else Case(When(wanted=PullPlan.Wanted.ALL, then=everything), default=Value(PullPlan.Wanted.CHANGES)),
        wanted_at=now,
        since=Least(Coalesce("since", Value(since)), Value(since)) if since else F("since"),
        begun_at=None,
        not_before=None,
        failures=0,
    )


def ask_platform(platform: Platform, *, full: bool = False, since: datetime | None = None) -> None:
    """Have all its lists read, those without a plan too; after an outage only those that are read by schedule."""
    for _, module in sync.sources(platform.pk):
        _make(platform, module, clock.now())
    plans = PullPlan.objects.filter(platform=platform)
    ask(plans.filter(enabled=True) if since else plans, full=full, since=since)


def leave_to_workers(platform: Platform, module: str, *, full: bool) -> None:
    """Have a list read on that somebody has begun by hand; where its partner asked for a wait, after that."""
    plan = _make(platform, module, clock.now())
    ask(PullPlan.objects.filter(pk=plan.pk), full=full)


def stand_still(platform: Platform) -> None:
    """The partner ended its registration: its plans stay as they are, with nothing asked for."""
    crawls.give_up(platform, clock.now())
    platform.pull_plans.update(
        wanted=PullPlan.Wanted.NOTHING,
        since=None,
        failures=0,
        not_before=None,
        begun_at=None,
        believes_next=False,
    )


# ------------------------------------------------------------------------------------------------- what is due
def due(now: datetime) -> QuerySet[PullPlan]:
    """Plans that are to be run and that nobody runs; what somebody asked for goes first."""
    free = Q(held_until=None) | Q(held_until__lte=now)
    allowed = Q(not_before=None) | Q(not_before__lte=now)
    by_schedule = Q(enabled=True) & (Q(next_pull_at__lte=now) | Q(next_full_at__lte=now))
    busy = PullPlan.objects.filter(held_until__gt=now).values("platform")
    busy = busy.annotate(n=Count("pk")).filter(n__gte=OF_ONE_PARTNER).values("platform")
    rows = PullPlan.objects.filter(
        free,
        allowed,
        by_schedule | ~Q(wanted=PullPlan.Wanted.NOTHING),
        module__in=owned_models(),
        platform__in=Platform.objects.registered(),
    )
    first = Coalesce("wanted_at", Least("next_pull_at", "next_full_at"))
    is_asked_for = Case(When(wanted=PullPlan.Wanted.NOTHING, then=1), default=0)
    return rows.exclude(platform__in=busy).order_by(is_asked_for, first, "id")


def claim(now: datetime) -> PullPlan | None:
    """The next due plan, for this worker to run."""
    for plan in due(now)[: 2 * OF_ONE_PARTNER]:
        free = PullPlan.objects.filter(pk=plan.pk).filter(Q(held_until=None) | Q(held_until__lte=now))
        holder = uuid.uuid4().hex
        if free.update(holder=holder, held_until=now + HELD_FOR):
            return PullPlan.objects.select_related("platform").get(pk=plan.pk)
    return None


def run(plan: PullPlan, now: datetime | None = None) -> list[sync.Report]:
    """Run a claimed plan, and write down when it is due next."""
    now = now or clock.now()
    full, begun = is_full(plan, now), monotonic()
    try:
        reports = sync.pull_platform(
            plan.platform_id,
            plan.module,
            full=full,
            since=plan.since,
            progress=lambda pull, total: _go_on(plan, begun),
            now=now,
            done_since=plan.begun_at,
        )
    except Exception:
        _finish(plan, {"begun_at": plan.begun_at or now} | _after_failure(plan, clock.now()))
        raise
    changes = _after(plan, [report.pull for report in reports], full, clock.now())
    _finish(plan, {"begun_at": plan.begun_at or now} | changes)
    return reports


def is_full(plan: PullPlan, now: datetime) -> bool:
    by_schedule = plan.enabled and plan.next_full_at is not None and plan.next_full_at <= now
    return plan.wanted == PullPlan.Wanted.ALL or by_schedule


stopping = threading.Event()  # the worker is about to end


def _go_on(plan: PullPlan, begun: float) -> None:
    """After each page: keep the plan, or leave the rest to another worker, or for after those who wait."""
    if stopping.is_set():
        raise PullFailed("the worker was stopped", temporary=True, cause="interrupted")
    if monotonic() - begun > TURN and due(clock.now()).exclude(pk=plan.pk).exists():
        raise TurnOver("other lists wait to be read; it goes on after them", MAKES_WAY_FOR)
    PullPlan.objects.filter(pk=plan.pk, holder=plan.holder).update(held_until=clock.now() + HELD_FOR)


def _finish(plan: PullPlan, changes: dict[str, Any]) -> None:
    """Let go of the plan. What was asked for while it ran stays asked for, and is due at once."""
    mine = PullPlan.objects.filter(pk=plan.pk, holder=plan.holder)
    if mine.filter(wanted_at=plan.wanted_at).update(holder="", held_until=None, **changes):
        return
    asked_anew = {"wanted", "since", "not_before", "failures", "begun_at"}
    kept = {name: value for name, value in changes.items() if name not in asked_anew}
    mine.update(holder="", held_until=None, **kept)


def _after(plan: PullPlan, pulls: list[Pull], full: bool, now: datetime) -> dict[str, Any]:
    """What becomes of a plan whose lists were read so; several parties of a platform have a list each."""
    if any(pull.error == crawls.BUSY for pull in pulls):
        return {"not_before": now + BUSY_FOR}
    if waiting := [pull.resume_at for pull in pulls if pull.state == Pull.State.WAITING and pull.resume_at]:
        return {"not_before": max(waiting)}
    if any(pull.state != Pull.State.DONE for pull in pulls):
        return _after_failure(plan, now)
    changes: dict[str, Any] = {
        "begun_at": None,
        "failures": 0,
        "not_before": None,
        "next_pull_at": next_pull(plan.interval, now),
    }
    if full or (pulls and all(pull.full for pull in pulls)):
        changes["next_full_at"] = next_full(plan.full_at, now)
    if plan.wanted_at is None or all(pull.started_at >= plan.wanted_at for pull in pulls):
        changes |= {"wanted": PullPlan.Wanted.NOTHING, "since": None}
    elif plan.wanted == PullPlan.Wanted.ALL:
        # A full pull that had begun before it was asked for went on: what changed since is still to be read.
        changes["wanted"] = PullPlan.Wanted.CHANGES
    return changes


def _after_failure(plan: PullPlan, now: datetime) -> dict[str, Any]:
    seconds = AGAIN[min(plan.failures, len(AGAIN) - 1)]
    spread = 1 + 0.1 * random.random()  # noqa: S311  # spreads load; nothing to guess
    return {"failures": plan.failures + 1, "not_before": now + timedelta(seconds=seconds) * spread}

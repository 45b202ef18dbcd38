"""Reconciliations: begun each night by the workers themselves, worked on in turns, and resumed by whoever is there."""

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls.transports import InsideTransaction
from ocpi_hub.partners.models import Platform
from ocpi_hub.proof import comparison, gaps, stages
from ocpi_hub.proof.asking import Pause
from ocpi_hub.proof.models import Gap, Reconciliation, Run

logger = logging.getLogger(__name__)

TOGETHER = 4  # runs that one worker works on at the same time
LEASE = timedelta(minutes=3)  # longer than a turn and one call of a partner
TURN = 20.0  # seconds that a run is worked on at a time
FAULTS_TO_FAIL = 5  # in a row
AFTER_FAULT = timedelta(minutes=1)

_begun: set[date] = set()  # the night that this process has begun last


def work() -> None:
    """Begin what is due tonight, and work on runs for a while; for every worker's round."""
    now = clock.now()
    begin(now)
    claimed = claim(now, TOGETHER)
    if claimed:
        with ThreadPoolExecutor(TOGETHER, "proof") as pool:
            list(pool.map(_turn, claimed))


def begin(now: datetime) -> int:
    """One run a night with every partner that was connected before it; how many there were to begin."""
    due = now.astimezone(UTC).replace(hour=settings.HUB_PROOF_HOUR, minute=0, second=0, microsecond=0)
    if not settings.HUB_PROOF_NIGHTLY or now < due or due.date() in _begun:
        return 0
    before = Platform.objects.registered().filter(Q(connected_at=None) | Q(connected_at__lt=due))
    waiting = before.exclude(reconciliation_runs__night=due.date())
    free = waiting.exclude(reconciliation_runs__state=Run.State.RUNNING)
    begun = [start(platform, now, night=due.date()) for platform in free]
    if not waiting.exists():  # what is under way with a partner comes to its end first
        _begun.clear()
        _begun.add(due.date())
    return len([run for run in begun if run])


def start(
    platform: Platform,
    now: datetime,
    *,
    night: date | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    module: str = "",
    asks: bool = True,
) -> Run | None:
    """None when there is one under way, or that night's has been."""
    modules = comparison.modules_for(platform)
    try:
        with transaction.atomic():
            if not module:
                gaps.drop_other_modules(platform, modules, now)
            return Run.objects.create(
                platform=platform,
                night=night,
                since=since or midnight(now) - timedelta(days=settings.HUB_PROOF_DAYS),
                until=min(until or now, now),
                asks=asks,
                fills=platform.gap_policy == Platform.GapPolicy.FILL,
                modules=[name for name in modules if module in ("", name)],
            )
    except IntegrityError:
        return None


def midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def claim(now: datetime, most: int, run_id: int | None = None) -> list[Run]:
    """Take runs that nobody works on."""
    holder = uuid.uuid4().hex
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM, {"now": now, "until": now + LEASE, "most": most, "holder": holder, "run": run_id}
        )
    return list(Run.objects.filter(holder=holder, state=Run.State.RUNNING).select_related("platform"))


_CLAIM = """
WITH free AS MATERIALIZED (
    SELECT id FROM proof_run WHERE state = 'RUNNING' AND next_at <= %(now)s
        AND (held_until IS NULL OR held_until <= %(now)s) AND (%(run)s::bigint IS NULL OR id = %(run)s)
    ORDER BY next_at, id LIMIT %(most)s FOR UPDATE SKIP LOCKED)
UPDATE proof_run SET holder = %(holder)s, held_until = %(until)s FROM free WHERE proof_run.id = free.id
"""


def _turn(run: Run) -> None:
    try:
        turn(run)
    finally:
        connection.close()


def turn(run: Run, pause: Pause = time.sleep) -> None:
    """Work on a claimed run until it is done, has to wait, or its turn is over; the next turn goes on from there."""
    end = time.monotonic() + TURN
    try:
        while run.state == Run.State.RUNNING and run.next_at <= clock.now() and time.monotonic() < end:
            run.held_until = clock.now() + LEASE
            stages.advance(run, pause)
    except stages.LeaseLost:
        logger.warning("%s is worked on by another process", run)
    except InsideTransaction:
        raise
    except Exception as error:  # one partner's run must not end the round of the others
        logger.exception("%s stopped on a fault of the hub", run)
        _note_fault(run, error)
    finally:
        # Whoever waits longest is next, so that slow partners keep the others waiting for a turn only.
        queued = Greatest("next_at", Value(clock.now()))
        Run.objects.filter(pk=run.pk, holder=run.holder).update(holder="", held_until=None, next_at=queued)


def _note_fault(run: Run, error: Exception) -> None:
    """Again in a minute, from where it had come to; given up after some."""
    now = clock.now()
    text = f"a fault of the hub: {type(error).__name__}"
    mine = Run.objects.filter(pk=run.pk, holder=run.holder, state=Run.State.RUNNING)
    mine.update(failures=F("failures") + 1, error=text, next_at=now + AFTER_FAULT)
    mine.filter(failures__gte=FAULTS_TO_FAIL).update(state=Run.State.FAILED, finished_at=now)


def follow(run: Run, pause: Pause = time.sleep) -> Run:
    """Work on a run to its end, for a command; the workers may do a part of it."""
    while True:
        for claimed in claim(clock.now(), 1, run.pk):
            turn(claimed, pause)
        run.refresh_from_db()
        if run.state != Run.State.RUNNING:
            return run
        pause(min(max((run.next_at - clock.now()).total_seconds(), 0.2), 5.0))


def forget(now: datetime | None = None) -> int:
    """Delete runs, days and closed gaps of HUB_PROOF_KEPT_DAYS ago; how many rows went."""
    before = (now or timezone.now()) - timedelta(days=settings.HUB_PROOF_KEPT_DAYS)
    old = (
        Run.objects.filter(finished_at__lt=before),
        Reconciliation.objects.filter(compared_at__lt=before),
        Gap.objects.filter(closed_at__lt=before),
    )
    return sum(rows.delete()[0] for rows in old)

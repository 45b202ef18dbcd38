"""Celery tasks: each fetches what it needs, calls one thing, ends. They carry ids and may run twice."""

import logging
import random
from datetime import datetime

from celery import shared_task
from django.conf import settings

from ocpi_hub.exchange import clock, lanes, outbox, sweeper, sync, tally, upkeep

logger = logging.getLogger(__name__)

# Seconds until a full pull that could not begin is tried again: after a registration a partner may need a moment
# to learn that it is registered, and knows no token of ours until then.
AGAIN = (5, 60)


@shared_task
def expand() -> None:
    """Turn waiting messages into deliveries and start the lanes that got some."""
    for platform_id in outbox.expand():
        drain.apply_async((platform_id,), expires=60)


@shared_task
def drain(platform_id: int) -> None:
    """Work one partner's lane for a slice of time, and ask for another slice while there is more."""
    if sweeper.drain(platform_id) and lanes.due_platforms(clock.now(), platform_id):
        drain.apply_async((platform_id,), expires=60)


@shared_task
def sweep() -> None:
    """What each worker does by itself every few seconds, started by beat for workers that cannot."""
    for platform_id in sweeper.sweep():
        drain.apply_async((platform_id,), expires=60)
    for work in sweeper.rounds():
        sweeper.run_round(work)


@shared_task
def scheduled_pull(platform_id: int, module: str, full: bool = False) -> None:
    """Pull a little later than beat says, by chance, so that partners are not all asked at once (TRN-13)."""
    wait = random.uniform(0, settings.HUB_PULL_JITTER)  # noqa: S311  # spreads load; nothing to guess
    pull.apply_async((platform_id, module), {"full": full}, countdown=wait, expires=wait + 3600)


@shared_task
def pull(platform_id: int, module: str, full: bool = False, since: str | None = None, tries: int = 0) -> None:
    """Fetch a partner's list of one module, for each of its parties."""
    moment = datetime.fromisoformat(since) if since else None
    reports = sync.pull_platform(platform_id, module, full=full, since=moment)
    if full and tries < len(AGAIN) and any(report.read_nothing for report in reports):
        # Above it the log says why: after a registration nobody has to do anything yet.
        logger.info(
            "full pull of %s from platform %s could not begin, and is tried again in %d s",
            module,
            platform_id,
            AGAIN[tries],
        )
        again = (platform_id, module, full, since, tries + 1)
        pull.apply_async(again, countdown=AGAIN[tries], expires=AGAIN[tries] + 3600)


@shared_task
def housekeeping() -> None:
    """What is due of the hub's own upkeep, for workers whose rounds cannot do it."""
    upkeep.do_what_is_due()


@shared_task
def compare_totals() -> None:
    """Mend totals of lists that differ from what is there, and say so; for whoever asks for it now."""
    tally.compare()

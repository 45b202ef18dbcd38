"""Celery tasks: each fetches what it needs, calls one thing, ends. They carry ids and may run twice."""

import logging

from celery import shared_task

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.deliveries import lanes
from ocpi_hub.exchange.housekeeping import sweeper, upkeep
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.objects import tally

logger = logging.getLogger(__name__)


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
    sweeper.begin_pulls()
    for work in sweeper.rounds():
        sweeper.run_round(work)


@shared_task
def housekeeping() -> None:
    """What is due of the hub's own upkeep, for workers whose rounds cannot do it."""
    upkeep.do_what_is_due()


@shared_task
def compare_totals() -> None:
    """Mend totals of lists that differ from what is there, and say so; for whoever asks for it now."""
    tally.compare()

"""Who holds a lane: a drain of a process of some machine. Lanes of one that is gone are given back at once.

A lease ends by itself a minute after its worker died. Whoever runs on the same machine, or in the same container,
sees sooner that the process is no more; of others nothing is known, and their leases are waited for. A drain that
ended without PostgreSQL, and so could not say that it did, is known to its own process.
"""

import logging
import os
import uuid
from datetime import UTC, datetime

from django.db import transaction

from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.processes import identity, machine

logger = logging.getLogger(__name__)

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

_at_work: set[str] = set()  # the drains of this process


def new_holder() -> str:
    """A name that no other drain has, with the process that it is of; it is at work until `ended`."""
    holder = f"{machine()}/{identity(os.getpid())}/{uuid.uuid4().hex[:16]}"
    _at_work.add(holder)
    return holder


def ended(holder: str) -> None:
    _at_work.discard(holder)


def is_gone(holder: str) -> bool:
    """Whether it was of a process of this machine that lives no more, or a drain of ours that has ended."""
    where, _, rest = holder.partition("/")
    known_by = rest.partition("/")[0]
    pid = known_by.partition(":")[0]
    if not where or where != machine() or not pid.isdigit():
        return False
    if int(pid) == os.getpid() and identity(os.getpid()) == known_by:
        return holder not in _at_work
    return identity(int(pid)) != known_by


def give_back() -> int:
    """Give back the lanes of workers that were killed; what they were sending is in doubt. How many lanes."""
    held = Lane.objects.exclude(holder="").values_list("pk", "holder")
    return sum(_give_back(pk, holder) for pk, holder in held if is_gone(holder))


def _give_back(lane_id: int, holder: str) -> int:
    with transaction.atomic():
        if not Lane.objects.filter(pk=lane_id, holder=holder).update(holder="", held_until=None):
            return 0
        sending = Delivery.objects.filter(platform_id=lane_id, state=Delivery.State.SENDING)
        sending.update(claimed_at=LONG_AGO)
    logger.warning("whoever was sending to platform %s is gone; another one goes on", lane_id)
    return 1

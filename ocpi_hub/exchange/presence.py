"""When a partner was last heard of, from the traffic itself (mod_hub_client_info, Still alive check).

A process notes a partner at most every NOTE_EVERY seconds, so that a busy one costs no writes.
"""

import time
from datetime import datetime
from typing import Any

from django.utils import timezone

from ocpi_hub.partners.models import Platform

NOTE_EVERY = 30.0

_noted: dict[int, float] = {}


def heard(platform_id: int) -> None:
    """It called us, or answered: the wait for its next sign of life begins anew."""
    now = time.monotonic()
    if now - _noted.get(platform_id, -NOTE_EVERY) < NOTE_EVERY:
        return
    _noted[platform_id] = now
    note(platform_id, timezone.now())


def note(platform_id: int, now: datetime, **changes: Any) -> None:
    Platform.objects.filter(pk=platform_id).update(last_heard_at=now, **changes)


def missed(platform_id: int) -> None:
    """It did not answer: whether it is there at all is asked at once, and not only after minutes of silence."""
    _noted.pop(platform_id, None)
    Platform.objects.filter(pk=platform_id).update(next_probe_at=timezone.now())

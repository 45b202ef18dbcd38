"""When a partner was last heard of, from the traffic itself (mod_hub_client_info.asciidoc, Still alive check).

heard()     it called us
answered()  it answered a call of ours as it should: it can be reached
missed()    it did not: liveness.py asks at once whether it is there

A process notes each of a partner only so often, so that a busy one costs no writes.
"""

import time
from datetime import datetime

from django.conf import settings
from django.db.models import Case, DateTimeField, F, PositiveIntegerField, Q, Value, When

from ocpi_hub.exchange import clock
from ocpi_hub.partners.models import Platform, Status

NOTE_EVERY = 30.0  # seconds, or less where HUB_SILENCE is short
MOST_MISSED = 3  # calls of its versions endpoint in a row, and the partner counts as offline

_noted: dict[tuple[str, int], float] = {}


def heard(platform_id: int) -> None:
    """It called us: the wait for its next sign of life begins anew."""
    if _is_time("heard", platform_id):
        note(platform_id, clock.now())


def answered(platform_id: int) -> None:
    """It answered: besides, no doubt is left whether it can be reached."""
    if _is_time("answered", platform_id):
        note_answer(platform_id, clock.now())


def missed(platform_id: int) -> None:
    """It did not answer, or not as it should: it is asked at once, and not only after minutes of silence."""
    if _is_time("missed", platform_id):
        doubt(platform_id, clock.now())


def note_every() -> float:
    return min(NOTE_EVERY, settings.HUB_SILENCE / 10)


def _is_time(what: str, platform_id: int) -> bool:
    now = time.monotonic()
    if now - _noted.get((what, platform_id), -NOTE_EVERY) < note_every():
        return False
    _noted[what, platform_id] = now
    return True


# ------------------------------------------------------------------------------------------------ writing
_OFFLINE = Q(status=Status.OFFLINE)
_IN_DOUBT = Q(status=Status.CONNECTED, missed_probes__lt=MOST_MISSED)


def note(platform_id: int, now: datetime) -> None:
    """One that counts as offline is asked at once whether it can be reached again."""
    asked = Case(When(_OFFLINE, then=Value(now)), default=F("next_probe_at"))
    Platform.objects.filter(pk=platform_id).update(last_heard_at=now, next_probe_at=asked)


def note_answer(platform_id: int, now: datetime) -> None:
    """Misses that have made it offline stay counted until its versions endpoint answers (see liveness.py)."""
    never = Value(None, output_field=DateTimeField())
    asked = Case(When(_IN_DOUBT, then=never), When(_OFFLINE, then=Value(now)), default=F("next_probe_at"))
    counted = Case(When(_IN_DOUBT, then=0), default=F("missed_probes"), output_field=PositiveIntegerField())
    Platform.objects.filter(pk=platform_id).update(
        last_heard_at=now, next_probe_at=asked, missed_probes=counted
    )


def doubt(platform_id: int, now: datetime) -> None:
    """Have it asked at once."""
    Platform.objects.filter(pk=platform_id).exclude(next_probe_at__lte=now).update(next_probe_at=now)

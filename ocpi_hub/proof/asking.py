"""Asking a partner what it holds: by GET, one object after the other, no faster and no longer than it can bear."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls import presence, transports
from ocpi_hub.exchange.calls.verdicts import retry_after
from ocpi_hub.exchange.deliveries import lanebreaker, receiverurls
from ocpi_hub.exchange.models import Lane
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.journal import recording
from ocpi_hub.partners.models import Endpoint, Platform, Status
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.proof.content import Unreadable, difference
from ocpi_hub.proof.models import Asking
from ocpi_hub.protocol.client import Answer, CallFailed, PlatformClient
from ocpi_hub.protocol.headers import MessageIDs, Routing
from ocpi_hub.protocol.types import PartyRef

FAILURES_TO_STOP = 3  # in a row
REST = timedelta(minutes=5)  # after these, unless the partner names another time
NO_URL = "it gave no URL of its own server for it"

Pause = Callable[[float], object]


class Held(StrEnum):
    """What a partner's answer to a GET says of one object."""

    YES = "held"
    NO = "lost"
    OTHERWISE = "different"
    UNCLEAR = "unclear"


class Said(NamedTuple):
    held: Held
    reason: str = ""
    failed: bool = False  # the partner did not answer as it should
    wait: timedelta | None = None  # that it asks for
    never: str = ""  # why it cannot be asked at all


def judge(row: OwnedObject, answer: Answer, now: datetime) -> Said:
    """What an answer says; pure."""
    status = answer.http_status
    if status in (405, 501):
        never = f"it answered HTTP {status}: it does not allow GET"
        return Said(Held.UNCLEAR, never, never=never)
    if status in (401, 403, 408, 425, 429) or status >= 500:
        wait = retry_after(answer.headers.get("Retry-After"), now)
        return Said(Held.UNCLEAR, f"it answered HTTP {status}", failed=True, wait=wait)
    if status in (404, 410):
        return Said(Held.NO, f"it answered HTTP {status}")
    if not answer.ok:
        return Said(Held.UNCLEAR, f"it answered HTTP {status}, status code {answer.status_code or 'none'}")
    try:
        place = difference(type(row).wire, row.document.encode(), answer.data)
    except Unreadable as fault:
        return Said(Held.UNCLEAR, str(fault))
    return Said(Held.OTHERWISE, place) if place else Said(Held.YES)


# ------------------------------------------------------------------------------------------- may it be asked
def why_not(platform: Platform, module: str, now: datetime) -> str:
    """Why a partner is not asked about a module now; empty when it is."""
    row = Asking.objects.filter(platform=platform, module=module).first()
    if row and not row.allowed:
        return "not asked: that is switched off"
    if row and row.again_at and row.again_at > now:
        return f"it cannot be asked, {row.reason}; that is tried again on {row.again_at:%Y-%m-%d}"
    return ""


def away(platform: Platform) -> str:
    """What keeps the hub from asking a partner just now; empty when nothing does."""
    status = Platform.objects.filter(pk=platform.pk).values_list("status", flat=True).first()
    if status != Status.CONNECTED:
        return f"it was {str(status).lower()}"
    return "it failed on what it was sent" if lanebreaker.is_open(platform.pk) else ""


def rests_until(platform: Platform) -> datetime | None:
    """When the partner takes more, by its own limit or because it asked for a pause; None for now."""
    row = Lane.objects.filter(platform=platform, rest_until__gt=clock.now()).first()
    return row.rest_until if row else None


def pace_of(platform: Platform) -> float:
    """Seconds between two questions; of its own limit a half is left for what is delivered."""
    limit = platform.deliveries_per_minute
    return max(1 / settings.HUB_PROOF_PACE, 120 / limit if limit else 0)


def is_known_to_answer(platform: Platform, module: str) -> bool:
    """Whether it has ever given what it was asked for: else its 404 may mean that it allows no GET."""
    return Asking.objects.filter(platform=platform, module=module, answered_at__isnull=False).exists()


def note_answer(platform: Platform, module: str, now: datetime) -> None:
    changes = {"answered_at": now, "refused_at": None, "reason": "", "again_at": None, "not_found": 0}
    Asking.objects.update_or_create(platform=platform, module=module, defaults=changes)


def note_refusal(platform: Platform, module: str, reason: str, again_at: datetime, now: datetime) -> None:
    changes = {"refused_at": now, "reason": reason, "again_at": again_at, "not_found": 0}
    Asking.objects.update_or_create(platform=platform, module=module, defaults=changes)


def note_nothing_found(platform: Platform, module: str, reason: str, count: int, now: datetime) -> None:
    """It answered 404 for each of so many; it is asked again every time, for it may have lost them all."""
    changes = {"refused_at": now, "reason": reason, "again_at": None, "not_found": count}
    Asking.objects.update_or_create(platform=platform, module=module, defaults=changes)


def count_as_lost(rows: QuerySet[Asking], now: datetime) -> int:
    """It is known to give what it has, so that its 404 names a gap from the next reconciliation on."""
    return rows.update(answered_at=now, refused_at=None, reason="", again_at=None, not_found=0)


def unproven() -> QuerySet[Asking]:
    """Where a partner has shown nothing of what it acknowledged, and nobody has said that it need not."""
    return Asking.objects.filter(not_found__gt=0, allowed=True).select_related("platform")


# ------------------------------------------------------------------------------------------------ a visit
class Visit:
    """Questions to one partner about one module."""

    def __init__(self, platform: Platform, model: type[OwnedObject], pause: Pause = time.sleep) -> None:
        self.platform, self.model, self.pause = platform, model, pause
        self.endpoint = platform.endpoint(model.module, Endpoint.Role.RECEIVER) or ""
        self.results: list[tuple[OwnedObject, Said]] = []
        self.failures = 0  # in a row

    def ask(self, rows: list[OwnedObject], until: float) -> Said | None:
        """One after the other until this moment of the clock; what ended it early, if anything did."""
        for row in rows:
            if time.monotonic() > until:
                # Few slow failures fill a visit; the next one would begin to count anew.
                return self._stopped() if self.failures else None
            said = self._ask(row)
            self.results.append((row, said))
            self.failures = self.failures + 1 if said.failed else 0
            if said.never or said.wait or self.failures >= FAILURES_TO_STOP:
                return self._stopped()
        return None

    def _stopped(self) -> Said:
        """The last answer; what the partner failed on is asked again."""
        said = self.results[-1][1]
        self.results = self.results[: len(self.results) - (self.failures or 1)]
        return said

    def _ask(self, row: OwnedObject) -> Said:
        url = receiverurls.url_of(row, self.endpoint)
        if not url:
            return Said(Held.UNCLEAR, NO_URL)
        try:
            client = transports.client_for(self.platform)
        except UnreadableSecret as error:
            return Said(Held.UNCLEAR, f"our token for it: {error}", failed=True)
        self.pause(pace_of(self.platform))
        transports.release_connection()
        try:
            answer = self._get(client, row, url)
        except CallFailed as error:
            presence.missed(self.platform.pk)
            return Said(Held.UNCLEAR, str(error), failed=True)
        presence.answered(self.platform.pk)
        return judge(row, answer, timezone.now())

    def _get(self, client: PlatformClient, row: OwnedObject, url: str) -> Answer:
        routing = Routing(to=PartyRef.parse(row.audience), sender=row.own_address.owner)
        seconds = min(self.platform.seconds_to_answer, settings.HUB_TOTAL_TIMEOUT)
        with recording.checking():
            return client.request("GET", url, ids=MessageIDs.new(), routing=routing, total_timeout=seconds)

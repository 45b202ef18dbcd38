"""Whether a partner is there (mod_hub_client_info.asciidoc, Still alive check; interpretations, P136).

A partner of which nothing was heard for HUB_SILENCE, or that failed to answer a call or a delivery, is asked for
its versions. Of many workers one asks: it claims the partner by an UPDATE of next_probe_at.

Who decides, so that nothing goes back and forth:

- OFFLINE is said by calls of the versions endpoint that fail, and by nothing else: by the third in a row, or by
  the first while the breaker of the partner's lane is open. One whose Receiver fails on every push and whose
  versions endpoint answers stays CONNECTED: its lane rests, and others still reach it for all else.
- CONNECTED is said by an answer: of the versions endpoint, or to a delivery. A call of its own only has it
  asked at once, because what others want to know is whether it can be reached.
- Where deliveries arrive and the versions endpoint fails, the third failure says OFFLINE once and the next
  delivery CONNECTED. From then on its failures count no more, until the endpoint has answered again.
"""

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from ocpi_hub.errorreports.occurrences import Evidence, Noted, note, write
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.calls import presence, transports
from ocpi_hub.exchange.calls.causes import SECRET_UNREADABLE
from ocpi_hub.exchange.calls.presence import MOST_MISSED
from ocpi_hub.exchange.calls.verdicts import describe, jitter
from ocpi_hub.exchange.deliveries import lanebreaker
from ocpi_hub.journal import recording
from ocpi_hub.logs import current_ids
from ocpi_hub.partners.models import Platform, Status
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import Answer, CallFailed
from ocpi_hub.protocol.headers import MessageIDs

logger = logging.getLogger(__name__)

CALL_TIMEOUT = 10.0  # seconds that a partner has to list its versions
CLAIM = timedelta(seconds=60)  # whoever claimed a partner and did not ask it by then is gone
AT_ONCE = 8  # partners claimed in one round, half of the sweeper's threads


class Sign(NamedTuple):
    """What a call of the versions endpoint came to."""

    alive: bool
    text: str  # for the operator
    knows_us: bool = True  # false: the server is there, and our token is not good for it


class Watched(NamedTuple):
    """What is known of a partner when it has been asked."""

    status: str
    missed: int = 0
    breaker_open: bool = False


class Finding(NamedTuple):
    """What follows for the partner."""

    missed: int
    next_at: datetime | None  # None: after the next silence
    goes_offline: bool = False
    comes_back: bool = False


# ------------------------------------------------------------------------------------------- pure decisions
def silence(platform_id: int) -> timedelta:
    """How long nothing may be heard of a partner; some wait a little longer, so that not all are asked at once."""
    more = 1 + platform_id % 10 / 100
    return timedelta(seconds=settings.HUB_SILENCE * more + presence.note_every())


def due_at(platform: Platform) -> datetime:
    """When it is to be asked."""
    if platform.next_probe_at:
        return platform.next_probe_at
    since: datetime = platform.last_heard_at or platform.connected_at or platform.created_at
    return since + silence(platform.pk)


def pause(missed: int) -> timedelta:
    """Until it is asked again: a minute while there is doubt, then five; less where HUB_SILENCE is short."""
    wait = settings.HUB_SILENCE / 5 if missed < MOST_MISSED else settings.HUB_SILENCE
    return timedelta(seconds=min(wait, 60 if missed < MOST_MISSED else 300))


def sign_of(answer: Answer, token: str) -> Sign:
    """Any envelope of success will do. A 401 shows a server, and no connection: it can take nothing from us (P55)."""
    return Sign(answer.ok, describe(answer, token), knows_us=answer.http_status not in (401, 403))


def after(alive: bool, before: Watched, now: datetime, chance: float) -> Finding:
    """What an answer, or none, means; `chance` is from 0 to 1 and spreads the next calls."""
    if alive:
        return Finding(0, None, comes_back=before.status == Status.OFFLINE)
    missed = before.missed + 1
    is_lost = before.breaker_open or missed == MOST_MISSED
    return Finding(
        missed,
        now + pause(missed) * (1 + 0.1 * chance),
        goes_offline=is_lost and before.status == Status.CONNECTED,
    )


# ---------------------------------------------------------------------------------------------- who is due
def due(now: datetime) -> list[Platform]:
    """The partners to be asked, those that wait longest first."""
    silent = Q(next_probe_at=None, heard_at__lte=now - timedelta(seconds=settings.HUB_SILENCE))
    rows = Platform.objects.registered().exclude(versions_url="")
    rows = rows.annotate(heard_at=Coalesce("last_heard_at", "connected_at", "created_at"))
    found = rows.filter(silent | Q(next_probe_at__lte=now)).order_by("next_probe_at", "heard_at")
    return [platform for platform in found if due_at(platform) <= now]


def claim(now: datetime) -> list[int]:
    """The partners that this worker is to ask now."""
    return [
        platform.pk
        for platform in due(now)[:AT_ONCE]
        if Platform.objects.filter(pk=platform.pk, next_probe_at=platform.next_probe_at).update(
            next_probe_at=now + CLAIM
        )
    ]


# ------------------------------------------------------------------------------------------------- asking
def ask(platform_id: int, now: datetime | None = None) -> None:
    """Call a partner's versions endpoint and write down what follows."""
    platform = Platform.objects.registered().filter(pk=platform_id).first()
    if platform is None:
        return
    ids = MessageIDs.new()
    mark = current_ids.set(ids)
    try:
        sign = _call(platform, ids)
        conclude(platform, sign, now or clock.now())
    except UnreadableSecret as error:
        logger.error("%s cannot be asked whether it is there: our token for it: %s", platform, error)
        note(SECRET_UNREADABLE, platform.pk, "", f"it cannot be asked whether it is there: {error}", ids=ids)
    finally:
        current_ids.reset(mark)


def _call(platform: Platform, ids: MessageIDs) -> Sign:
    token, client = platform.token, transports.client_for(platform)
    transports.release_connection()
    try:
        with recording.checking():
            answer = client.request("GET", platform.versions_url, ids=ids, total_timeout=CALL_TIMEOUT)
    except CallFailed as failure:
        return Sign(False, str(failure))
    return sign_of(answer, token)


def conclude(asked: Platform, sign: Sign, now: datetime) -> None:
    """Write down what a call came to; a miss only when nothing else became known meanwhile."""
    platform = Platform.objects.registered().filter(pk=asked.pk).first()
    if platform is None or (not sign.alive and platform.missed_probes != asked.missed_probes):
        return
    before = Watched(platform.status, platform.missed_probes, lanebreaker.is_open(platform.pk))
    finding = after(sign.alive, before, now, jitter())
    with transaction.atomic():
        if finding.comes_back:
            lanebreaker.came_back(platform, now)
        same = Platform.objects.registered().filter(pk=platform.pk, missed_probes=platform.missed_probes)
        if same.update(**_changes(platform, sign, finding, now)):
            _tell(platform, sign, finding)
            if not sign.alive:
                write([_missed(platform, sign, finding, now)])


def _changes(platform: Platform, sign: Sign, finding: Finding, now: datetime) -> dict[str, object]:
    changes: dict[str, object] = {
        "missed_probes": finding.missed,
        "next_probe_at": finding.next_at,
        "probe_outcome": sign.text,
    }
    if sign.alive:
        changes["last_heard_at"] = now
    if finding.goes_offline:
        # The pulls that follow its return start before this.
        since = platform.last_heard_at or platform.connected_at or now
        changes |= {"status": Status.OFFLINE, "offline_since": since}
    return changes


def _missed(platform: Platform, sign: Sign, finding: Finding, now: datetime) -> Noted:
    """As it goes into the error reports."""
    is_offline = finding.goes_offline or platform.status == Status.OFFLINE
    kind = "liveness.offline" if is_offline else "liveness.no_answer"
    return Noted(
        kind if sign.knows_us else "liveness.token_unknown",
        platform.pk,
        "",
        f"asked for its versions, {finding.missed} in a row without success: {sign.text}",
        evidence=Evidence("GET", platform.versions_url),
        ids=current_ids.get(),
        at=now,
    )


def _tell(platform: Platform, sign: Sign, finding: Finding) -> None:
    if finding.goes_offline:
        logger.warning("%s counts as offline: %s", platform, sign.text)
    elif not sign.alive and finding.missed <= MOST_MISSED:
        logger.info("%s did not list its versions: %s", platform, sign.text)
    if not sign.knows_us and finding.missed == 1:
        logger.error(
            "%s does not take our token any more: let it PUT its credentials, or start over with it", platform
        )

"""How far a pull has come, written down page by page, so that another worker goes on where one was cut off.

A pull is cut off by the end of its worker, by a failure that may pass, or by a partner that asks to be called
later. Whoever pulls the same list next takes the row over and goes on at its next page, with what was listed on
the pages before. Of several who try, one has it: the row names its holder, and what others write is refused.
"""

import uuid
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from ocpi_hub.exchange import clock
from ocpi_hub.exchange.models import Listed, Pull
from ocpi_hub.exchange.pulls import pullfailures
from ocpi_hub.partners.models import Platform

ABANDONED_AFTER = timedelta(minutes=5)  # without a page: whoever ran the pull is gone
RESUMED_WITHIN = timedelta(hours=24)  # of its beginning; an older one is begun anew
MOST_RESUMED = 5  # times that one goes on after it was cut off; a page that fails each time is no page

BUSY = "the same list is being pulled already"
CUT_OFF = "the process that ran it ended"
BEGUN_ANEW = "it was cut off, and the list was read anew"


class Wanted(NamedTuple):
    """What is to be read."""

    platform: Platform
    module: str
    party: str
    full: bool
    date_from: datetime | None

    @property
    def pulls(self) -> QuerySet[Pull]:
        """All of this list."""
        return Pull.objects.filter(platform=self.platform, module=self.module, party=self.party)


def begin(wanted: Wanted, now: datetime) -> Pull:
    """A running row, new or where one was cut off; one that waits or is not saved when it may not run now."""
    try:
        with transaction.atomic():
            left = list(wanted.pulls.filter(_cut_off(now)).select_for_update(skip_locked=True))
            pullfailures.interrupted(row for row in left if row.state == Pull.State.RUNNING)
            goes_on = left[0] if left and _goes_on(left[0], wanted, now) else None
            for row in left:
                if row is not goes_on:
                    _give_up(row, now)
            if goes_on is None:
                return _new(wanted, now)
            if goes_on.state == Pull.State.WAITING and goes_on.resume_at and goes_on.resume_at > now:
                return goes_on
            return _taken_over(goes_on, now)
    except IntegrityError:
        return Pull(**_identity(wanted, now), state=Pull.State.FAILED, error=BUSY)


def _cut_off(now: datetime) -> Q:
    """Rows that nobody works on and that could go on; one that is being saved at this moment is locked."""
    ended = Q(state=Pull.State.RUNNING, touched_at__lt=now - ABANDONED_AFTER)
    return ended | Q(state=Pull.State.WAITING) | Q(state=Pull.State.FAILED) & ~Q(next_url="")


def _goes_on(row: Pull, wanted: Wanted, now: datetime) -> bool:
    """Whether its rest, and what it has read, is what is wanted."""
    if row.started_at <= now - RESUMED_WITHIN or row.resumed >= MOST_RESUMED:
        return False
    if row.full or wanted.full:
        return row.full
    return row.date_from is not None and wanted.date_from is not None and row.date_from <= wanted.date_from


def _identity(wanted: Wanted, now: datetime) -> dict[str, object]:
    return {**wanted._asdict(), "started_at": now, "touched_at": now, "holder": uuid.uuid4().hex}


def _new(wanted: Wanted, now: datetime) -> Pull:
    pull = Pull(**_identity(wanted, now))
    pull.save()
    return pull


def _taken_over(row: Pull, now: datetime) -> Pull:
    row.resumed += row.state != Pull.State.WAITING
    row.state, row.error, row.finished_at, row.resume_at = Pull.State.RUNNING, "", None, None
    row.holder, row.touched_at = uuid.uuid4().hex, now
    row.save()
    return row


def _give_up(row: Pull, now: datetime) -> None:
    if row.state != Pull.State.FAILED:
        row.error = CUT_OFF if row.state == Pull.State.RUNNING else BEGUN_ANEW
    row.state, row.next_url, row.finished_at = Pull.State.FAILED, "", row.finished_at or now
    row.refused_keys = []
    row.save()
    forget_listed(row)


def give_up(platform: Platform, now: datetime) -> None:
    """Nothing of this platform goes on where it was cut off: its lists may be elsewhere now."""
    with transaction.atomic():
        for row in Pull.objects.select_for_update().filter(_cut_off(now), platform=platform):
            _give_up(row, now)


def begin_anew(pull: Pull) -> None:
    """The place where it was cut off is gone from the partner's list: read it from its beginning."""
    for name in ("pages", "received", "new", "changed", "unchanged", "stale", "repaired", "refused"):
        setattr(pull, name, 0)
    pull.next_url, pull.total, pull.owners, pull.refused_keys, pull.for_others = "", None, [], [], {}
    pull.started_at = clock.now()
    with transaction.atomic():
        keep(pull)
        forget_listed(pull)


class TakenOver(Exception):
    """Another worker has the pull now."""


def keep(pull: Pull) -> None:
    """Save how far it has come and that it lives, in the caller's transaction. Raises TakenOver."""
    pull.touched_at = clock.now()
    mine = Pull.objects.filter(pk=pull.pk, state=Pull.State.RUNNING, holder=pull.holder)
    if not mine.select_for_update().exists():
        raise TakenOver
    pull.save()


def finish(pull: Pull) -> bool:
    """Write down its end; False when another worker has it now."""
    with transaction.atomic():
        mine = Pull.objects.filter(pk=pull.pk, state=Pull.State.RUNNING, holder=pull.holder)
        if not mine.select_for_update().exists():
            return False
        if not pull.next_url:
            pull.refused_keys = []
            forget_listed(pull)
        pull.save()
    return True


# ------------------------------------------------------------------------------------------- what was listed
def note_listed(pull: Pull, row_ids: list[int]) -> None:
    """Only a full pull asks later what it has not met."""
    if not pull.full or not row_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO exchange_listed (pull_id, row_id) SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING",
            [pull.pk, row_ids],
        )


def forget_listed(pull: Pull) -> None:
    Listed.objects.filter(pull=pull)._raw_delete("default")  # type: ignore[attr-defined]  # nothing refers to it

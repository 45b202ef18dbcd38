"""What a run does with a module, one slice after the other: compare, ask, close what is filled, fill what may be.

Each slice is written down together with the place that it came to, so that a run that is broken off loses and
repeats nothing that was counted.
"""

import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ocpi_hub.errorreports import occurrences
from ocpi_hub.errorreports.occurrences import Noted
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.proof import asking, comparison, gaps
from ocpi_hub.proof.asking import Held, Pause, Said, Visit
from ocpi_hub.proof.comparison import Compared, Status, Window
from ocpi_hub.proof.gaps import Missing
from ocpi_hub.proof.models import Gap, Reconciliation, Run

ASKED_AT_ONCE = 50  # objects between two notes of how far it has come
ASK_TURN = 15.0  # seconds
FIRST = -1  # the position before it is known whether the partner can be asked
PROBES = 10  # objects that a partner is asked for before its 404 counts
MOST_PAUSES = 3  # of one run; then the partner is left alone until the next
LONGEST_WAIT = timedelta(hours=12)  # since the run began, for a partner that takes no more just now
AGAIN_AFTER = timedelta(days=30)  # a partner that cannot be asked is tried again
SOON = timedelta(hours=20)  # when too few objects were there to be sure

KINDS = {Held.NO: Gap.Kind.LOST, Held.OTHERWISE: Gap.Kind.DIFFERENT}


class LeaseLost(Exception):
    """Another process works on the run, or it was ended."""


def advance(run: Run, pause: Pause) -> None:
    """One slice. Raises LeaseLost."""
    model = owned_models().get(run.module)
    if model is None:
        _write(run, lambda: _next_module(run))
    elif run.stage == Run.Stage.COMPARE:
        _compare(run, model)
    elif run.position == FIRST:
        _find_out(run, model, pause)
    else:
        _ask(run, model, pause)


def window_of(run: Run) -> Window:
    return Window(run.since, run.until, run.at)


def _write(run: Run, changes: Callable[[], object], failures: Iterable[Noted] = ()) -> None:
    with transaction.atomic():
        mine = Run.objects.select_for_update().filter(pk=run.pk, holder=run.holder, state=Run.State.RUNNING)
        if not mine.exists():
            raise LeaseLost
        module = run.module
        changes()
        run.failures = 0
        run.save()
        if run.module != module or run.state == Run.State.DONE:
            occurrences.write([*_failures(run, module), *failures])


def _failures(run: Run, module: str) -> list[Noted]:
    """What this run has found missing of a module, for the error reports; the objects are named under Gaps."""
    new = Gap.objects.filter(platform=run.platform, module=module, found_at=run.at)
    reports = (
        ("proof.lost", gaps.FOUND_BY_ASKING, "it acknowledged are missing there, or differ"),
        ("proof.never_sent", (Gap.Kind.NEVER_SENT,), "should be there and have no delivery on record"),
    )
    counts = [(name, new.filter(kind__in=kinds).count(), text) for name, kinds, text in reports]
    return [
        Noted(name, run.platform_id, module, f"{count} objects that {text}", at=run.at)
        for name, count, text in counts
        if count
    ]


def _count(run: Run, day: object, name: str) -> None:
    days = run.counts.setdefault(run.module, {})
    counts = days.setdefault(str(day), {})
    counts[name] = counts.get(name, 0) + 1


# ------------------------------------------------------------------------------------------------- compare
def _compare(run: Run, model: type[OwnedObject]) -> None:
    found, end = comparison.compare(run.platform, model, window_of(run), run.position, run.top)
    missing = [Missing(one, one.kind, one.reason) for one in found if one.kind]

    def changes() -> None:
        for one in found:
            _count(run, one.day, one.status)
        gaps.note(run.platform, run.module, missing, run.at)
        run.compared += len(found)
        run.gaps += len(missing)
        run.position = end
        if end >= run.top:
            _compared(run, model)

    _write(run, changes)


def _compared(run: Run, model: type[OwnedObject]) -> None:
    gaps.recheck(run.platform, model, run.at)
    if not (run.asks and model.asked_back):
        _leave(run)
        return
    if reason := asking.why_not(run.platform, run.module, run.at):
        run.notes[run.module] = reason
        _leave(run)
        return
    run.stage, run.position = Run.Stage.ASK, FIRST


def _leave(run: Run) -> None:
    """The module is done with."""
    if run.fills:
        gaps.fill_by_policy(run.platform, run.module, run.at)
    _sum_up(run)
    _next_module(run)


def _next_module(run: Run) -> None:
    names = run.modules
    rest = names[names.index(run.module) + 1 :] if run.module in names else names
    if not rest:
        run.state, run.finished_at, run.error = Run.State.DONE, timezone.now(), ""
        return
    model = owned_models().get(rest[0])
    run.module, run.stage, run.position = rest[0], Run.Stage.COMPARE, 0
    run.top = comparison.last_row(model) if model else 0


def _sum_up(run: Run) -> None:
    """A row for each day; what was asked on another night stays, where this run has not asked."""
    days = run.counts.get(run.module, {})
    rows = Reconciliation.objects.filter(platform=run.platform, module=run.module)
    last = (run.until - timedelta(microseconds=1)).date()
    rows.filter(day__gte=run.since.date(), day__lte=last).exclude(day__in=days).delete()
    for day, counts in days.items():
        values: dict[str, Any] = {status: counts.get(status, 0) for status in Status}
        if any(held in counts for held in Held):
            values |= {str(held): counts.get(held, 0) for held in Held}
            values["asked"] = sum(counts.get(held, 0) for held in Held)
        open_ones = Gap.objects.filter(
            platform=run.platform, module=run.module, day=day, state__in=gaps.UNFILLED
        )
        values |= {
            "accepted": sum(counts.get(status, 0) for status in Status),
            "gaps": open_ones.count(),
            "note": run.notes.get(run.module, ""),
            "compared_at": run.at,
        }
        Reconciliation.objects.update_or_create(
            platform=run.platform, module=run.module, day=day, defaults=values
        )


# ----------------------------------------------------------------------------------------------------- ask
def _asking_window(run: Run) -> Window:
    first = run.at - timedelta(days=settings.HUB_PROOF_ASK_DAYS)
    return Window(max(run.since, first), run.until, run.at)


def _find_out(run: Run, model: type[OwnedObject], pause: Pause) -> None:
    """Whether the partner can be asked at all: a 404 of one that has never answered may mean that it allows no GET."""
    if reason := asking.away(run.platform):
        _write(run, lambda: _end_asking(run, f"not asked: {reason}"))
        return
    if asking.is_known_to_answer(run.platform, run.module):
        _ask_again(run, model, pause)
        return
    rows = _rows(model, _spread(run, model))
    visit = Visit(run.platform, model, pause)
    ended = visit.ask(rows, time.monotonic() + ASK_TURN)
    heard = [said for _, said in visit.results]
    now = timezone.now()
    if any(said.held in (Held.YES, Held.OTHERWISE) for said in heard):
        asking.note_answer(run.platform, run.module, now)
    elif ended and not ended.never:
        _rest(run, ended)
    elif not ended and (gone := _nothing_found(visit)):
        _end_with_nothing(run, gone, now)
    elif rows:
        reason = ended.never if ended else _told_nothing(heard)
        again_at = now + (AGAIN_AFTER if ended or len(heard) >= PROBES else SOON)
        asking.note_refusal(run.platform, run.module, reason, again_at, now)
        _write(run, lambda: _end_asking(run, f"it cannot be asked: {reason}"))
    else:
        _write(run, lambda: _end_asking(run, ""))


def _nothing_found(visit: Visit) -> list[OwnedObject]:
    """What it said 404 to, if to all that it could be asked for."""
    asked = [(row, said) for row, said in visit.results if said.reason != asking.NO_URL]
    return [row for row, _ in asked] if all(said.held is Held.NO for _, said in asked) else []


def _end_with_nothing(run: Run, gone: list[OwnedObject], now: datetime) -> None:
    """It may allow no GET, or have lost them all: only people can find out, so they are told."""
    reason = (
        f"it answered 404 for all {len(gone)} that it was asked for:"
        " it has lost what it acknowledged, or it allows no GET"
    )

    def changes() -> None:
        asking.note_nothing_found(run.platform, run.module, reason, len(gone), now)
        _end_asking(run, f"NOT PROVEN: {reason}")

    first = gone[0].own_address.path
    failure = Noted("proof.none_found", run.platform_id, run.module, reason, subject=first, at=run.at)
    _write(run, changes, [failure])


def _told_nothing(heard: list[Said]) -> str:
    """Why not one of the probes showed that it gives what it is asked for."""
    return next((said.reason for said in heard if said.held is Held.UNCLEAR), "it did not answer in time")


def _spread(run: Run, model: type[OwnedObject]) -> list[int]:
    """A few of what it acknowledged lately, from all over the time."""
    rows: list[int] = []
    position = 0
    while position < run.top and len(rows) < comparison.STRIDE:
        found, position = comparison.compare(run.platform, model, _asking_window(run), position, run.top)
        rows += [one.row_id for one in found if one.status is Status.ACKNOWLEDGED]
    step = max(1, math.ceil(len(rows) / PROBES))
    return rows[::step]


def _ask_again(run: Run, model: type[OwnedObject], pause: Pause) -> None:
    """First what it did not hold on an earlier night."""
    before = _asking_window(run).since
    lost = Gap.objects.filter(
        platform=run.platform, module=run.module, state=Gap.State.OPEN, changed_at__lt=before
    ).filter(kind__in=gaps.FOUND_BY_ASKING)
    rows = list(lost.order_by("id").values_list("row_id", flat=True)[:ASKED_AT_ONCE])
    found = comparison.compare_rows(run.platform, model, run.at, rows)
    _visit(run, model, list(found.values()), 0, pause)


def _ask(run: Run, model: type[OwnedObject], pause: Pause) -> None:
    if (until := asking.rests_until(run.platform)) and until < run.at + LONGEST_WAIT:
        _write(run, lambda: setattr(run, "next_at", until))
        return
    if reason := asking.away(run.platform):
        _write(run, lambda: _end_asking(run, f"asked only in part: {reason}"))
        return
    found, end = comparison.compare(
        run.platform, model, _asking_window(run), run.position, run.top, ASKED_AT_ONCE
    )
    step = _step(run)
    chosen = [one for one in found if one.row_id % step == run.at.toordinal() % step]
    _visit(run, model, chosen, end, pause)


def _step(run: Run) -> int:
    """One of so many is asked for, others each night, where there are very many."""
    first = _asking_window(run).since.date().isoformat()
    days = run.counts.get(run.module, {})
    acknowledged: int = sum(
        counts.get(Status.ACKNOWLEDGED, 0) for day, counts in days.items() if day >= first
    )
    return max(1, math.ceil(acknowledged / int(settings.HUB_PROOF_ASK_MOST)))


def _visit(run: Run, model: type[OwnedObject], found: Iterable[Compared], end: int, pause: Pause) -> None:
    """Ask for these and write down what was said; the run goes on behind the last one that was answered."""
    compared = {one.row_id: one for one in found if one.status is Status.ACKNOWLEDGED}
    rows = _rows(model, list(compared))
    visit = Visit(run.platform, model, pause)
    ended = visit.ask(rows, time.monotonic() + ASK_TURN)
    results = visit.results
    if len(results) < len(rows) and run.position != FIRST:
        end = results[-1][0].pk if results else run.position
    now = timezone.now()
    if any(said.held in (Held.YES, Held.OTHERWISE) for _, said in results):
        asking.note_answer(run.platform, model.module, now)
    still = comparison.compare_rows(run.platform, model, now, [row.pk for row, _ in results])
    sure = [
        (compared[row.pk], said)
        for row, said in results
        if row.pk in still and still[row.pk][3:5] == compared[row.pk][3:5]
    ]
    missing = [Missing(one, KINDS[said.held], said.reason) for one, said in sure if said.held in KINDS]

    def changes() -> None:
        for one, said in sure:
            _count(run, one.day, said.held)
        gaps.note(run.platform, run.module, missing, run.at)
        there = [one.row_id for one, said in sure if said.held is Held.YES]
        gaps.held(run.platform, run.module, there, now)
        run.asked += len(sure)
        run.gaps += len(missing)
        run.position = max(end, 0)
        if end >= run.top and not ended:
            note = f"one in {_step(run)} was asked for" if _step(run) > 1 else ""
            _end_asking(run, note)

    _write(run, changes)
    if ended:
        _rest(run, ended)


def _rest(run: Run, ended: Said) -> None:
    """The partner fails or wants to be left alone; after some pauses until the next night."""

    def changes() -> None:
        run.pauses += 1
        if ended.never or run.pauses > MOST_PAUSES:
            _end_asking(run, f"asked only in part: {ended.reason}")
        else:
            run.next_at = clock.now() + (ended.wait or asking.REST)

    _write(run, changes)


def _end_asking(run: Run, note: str) -> None:
    if note:
        run.notes[run.module] = note
    _leave(run)


def _rows(model: type[OwnedObject], row_ids: list[int]) -> list[OwnedObject]:
    """With their documents; what its owner deleted is not asked for."""
    return list(model.objects.present().filter(pk__in=row_ids).order_by("pk"))

"""Erase a driver's data and write down that it was done, without writing down whose they were (ocpi_hub/erasure.py)."""

import json
import logging
import math
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from ocpi_hub import erasure
from ocpi_hub.erasure import Fate, Finding, Plan
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.models import Erasure
from ocpi_hub.exchange.pulls import pullplans
from ocpi_hub.partners import secrets
from ocpi_hub.protocol.types import PartyRef
from ocpi_hub.pseudonyms import Driver

logger = logging.getLogger(__name__)


def driver_named(token: str, contracts: tuple[str, ...] = ()) -> Driver:
    """From DE*MSP/UID, or DE-MSP/UID. Raises ValueError, which does not repeat the uid."""
    party, _, uid = token.strip().partition("/")
    try:
        owner = PartyRef.parse(party.replace("-", "*").upper())
    except ValueError:
        raise ValueError("name the token as DE*MSP/UID: its provider, a slash, its uid") from None
    if not uid:
        raise ValueError("the uid is missing: name the token as DE*MSP/UID")
    driver = erasure.driver_of(owner.key, uid, contracts)
    return erasure.driver_of(owner.key, uid, {*driver.others, *_remembered(driver)})


def erase(
    driver: Driver, by: str, note: str = "", progress: Callable[[Finding], object] = lambda found: None
) -> Erasure:
    """At once. Whoever is interrupted leaves a row that says so, and does it again."""
    row = _new(driver, by, note)
    done = erasure.erase(driver, progress)
    row.result, row.waiting = [told(found) for found in done], sum(found.left for found in done)
    _finish(row, driver)
    logger.info("%s erased a driver's data: erasure %s, %d rows are left", by, row.pk, row.waiting)
    return row


def _new(driver: Driver, by: str, note: str, *, wanted: bool = False) -> Erasure:
    return Erasure.objects.create(
        by=by[:150],
        mark=driver.mark,
        note=note,
        result=[],
        waiting=0,
        finished=False,
        wanted=wanted,
        names_cipher=secrets.encrypt(json.dumps([driver.owner, *driver.names])),
    )


def _finish(row: Erasure, driver: Driver) -> None:
    """While something is left, what the driver is named by is kept, in one row; the token that told it is gone."""
    row.finished, row.under_way, row.tables_done = True, "", len(erasure.tables())
    if not row.waiting:
        row.names_cipher = ""
    with transaction.atomic():
        row.save(update_fields=["result", "waiting", "finished", "names_cipher", "under_way", "tables_done"])
        older = Erasure.objects.filter(mark__in=driver.marks, pk__lt=row.pk)
        older.exclude(wanted=True, finished=False).update(names_cipher="")


# ------------------------------------------------------------------------------------------- by the workers
HELD_FOR = timedelta(minutes=15)  # longer than a table is read before the first of its rows comes


def ask(driver: Driver, by: str, note: str = "") -> Erasure:
    """Have a worker do it; asked twice while it is under way, it is done once."""
    under_way = Erasure.objects.filter(mark__in=driver.marks, wanted=True, finished=False)
    return under_way.first() or _new(driver, by, note, wanted=True)


def do_what_was_asked() -> int:
    """Erase what somebody asked for and nobody is at, from where it was left; how many were gone through."""
    count = 0
    while not pullplans.stopping.is_set() and (row := _claim(clock.now())):
        try:
            _go_on(row)
        except Lost:
            logger.info("erasure %s goes on elsewhere", row.pk)
        count += 1
    return count


class Lost(Exception):
    """Another worker has it, or is to have it."""


def _due(now: datetime) -> QuerySet[Erasure]:
    free = Q(held_until=None) | Q(held_until__lte=now)
    return Erasure.objects.filter(free, wanted=True, finished=False)


def _claim(now: datetime) -> Erasure | None:
    for pk in _due(now).order_by("pk").values_list("pk", flat=True)[:5]:
        holder = uuid.uuid4().hex
        if _due(now).filter(pk=pk).update(holder=holder, held_until=now + HELD_FOR):
            return Erasure.objects.get(pk=pk)
    return None


def _go_on(row: Erasure) -> None:
    owner, uid, *others = json.loads(secrets.decrypt(row.names_cipher))
    driver = erasure.driver_of(owner, uid, others)

    names = [*erasure.tables(), ""]

    def at(number: int, **changes: object) -> None:
        row.tables_done, row.under_way = number, names[number]
        _keep(row, tables_done=number, under_way=names[number], **changes)

    def progress(found: Finding) -> None:
        row.result, row.waiting = [*row.result, told(found)], row.waiting + found.left
        at(row.tables_done + 1, result=row.result, waiting=row.waiting)

    if row.under_way != names[row.tables_done]:  # at its beginning, or by an older release in another order
        row.waiting = 0
        at(0)

    erasure.erase(
        driver,
        progress,
        before=lambda number, holding: at(number),
        alive=lambda: _keep(row),
        begin_at=row.tables_done,
    )
    _keep(row)
    _finish(row, driver)
    logger.info("a worker erased a driver's data: erasure %s, %d rows are left", row.pk, row.waiting)


def _keep(row: Erasure, **changes: object) -> None:
    """Renew the claim; a worker that is about to end leaves it to another. Raises Lost."""
    mine = Erasure.objects.filter(pk=row.pk, holder=row.holder, finished=False)
    is_stopping = pullplans.stopping.is_set()
    until = None if is_stopping else clock.now() + HELD_FOR
    if not mine.update(held_until=until, **changes) or is_stopping:
        raise Lost


def standing(row: Erasure, now: datetime) -> str:
    """How far it is, in words."""
    if row.finished:
        return "done" if not row.waiting else f"done, but {row.waiting} rows are left: erase again later"
    if not row.wanted:
        return "interrupted, or being done by a command: erase again"
    if row.held_until is None or row.held_until <= now:
        begun = (
            f"goes on after {row.tables_done} of {len(erasure.tables())} tables"
            if row.tables_done
            else "begins"
        )
        return f"waits for a worker, and {begun} within seconds when one is running"
    return f"a worker is at it: {row.tables_done} of {len(erasure.tables())} tables are done; now: {row.under_way}"


def _remembered(driver: Driver) -> set[str]:
    """What earlier erasures of the token found the driver to be named by, and did not bring to an end."""
    rows = Erasure.objects.filter(mark__in=driver.marks).exclude(names_cipher="")
    kept = [json.loads(secrets.decrypt(cipher)) for cipher in rows.values_list("names_cipher", flat=True)]
    return {name for _owner, _uid, *others in kept for name in others}


def rekey() -> None:
    """What waits goes on to be found, and read, when the old key is taken away."""
    for row in Erasure.objects.select_for_update().exclude(names_cipher=""):
        owner, uid, *others = json.loads(secrets.decrypt(row.names_cipher))
        row.names_cipher = secrets.reencrypt(row.names_cipher)
        row.mark = Driver(owner, uid, tuple(others)).mark
        row.save(update_fields=["names_cipher", "mark"])


def told(found: Finding) -> str:
    """What was done with a table, in a line."""
    holding, free = found.holding, found.rows - found.waiting
    fate = {Fate.DELETED: "deleted", Fate.REPLACED: "with a pseudonym now", Fate.KEPT: "kept"}[holding.fate]
    return "; ".join([f"{holding.what}: {free} {fate}", *left(found)])


def foretold(found: Finding) -> str:
    """What will be done with a table, and why, in a line."""
    holding = found.holding
    waits = "".join(f" {text}." for text in left(found))
    return f"{holding.what}: {found.rows}. Each {holding.fate.value}: {holding.why}.{waits}"


def left(found: Finding) -> list[str]:
    """What is not erased now, and until when."""
    texts = []
    if found.waiting:
        verb = "waits" if found.waiting == 1 else "wait"
        texts.append(f"{found.waiting} {verb} until {found.holding.until}")
    if found.unclear:
        verb = "stays" if found.unclear == 1 else "stay"
        texts.append(
            f"{found.unclear} {verb} that may be about another provider's token of the same uid: until they are too"
            " old to be kept, or that token is erased as well"
        )
    if found.alike:
        verb = "stays as it is, with" if found.alike == 1 else "stay as they are, with"
        texts.append(
            f"{found.alike} {verb} a word in a text that is spelled like its uid or number, which is short or common:"
            " nothing there says that the token is meant"
        )
    return texts


def before(driver: Driver) -> list[Erasure]:
    """Earlier erasures of the same token, by any key of HUB_KEYS."""
    return list(Erasure.objects.filter(mark__in=driver.marks))


def plan(driver: Driver, seconds: float = math.inf) -> Plan:
    return erasure.plan(driver, seconds)

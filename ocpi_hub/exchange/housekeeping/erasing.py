"""Erase a driver's data and write down that it was done, without writing down whose they were (ocpi_hub/erasure.py)."""

import json
import logging
from collections.abc import Callable

from django.db import transaction

from ocpi_hub import erasure
from ocpi_hub.erasure import Fate, Finding, Plan
from ocpi_hub.exchange.models import Erasure
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
    """Whoever is interrupted leaves a row that says so, and does it again."""
    row = Erasure.objects.create(
        by=by[:150],
        mark=driver.mark,
        note=note,
        result=[],
        waiting=0,
        finished=False,
        names_cipher=secrets.encrypt(json.dumps([driver.owner, *driver.names])),
    )
    done = erasure.erase(driver, progress)
    row.result, row.waiting = [told(found) for found in done], sum(found.left for found in done)
    _finish(row, driver)
    logger.info("%s erased a driver's data: erasure %s, %d rows are left", by, row.pk, row.waiting)
    return row


def _finish(row: Erasure, driver: Driver) -> None:
    """While something is left, what the driver is named by is kept, in one row; the token that told it is gone."""
    row.finished = True
    if not row.waiting:
        row.names_cipher = ""
    with transaction.atomic():
        row.save(update_fields=["result", "waiting", "finished", "names_cipher"])
        Erasure.objects.filter(mark__in=driver.marks, pk__lt=row.pk).update(names_cipher="")


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


def plan(driver: Driver) -> Plan:
    return erasure.plan(driver)

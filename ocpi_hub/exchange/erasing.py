"""Erase a driver's data and write down that it was done, without writing down whose they were (ocpi_hub/erasure.py)."""

import logging
from collections.abc import Callable

from ocpi_hub import erasure
from ocpi_hub.erasure import Fate, Finding, Plan
from ocpi_hub.exchange.models import Erasure
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
    return erasure.driver_of(owner.key, uid, contracts)


def erase(
    driver: Driver, by: str, note: str = "", progress: Callable[[Finding], object] = lambda found: None
) -> Erasure:
    """Whoever is interrupted leaves no row, and does it again."""
    done = erasure.erase(driver, progress)
    left = sum(found.waiting for found in done)
    row = Erasure.objects.create(
        by=by[:150], mark=driver.mark, note=note, result=[told(found) for found in done], waiting=left
    )
    logger.info("%s erased a driver's data: erasure %s, %d rows wait", by, row.pk, left)
    return row


def told(found: Finding) -> str:
    """What was done with a table, in a line."""
    holding, free = found.holding, found.rows - found.waiting
    fate = {Fate.DELETED: "deleted", Fate.REPLACED: "with a pseudonym now", Fate.KEPT: "kept"}[holding.fate]
    waits = f"; {waiting(found)}" if found.waiting else ""
    return f"{holding.what}: {free} {fate}{waits}"


def foretold(found: Finding) -> str:
    """What will be done with a table, and why, in a line."""
    holding = found.holding
    waits = f" {waiting(found)}." if found.waiting else ""
    return f"{holding.what}: {found.rows}. Each {holding.fate.value}: {holding.why}.{waits}"


def waiting(found: Finding) -> str:
    return f"{found.waiting} {'waits' if found.waiting == 1 else 'wait'} until {found.holding.until}"


def before(driver: Driver) -> list[Erasure]:
    """Earlier erasures of the same token, by the same key of HUB_KEYS."""
    return list(Erasure.objects.filter(mark=driver.mark))


def plan(driver: Driver) -> Plan:
    return erasure.plan(driver)

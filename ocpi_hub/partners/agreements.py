"""Who exchanges what with whom: an agreement between two parties, on one module or on all of them.

Two parties without an agreement follow HUB_AGREEMENTS. An agreement on one module counts before one on all. It holds
both ways and for all roles of the two; what each may see by its role is another question (ownedobject.py).
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from ocpi_hub.partners.directory import directory
from ocpi_hub.partners.models import Agreement

EVERY_MODULE = ""


def open_by_default() -> bool:
    return bool(settings.HUB_AGREEMENTS == "open")


def decided(allowed: bool | None) -> bool:
    """What the agreement that counts says, or the hub's default where there is none."""
    return open_by_default() if allowed is None else allowed


def _agreements(keys: list[str]) -> dict[tuple[str, str, str], bool]:
    rows = Agreement.objects.filter(Q(first__in=keys) | Q(second__in=keys))
    return {(row.first, row.second, row.module): row.allowed for row in rows}


class Terms(NamedTuple):
    """The agreements of some parties, looked up once, for many questions."""

    found: dict[tuple[str, str, str], bool]  # by first, second and module
    default: bool

    @classmethod
    def of(cls, keys: Iterable[str]) -> "Terms":
        """Of the parties with these keys, with anybody."""
        wanted = sorted(set(keys))
        found = directory.get(("agreements", *wanted), lambda: _agreements(wanted))
        return cls(found or {}, open_by_default())

    def allow(self, first: str, second: str, module: str) -> bool:
        pair = (min(first, second), max(first, second))
        general = self.found.get((*pair, EVERY_MODULE), self.default)
        return self.found.get((*pair, module), general)

    def allow_any(self, first: str, second: str, modules: Iterable[str]) -> bool:
        """Whether there is anything at all that they exchange."""
        return any(self.allow(first, second, module) for module in modules)

    def exceptions(self, key: str, module: str) -> set[str]:
        """The parties with which this one has it otherwise than the default."""
        others = {
            first if second == key else second for first, second, _ in self.found if key in (first, second)
        }
        return {other for other in others if self.allow(key, other, module) != self.default}


# --------------------------------------------------------------------------------------- what the operator says
class Standing(NamedTuple):
    """What holds between two parties for a module, and by which agreement; without one the default holds."""

    allowed: bool
    agreement: Agreement | None

    @classmethod
    def between(cls, first: str, second: str, module: str) -> "Standing":
        row = Agreement.objects.between(first, second, module).first()
        return cls(decided(row.allowed if row else None), row)

    def __str__(self) -> str:
        return f"{'open' if self.allowed else 'closed'}, by {self.source}"

    @property
    def source(self) -> str:
        if self.agreement is None:
            return "the default of this hub (HUB_AGREEMENTS)"
        return f"agreement on {self.agreement.about} since {self.agreement.changed_at:%Y-%m-%d %H:%M} UTC"


def settle(first: str, second: str, module: str, *, allowed: bool, note: str | None = None) -> Agreement:
    """Write down what two parties agreed. Raises ValidationError.

    Without a note the present one stays as long as what it explains does.
    """
    wanted = Agreement(first=first, second=second, module=module, allowed=allowed, note=note or "")
    wanted.full_clean(validate_unique=False, validate_constraints=False)
    place = {"first": wanted.first, "second": wanted.second, "module": wanted.module}
    with transaction.atomic():
        row, created = Agreement.objects.select_for_update().get_or_create(
            **place, defaults={"allowed": allowed, "note": wanted.note}
        )
        if not created and (row.allowed != allowed or note is not None):
            row.allowed, row.note = allowed, wanted.note
            row.save(update_fields=["allowed", "note", "changed_at"])
    return row


def forget(first: str, second: str, module: str) -> bool:
    """Take away the agreement on just this module, or on all with EVERY_MODULE; whether there was one."""
    pair = {"first": min(first, second), "second": max(first, second)}
    return bool(Agreement.objects.filter(**pair, module=module).delete()[0])

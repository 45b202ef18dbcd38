"""A credit CDR beside the CDR that it takes back (mod_cdrs.asciidoc, Credit CDRs; interpretations, P93). Pure."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from ocpi_hub.exchange.objects.findings import plain, same
from ocpi_hub.protocol.cdrs import CDR
from ocpi_hub.protocol.codec import InvalidObject

# Of a credit's own; and notes, which may say that it is one.
OWN = {"id", "credit", "credit_reference_id", "total_cost", "last_updated", "remark", "invoice_reference_id"}


class Credited(NamedTuple):
    """What the hub knows of the CDR that a credit takes back."""

    original: CDR | None = None
    earlier: tuple[str, ...] = ()  # ids of other credits of it


def refusal(credit: CDR, original: CDR) -> InvalidObject | None:
    """Why the credit cannot be: it takes back more than was charged."""
    for name in ("excl_vat", "incl_vat"):
        amount, charged = (getattr(cdr.total_cost, name) for cdr in (credit, original))
        if amount is None or charged is None or not same(credit.currency, original.currency):
            continue
        if amount.copy_abs() > charged.copy_abs():
            return InvalidObject(
                f"$.total_cost.{name}",
                f"{plain(amount)} is more than CDR {original.id} has, which is {plain(charged)}",
            )
    return None


def findings(credit: CDR, credited: Credited) -> Iterator[str]:
    """What is unusual in a credit; an original that the hub does not have may be older than its connection."""
    original = credited.original
    if credited.earlier:
        yield f"CDR {credit.credit_reference_id} was credited before, by {', '.join(credited.earlier)}."
    if original is None:
        yield f"It credits CDR {credit.credit_reference_id}, which the hub does not know."
        return
    if original.credit:
        yield f"It credits CDR {original.id}, which is a credit itself."
    if same(credit.currency, original.currency):
        yield from _amounts(credit, original)
    if others := _differences(credit, original):
        yield f"It repeats CDR {original.id}, but with other values in {', '.join(others)}."


def _amounts(credit: CDR, original: CDR) -> Iterator[str]:
    back, charged = credit.total_cost.excl_vat, original.total_cost.excl_vat
    if back.copy_abs() < charged.copy_abs():
        yield (
            f"It credits a part: {plain(back.copy_abs())} of the {plain(charged)} {credit.currency} without VAT"
            f" that CDR {original.id} has."
        )
    elif refusal(credit, original):
        yield (
            f"It credits more than there was: {plain(back.copy_abs())} of the {plain(charged)} {credit.currency}"
            f" without VAT that CDR {original.id} has."
        )


def _differences(credit: CDR, original: CDR) -> list[str]:
    """The fields that differ; the sign of totals says nothing."""
    return [
        name
        for name in credit.__struct_fields__
        if name not in OWN and _essence(getattr(credit, name)) != _essence(getattr(original, name))
    ]


def _essence(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _essence(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [_essence(item) for item in value] or None
    if isinstance(value, Decimal):
        return value.copy_abs()
    return value

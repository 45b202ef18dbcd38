"""What modules need to find out, and to say, what looks wrong in an object (OwnedObject.review).

A finding is a whole sentence for the operator, with what was compared. It never refuses anything.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from ocpi_hub.exchange.objects.grants import Given
from ocpi_hub.protocol.cdrs import ChargingPeriod
from ocpi_hub.protocol.types import PartyRef

CLOCK = timedelta(minutes=5)  # that a partner's clock may differ from ours
FILLER = "#NA"


# ------------------------------------------------------------------------------------------------- in words
def plain(number: Decimal) -> str:
    """A number as people write it: no exponent, no zeros at its end."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


# ----------------------------------------------------------------------------------------------- comparisons
def near(left: Decimal, right: Decimal, *, least: Decimal, share: Decimal) -> bool:
    """Whether two numbers differ by at most `least`, or by at most this share of the larger one."""
    return abs(left - right) <= max(least, share * max(abs(left), abs(right)))


def thousandfold(large: Decimal, small: Decimal) -> bool:
    """Whether the one is about a thousand times the other, as Wh are of kWh."""
    return small != 0 and large * small > 0 and 900 * abs(small) <= abs(large) <= 1100 * abs(small)


def same(left: str | None, right: str | None) -> bool:
    """Ids compare without case."""
    return (left or "").upper() == (right or "").upper()


def volume(periods: Iterable[ChargingPeriod] | None, kind: str) -> Decimal | None:
    """What the charging periods add up to of one dimension; None when none of them has it."""
    volumes = [
        dimension.volume
        for period in periods or ()
        for dimension in period.dimensions
        if dimension.type == kind
    ]
    return sum(volumes, Decimal()) if volumes else None


# ------------------------------------------------------------------------------------- authorization_reference
def other_reference(
    reference: str | None, auth_method: str, given: Given, provider: PartyRef
) -> Iterator[str]:
    """Whether it comes back as another one than the provider gave last (mod_sessions, mod_cdrs).

    One that was given later is no older one: clocks differ, and some operators date a Session back.
    """
    if given.last is None or given.later or same(reference, given.last):
        return
    if reference is not None:
        yield f"authorization_reference is {reference}, and the last one that {provider} gave is {given.last}."
    elif auth_method != "WHITELIST":
        yield f"authorization_reference is missing, and the last one that {provider} gave is {given.last}."

"""What looks wrong in a CDR (mod_cdrs.asciidoc; interpretations, P93, P95, P99): pure, and never a reason to refuse it.

Whoever reads these sentences is asked about somebody's bill, so each says what was compared, with both numbers.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from cdrs import credits
from cdrs.credits import Credited
from ocpi_hub.exchange.objects.findings import (
    CLOCK,
    FILLER,
    minute,
    near,
    other_reference,
    plain,
    same,
    thousandfold,
    volume,
)
from ocpi_hub.exchange.objects.grants import Given
from ocpi_hub.protocol.cdrs import CDR
from ocpi_hub.protocol.types import PartyRef

MOST_ENERGY = Decimal(1000)  # kWh of one charge
MOST_POWER = {"DC": Decimal(1500)}  # kW on average; of what is not in the table, MOST_AC
MOST_AC = Decimal(100)
ONE_PERCENT = Decimal("0.01")
SOME_ENERGY = Decimal("0.1")  # kWh
A_MINUTE = Decimal(1) / 60  # hours
FIVE_CENTS, A_THOUSANDTH = Decimal("0.05"), Decimal("0.001")
SESSION_ONLY = ("CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE")
PARTS = (
    "total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost", "total_reservation_cost",
)  # fmt: skip


class KnownSession(NamedTuple):
    """The Session of a CDR, as far as the hub has it."""

    audience: str
    token_uid: str
    contract_id: str
    location_id: str
    evse_uid: str
    currency: str


class Beside(NamedTuple):
    """What the hub knows beside one CDR."""

    session: KnownSession | None = None
    given: Given = Given()  # which reference its provider had given
    evse_owner: str = ""  # whose EVSE it is, when it is another operator's
    unknown_as_1970: bool = False  # whether its operator may say so
    credited: Credited = Credited()


def findings(cdr: CDR, beside: Beside, now: datetime) -> list[str]:
    """All sentences about one CDR."""
    return [
        *_energy(cdr),
        *_times(cdr, beside.unknown_as_1970, now),
        *_durations(cdr),
        *_costs(cdr),
        *_dimensions(cdr),
        *_place(cdr, beside.evse_owner),
        *_session(cdr, beside.session),
        *other_reference(cdr.authorization_reference, cdr.auth_method, beside.given, provider(cdr)),
        *(credits.findings(cdr, beside.credited) if cdr.credit else ()),
    ]


def owner(cdr: CDR) -> PartyRef:
    return PartyRef(cdr.country_code, cdr.party_id)


def provider(cdr: CDR) -> PartyRef:
    """The owner of its token."""
    return PartyRef(cdr.cdr_token.country_code, cdr.cdr_token.party_id)


def is_unknown(moment: datetime) -> bool:
    """Whether a time of 1970 stands for one that the operator does not know (interpretations, P95)."""
    return moment.year == 1970


def is_unused_reservation(cdr: CDR) -> bool:
    return cdr.total_energy == 0 and volume(cdr.charging_periods, "RESERVATION_TIME") is not None


# -------------------------------------------------------------------------------------------------- energy
def _energy(cdr: CDR) -> Iterator[str]:
    total = _amount(cdr, cdr.total_energy)
    if total < 0:
        yield f"total_energy is {plain(total)} kWh: energy flowed back into the grid, or its sign is wrong."
    measured = volume(cdr.charging_periods, "ENERGY")
    measured = None if measured is None else _amount(cdr, measured)
    if measured is not None and thousandfold(total, measured):
        yield (
            f"total_energy is {plain(total)} kWh, about a thousand times the {plain(measured)} kWh that the charging"
            " periods add up to: it looks like Wh."
        )
    elif measured is not None and thousandfold(measured, total):
        yield (
            f"The charging periods add up to {plain(measured)} kWh, about a thousand times total_energy, which is"
            f" {plain(total)} kWh: they look like Wh."
        )
    else:
        yield from _too_much(cdr, total)
        if measured is not None and not near(total, measured, least=SOME_ENERGY, share=ONE_PERCENT):
            yield f"total_energy is {plain(total)} kWh, and the charging periods add up to {plain(measured)} kWh."


def _too_much(cdr: CDR, total: Decimal) -> Iterator[str]:
    """For a charger, or for a battery."""
    current = cdr.cdr_location.connector_power_type.partition("_")[0]
    most = MOST_POWER.get(current, MOST_AC)
    hours = _hours(cdr)
    if hours > 0 and total > most * hours:
        yield (
            f"total_energy is {plain(total)} kWh in {_rounded(hours)} h, {_rounded(total / hours)} kW"
            f" on average, and {current} gives {plain(most)} kW at most: it looks like Wh, or the times are wrong."
        )
    elif total > MOST_ENERGY:
        yield f"total_energy is {plain(total)} kWh, and one charge hardly takes more than {plain(MOST_ENERGY)} kWh."


def _hours(cdr: CDR) -> Decimal:
    """How long it took: from start to end, or total_time where one of them is not known."""
    start, end = cdr.start_date_time, cdr.end_date_time
    if is_unknown(start) or is_unknown(end) or end <= start:
        return _amount(cdr, cdr.total_time)
    return Decimal(int((end - start).total_seconds() * 1000)) / 3_600_000


def _rounded(number: Decimal) -> str:
    """To two decimals; formatting takes numbers that are too long to be quantized."""
    return plain(Decimal(f"{number:.2f}"))


def _amount(cdr: CDR, number: Decimal) -> Decimal:
    """A total; of a credit its sign says nothing (interpretations, P93)."""
    return number.copy_abs() if cdr.credit else number


# --------------------------------------------------------------------------------------------------- times
def _times(cdr: CDR, unknown_as_1970: bool, now: datetime) -> Iterator[str]:
    times = {"start_date_time": cdr.start_date_time, "end_date_time": cdr.end_date_time}
    known = {name: moment for name, moment in times.items() if not is_unknown(moment)}
    if not unknown_as_1970:
        for name in times.keys() - known.keys():
            yield f"{name} is {minute(times[name])}, and 1970 stands for an unknown time only where that is agreed."
    if len(known) == 2 and cdr.end_date_time < cdr.start_date_time:
        yield f"It ends at {minute(cdr.end_date_time)}, before it starts at {minute(cdr.start_date_time)}."
    for name, moment in known.items():
        if moment > now + CLOCK:
            yield f"{name} is {minute(moment)}, and the hub's clock says {minute(now)}: one of them is wrong."


def _durations(cdr: CDR) -> Iterator[str]:
    charging = volume(cdr.charging_periods, "TIME")
    parking = volume(cdr.charging_periods, "PARKING_TIME")
    reserved = volume(cdr.charging_periods, "RESERVATION_TIME")
    total = _amount(cdr, cdr.total_time)
    if charging is not None:
        # Some count what is not charging as a part of it, and some the reservation before it.
        most = charging + (parking or 0) + (reserved or 0)
        if not (charging <= total <= most or _as_long(total, charging) or _as_long(total, most)):
            yield (
                f"total_time is {plain(total)} h, and the charging periods add up to {_rounded(charging)}"
                f" h of charging and {_rounded(most - charging)} h of parking or reservation."
            )
    if cdr.total_parking_time is not None and parking is not None:
        total = _amount(cdr, cdr.total_parking_time)
        if not _as_long(total, parking):
            yield (
                f"total_parking_time is {plain(total)} h, and the charging periods add up to"
                f" {_rounded(parking)} h of it."
            )


def _as_long(left: Decimal, right: Decimal) -> bool:
    return near(left, right, least=A_MINUTE, share=ONE_PERCENT)


# --------------------------------------------------------------------------------------------------- costs
def _costs(cdr: CDR) -> Iterator[str]:
    """Of a credit the total alone counts, which is looked at beside its original."""
    parts = [price.excl_vat for name in PARTS if (price := getattr(cdr, name)) is not None]
    total, added = cdr.total_cost.excl_vat, sum(parts, Decimal())
    if (
        cdr.credit
        or not parts
        or near(total, added, least=FIVE_CENTS, share=A_THOUSANDTH)
        or total in _bounds(cdr)
    ):
        return
    yield (
        f"total_cost is {plain(total)} {cdr.currency} without VAT, and its parts add up to"
        f" {plain(added)} {cdr.currency}."
    )


def _bounds(cdr: CDR) -> set[Decimal]:
    """What a tariff makes of a total that is too low or too high."""
    prices = [price for tariff in cdr.tariffs or () for price in (tariff.min_price, tariff.max_price)]
    return {price.excl_vat for price in prices if price is not None}


def _dimensions(cdr: CDR) -> Iterator[str]:
    """CDR-15: they go on unchanged (interpretations, P99)."""
    used = {dimension.type for period in cdr.charging_periods for dimension in period.dimensions}
    if odd := [kind for kind in SESSION_ONLY if kind in used]:
        yield f"The charging periods hold {', '.join(odd)}, which Sessions may have and CDRs may not."


# ------------------------------------------------------------------------------------- what it is about
def _place(cdr: CDR, evse_owner: str) -> Iterator[str]:
    """A Location that the hub does not know is none of these: it need not be published (CDR-19)."""
    place = cdr.cdr_location
    if evse_owner:
        yield (
            f"EVSE {place.evse_uid} ({place.evse_id}) is one of {evse_owner} as far as the hub knows, and the CDR is"
            f" of {owner(cdr)}."
        )
    # An EVSE need not have an evse_id, in whose place the filler then stands (interpretations, P83).
    fillers = [name for name in ("evse_uid", "connector_id") if getattr(place, name) == FILLER]
    if fillers and not is_unused_reservation(cdr):
        yield (
            f"{' and '.join(fillers)} in cdr_location: {FILLER}, which only a reservation may have, and total_energy is"
            f" {plain(cdr.total_energy)} kWh."
        )


def _session(cdr: CDR, known: KnownSession | None) -> Iterator[str]:
    if cdr.session_id is None and not is_unused_reservation(cdr):
        yield "session_id is missing, which it may be for an unused reservation or without Sessions only."
    if known is None:
        return
    if not same(known.audience, provider(cdr).key):
        yield f"Session {cdr.session_id} is for {known.audience}, and this CDR of it for {provider(cdr)}."
        return
    place, token = cdr.cdr_location, cdr.cdr_token
    for name, here, there in (
        ("cdr_token.uid", token.uid, known.token_uid),
        ("cdr_token.contract_id", token.contract_id, known.contract_id),
        ("cdr_location.id", place.id, known.location_id),
        ("cdr_location.evse_uid", place.evse_uid, known.evse_uid),
        ("currency", cdr.currency, known.currency),
    ):
        if not same(here, there) and FILLER not in (here, there):
            yield f"{name} is {here}, and Session {cdr.session_id} has {there}."

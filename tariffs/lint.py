"""What looks wrong in a Tariff that OCPI allows: the mistakes of live feeds, in sentences that name the place.

Pure functions over the checked Struct. They refuse nothing; an operator reads what they find (Tariff.findings).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from ocpi_hub.exchange.objects.findings import plain
from ocpi_hub.protocol.tariffs import PriceComponent, Tariff, TariffElement, TariffRestrictions
from ocpi_hub.protocol.types import Price
from tariffs import words
from tariffs.currencies import ACTIVE, REPLACED, TO_THE_EURO

MOST = 50  # findings of one Tariff; a feed that has more of them has the same one everywhere
LONG_PAST = timedelta(days=30)
CLOCK = {"start_time", "end_time"}
TIMED = ("TIME", "PARKING_TIME")
LIMITS = ("kwh", "current", "power", "duration")

# In euros and by unit, far beyond what anyone charges: a price above is in cents.
DEAREST = {"ENERGY": Decimal(4), "FLAT": Decimal(250), "TIME": Decimal(120), "PARKING_TIME": Decimal(120)}
PER_SECOND, PER_MINUTE = Decimal("0.005"), Decimal("0.25")  # in euros an hour, at most
PER_WH = Decimal("0.005")  # in euros a kWh, at most
HIGHEST_VAT = Decimal(30)  # percent; Hungary has 27
LARGEST_STEP = {"ENERGY": 10_000, "TIME": 86_400, "PARKING_TIME": 86_400}  # Wh and seconds
MOST_POWER = 1_500  # kW of a connector
MOST_ENERGY = 2_000  # kWh of a session


def findings(tariff: Tariff, now: datetime) -> list[str]:
    """Whole sentences, each with its place; the first MOST of them."""
    found = [sentence for look in LOOKS for sentence in look(tariff, now)]
    if len(found) > MOST:
        return [*found[:MOST], f"$: {len(found) - MOST} more findings are not listed."]
    return found


class Component(NamedTuple):
    """A price component, and where it is."""

    place: str
    element: TariffElement
    component: PriceComponent


def components(tariff: Tariff) -> Iterator[Component]:
    for index, element in enumerate(tariff.elements):
        for number, component in enumerate(element.price_components):
            yield Component(f"$.elements[{index}].price_components[{number}]", element, component)


# --------------------------------------------------------------------------------------- the tariff itself
def currency(tariff: Tariff, now: datetime) -> Iterator[str]:
    code = tariff.currency
    until, instead = REPLACED.get(code.upper(), (date.max, ""))
    if now.date() >= until:
        yield f"$.currency: {code} was replaced by {instead} on {until}; convert the prices and write {instead}."
    elif code in ACTIVE or code in REPLACED:
        return
    elif code.upper() in ACTIVE:
        yield f"$.currency: {code} is written in lower case; write {code.upper()}."
    else:
        yield f"$.currency: {code} is no currency of ISO 4217; write one such as EUR."


def validity(tariff: Tariff, now: datetime) -> Iterator[str]:
    start, end = _utc(tariff.start_date_time), _utc(tariff.end_date_time)
    if end is None:
        return
    if start is not None and end <= start:
        yield "$.end_date_time: it is not after start_date_time, so the Tariff never applies; mend one of them."
    elif end < now - LONG_PAST:
        yield f"$.end_date_time: the Tariff ended on {end:%Y-%m-%d}; DELETE it when no Connector names it."


def bounds(tariff: Tariff, now: datetime) -> Iterator[str]:
    least, most = tariff.min_price, tariff.max_price
    for name, price in (("min_price", least), ("max_price", most)):
        if price and price.incl_vat is not None and price.incl_vat < price.excl_vat:
            yield f"$.{name}: incl_vat is below excl_vat; check whether the two were swapped."
        if price and price.excl_vat < 0:
            yield f"$.{name}: it is negative; leave it out when there is no such bound."
    if least and most and _is_above(least, most):
        yield "$.min_price: it is above max_price, so no total fits both; mend one of them."


def _is_above(least: Price, most: Price) -> bool:
    both = least.incl_vat is not None and most.incl_vat is not None
    return least.excl_vat > most.excl_vat or (both and least.incl_vat > most.incl_vat)  # type: ignore[operator]  # both are there


def reservations_only(tariff: Tariff, now: datetime) -> Iterator[str]:
    if all(_is_reservation(element) for element in tariff.elements):
        yield (
            "$.elements: all of them are for reservations, so charging costs nothing; add elements without"
            " restrictions.reservation, or price it in another Tariff."
        )


# ---------------------------------------------------------------------------------------- price components
def prices(tariff: Tariff, now: datetime) -> Iterator[str]:
    rate = TO_THE_EURO.get(tariff.currency.upper())
    for place, _, component in components(tariff):
        price, said = component.price, f"{place}.price: {words.price(component, tariff.currency)}"
        if price < 0:
            yield f"{said} is negative; a price is at least 0."
        elif rate is not None and price > 0:
            yield from _odd_price(component.type, price / rate, said)


def _odd_price(kind: str, euros: Decimal, said: str) -> Iterator[str]:
    if euros > DEAREST[kind]:
        yield f"{said} looks like an amount in cents; write it in whole units of the currency."
    elif kind in TIMED and euros <= PER_SECOND:
        yield f"{said} looks like a price for a second; multiply it by 3600."
    elif kind in TIMED and euros <= PER_MINUTE:
        yield f"{said} looks like a price for a minute; if it is one, multiply it by 60."
    elif kind == "ENERGY" and euros <= PER_WH:
        yield f"{said} looks like a price for a Wh; multiply it by 1000."


def vat(tariff: Tariff, now: datetime) -> Iterator[str]:
    for place, _, component in components(tariff):
        rate = component.vat
        if rate is None:
            continue
        if rate < 0:
            yield f"{place}.vat: {plain(rate)} percent is negative; leave it out when no VAT applies."
        elif 0 < rate < 1:
            percent = plain(rate * 100)
            yield f"{place}.vat: {plain(rate)} percent looks like a fraction; write {percent} for {percent} percent."
        elif rate > HIGHEST_VAT:
            yield f"{place}.vat: {plain(rate)} percent is more than any country takes; check it."


def steps(tariff: Tariff, now: datetime) -> Iterator[str]:
    for place, element, component in components(tariff):
        step, unit = component.step_size, "Wh" if component.type == "ENERGY" else "seconds"
        if component.type == "FLAT":
            continue
        least = element.restrictions.min_duration if element.restrictions else None
        said = f"{place}.step_size: {step}"
        if step <= 0:
            yield f"{said} is no step that could be billed in; write 1 to bill {unit} as they are."
        elif step > LARGEST_STEP[component.type]:
            yield f"{said} {unit} are billed at least, however short the session; write 1, or the step that is meant."
        elif component.type in TIMED and step == least:
            yield f"{said} repeats min_duration and rounds what follows up to it; write 1, or the step that is meant."


def repeated(tariff: Tariff, now: datetime) -> Iterator[str]:
    for index, element in enumerate(tariff.elements):
        counted = Counter(component.type for component in element.price_components)
        for kind in (kind for kind, times in counted.items() if times > 1):
            yield (
                f"$.elements[{index}].price_components: {kind} is in it {counted[kind]} times, and only one can"
                " count; give each an element with restrictions of its own."
            )


# ---------------------------------------------------------------------------------------------- restrictions
def restrictions(tariff: Tariff, now: datetime) -> Iterator[str]:
    for index, element in enumerate(tariff.elements):
        given, place = element.restrictions, f"$.elements[{index}].restrictions"
        if given is None:
            continue
        if not _said(given):
            yield f"{place}: it restricts nothing; leave it out."
        yield from _ranges(given, place)
        yield from _dates(given, place, now)
        yield from _times(given, place)
        yield from _units(given, place)


def _ranges(given: TariffRestrictions, place: str) -> Iterator[str]:
    for name in LIMITS:
        least, most = getattr(given, f"min_{name}"), getattr(given, f"max_{name}")
        if most is None:
            continue
        if most <= 0:
            yield f"{place}.max_{name}: nothing is below {plain(most)}, so the element never applies; leave it out."
        elif least is not None and least >= most:
            yield f"{place}.max_{name}: it is not above min_{name}, so the element never applies; mend one of them."


def _dates(given: TariffRestrictions, place: str, now: datetime) -> Iterator[str]:
    if given.end_date is None:
        return
    if given.start_date is not None and given.start_date >= given.end_date:
        yield f"{place}.end_date: it is not after start_date, so the element never applies; the end itself is outside."
    elif given.end_date < (now - LONG_PAST).strftime("%Y-%m-%d"):
        yield f"{place}.end_date: the element ended on {given.end_date}; take it out."


def _times(given: TariffRestrictions, place: str) -> Iterator[str]:
    start, end = given.start_time, given.end_time
    if end is not None and end.endswith(":59"):
        hour = f"{(int(end[:2]) + 1) % 24:02}:00"
        yield f"{place}.end_time: the end itself is outside, so {end} leaves a minute out; write {hour}."
    if start is not None and start == end and start != "00:00":
        yield f"{place}.end_time: it equals start_time; leave both out for the whole day."


def _units(given: TariffRestrictions, place: str) -> Iterator[str]:
    for name, unit, most in (("power", "kW", MOST_POWER), ("kwh", "kWh", MOST_ENERGY)):
        for field in (f"min_{name}", f"max_{name}"):
            value = getattr(given, field)
            if value is not None and value > most:
                yield f"{place}.{field}: {plain(value)} {unit} looks like {unit[1:]}; divide it by 1000."


def unreachable(tariff: Tariff, now: datetime) -> Iterator[str]:
    """Components behind an element that takes every case of theirs: the first that fits prices a dimension."""
    earlier: list[Component] = []
    for item in components(tariff):
        cover = next((other for other in earlier if _covers(other, item)), None)
        earlier.append(item)
        if cover is not None:
            where = cover.place.partition(".price_components")[0]
            yield (
                f"{item.place}: {where} prices {item.component.type} in every case before it, so it is never used;"
                " put it in front, or take it out."
            )


def _covers(first: Component, later: Component) -> bool:
    if first.element is later.element or first.component.type != later.component.type:
        return False
    if _is_reservation(first.element) != _is_reservation(later.element):
        return False
    return not _said(first.element.restrictions) or _said(first.element.restrictions) == _said(
        later.element.restrictions
    )


def fallbacks(tariff: Tariff, now: datetime) -> Iterator[str]:
    """A dimension that is priced under restrictions only is free where none of them holds (ADV-41)."""
    charging = [item for item in components(tariff) if not _is_reservation(item.element)]
    for kind in dict.fromkeys(item.component.type for item in charging):
        its = [item for item in charging if item.component.type == kind]
        said = [_said(item.element.restrictions) for item in its]
        if all(said) and not _is_whole_day([given for given in said if given.keys() <= CLOCK]):
            yield (
                f"{its[0].place}: {kind} is priced under restrictions only and free where none of them holds; add an"
                " element without restrictions at the end, with a price of 0 if free is meant."
            )


def _is_whole_day(spans: list[dict[str, str]]) -> bool:
    """Whether times of day together leave no minute out; an end before the start is on the next day."""
    day, covered = 24 * 60, set()
    for span in spans:
        start, end = _minute(span.get("start_time", "00:00")), _minute(span.get("end_time", "00:00"))
        length = (end - start) % day or day
        covered.update((start + offset) % day for offset in range(length))
    return len(covered) == day


def _minute(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


def _said(given: TariffRestrictions | None) -> dict[str, Any]:
    """The restrictions that are there."""
    if given is None:
        return {}
    return {
        name: value for name in given.__struct_fields__ if (value := getattr(given, name)) not in (None, [])
    }


def _is_reservation(element: TariffElement) -> bool:
    return element.restrictions is not None and element.restrictions.reservation is not None


def _utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


LOOKS: tuple[Callable[[Tariff, datetime], Iterator[str]], ...] = (
    currency,
    validity,
    bounds,
    reservations_only,
    prices,
    vat,
    steps,
    repeated,
    restrictions,
    unreachable,
    fallbacks,
)

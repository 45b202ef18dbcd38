"""A Tariff in words, for its page in the admin: pure functions over the checked Struct."""

from decimal import Decimal

from ocpi_hub.exchange.objects.findings import plain
from ocpi_hub.protocol.tariffs import PriceComponent, TariffRestrictions
from ocpi_hub.protocol.types import Price

UNITS = {"ENERGY": "a kWh", "FLAT": "a session", "TIME": "an hour", "PARKING_TIME": "an hour"}
LIMITS = {"kwh": "kWh", "current": "A", "power": "kW"}
RESERVATIONS = {
    "RESERVATION": "while it is reserved",
    "RESERVATION_EXPIRES": "for a reservation that expires",
}
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def price(component: PriceComponent, currency: str) -> str:
    """As 0.25 EUR a kWh."""
    return f"{plain(component.price)} {currency} {UNITS[component.type]}"


def vat(component: PriceComponent) -> str:
    return "none" if component.vat is None else f"{plain(component.vat)} %"


def step(component: PriceComponent) -> str:
    """What is billed is rounded up to; nothing for a FLAT."""
    if component.type == "FLAT":
        return ""
    return f"{component.step_size} Wh" if component.type == "ENERGY" else duration(component.step_size)


def bound(amount: Price | None, currency: str) -> str:
    """A min_price or max_price; nothing when there is none."""
    if amount is None:
        return ""
    with_vat = "" if amount.incl_vat is None else f", {plain(amount.incl_vat)} with VAT"
    return f"{plain(amount.excl_vat)} {currency}{with_vat}"


def restrictions(given: TariffRestrictions | None) -> str:
    """When the element applies; all of it must hold."""
    if given is None:
        return "always"
    said = [
        RESERVATIONS.get(given.reservation or "", ""),
        days(list(given.day_of_week or [])),
        span(given.start_time, given.end_time),
        span(given.start_date, given.end_date),
        *(limits(getattr(given, f"min_{name}"), getattr(given, f"max_{name}"), unit) for name, unit in LIMITS.items()),
        lasting(given.min_duration, given.max_duration),
    ]  # fmt: skip
    return "; ".join(filter(None, said)) or "always"


def days(named: list[str]) -> str:
    """Days in a row from the first to the last: Monday to Friday."""
    numbers = sorted(DAYS.index(day) for day in set(named))
    names = [DAYS[number].capitalize() for number in numbers]
    if len(names) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)


def span(start: str | None, end: str | None) -> str:
    """Times of day or dates; the end itself is outside."""
    return " ".join(filter(None, [start and f"from {start}", end and f"until {end}"]))


def limits(least: Decimal | None, most: Decimal | None, unit: str) -> str:
    said = [
        "" if least is None else f"from {plain(least)} {unit}",
        "" if most is None else f"below {plain(most)} {unit}",
    ]
    return " ".join(filter(None, said))


def lasting(least: int | None, most: int | None) -> str:
    said = [
        "" if least is None else f"after {duration(least)}",
        "" if most is None else f"before {duration(most)}",
    ]
    return " ".join(filter(None, said))


def duration(seconds: int) -> str:
    """As 1 h 30 min."""
    hours, rest = divmod(abs(seconds), 3600)
    minutes, left = divmod(rest, 60)
    said = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", f"{left} s" if left else ""]
    return ("-" if seconds < 0 else "") + (" ".join(filter(None, said)) or "0 s")

"""A CPO's Tariffs (mod_tariffs.asciidoc), and what a charge costs by them.

They are simple: no restrictions, and steps of one Wh and one second, so that nothing is rounded but money.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulator.network import NEWEST
from simulator.ocpi import Party, encode, format_time

Periods = Sequence[Mapping[str, Any]]
NORMAL, CHEAP, FAST = "NORMAL", "CHEAP", "FAST"
COMPONENTS = {
    NORMAL: (("ENERGY", "0.34"),),
    CHEAP: (("ENERGY", "0.27"),),
    FAST: (("FLAT", "1.00"), ("ENERGY", "0.59"), ("PARKING_TIME", "6.00")),
}
TYPES = {NORMAL: "REGULAR", CHEAP: "PROFILE_CHEAP"}
REMARKS = {CHEAP: "Charges when energy is cheap", FAST: "Please leave when your car is full"}
MONEY = {"NL": ("EUR", 21), "DE": ("EUR", 19), "GB": ("GBP", 20)}
TOTALS = {
    "FLAT": "total_fixed_cost",
    "ENERGY": "total_energy_cost",
    "TIME": "total_time_cost",
    "PARKING_TIME": "total_parking_cost",
}
CENT = Decimal("0.01")


def tariffs(parties: Iterable[Party]) -> Iterator[bytes]:
    for party in parties:
        for name in COMPONENTS:
            yield encode(tariff(party, name))


def tariff(party: Party, name: str) -> dict[str, Any]:
    currency, vat = MONEY.get(party.country_code, ("EUR", 20))
    fields: dict[str, Any] = {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": name,
        "currency": currency,
        "elements": [
            {
                "price_components": [
                    {"type": kind, "price": Decimal(price), "vat": vat, "step_size": 1}
                    for kind, price in COMPONENTS[name]
                ]
            }
        ],
        "last_updated": format_time(NEWEST),
    }
    if name in TYPES:
        fields["type"] = TYPES[name]
    if name in REMARKS:
        fields["tariff_alt_text"] = [{"language": "en", "text": REMARKS[name]}]
    return fields


def costs(tariffs: Mapping[str, Mapping[str, Any]], periods: Periods) -> dict[str, Any]:
    """The total of a charge and of each of its dimensions, as a CDR names them.

    Each dimension is rounded to the cent, and the total is their sum: what is printed adds up.
    """
    exact: dict[str, tuple[Decimal, Decimal]] = {}
    for number, period in enumerate(periods):
        prices = components(tariffs[period["tariff_id"]])
        volumes = {one["type"]: one["volume"] for one in period["dimensions"]}
        if number == 0:
            volumes["FLAT"] = 1
        for kind in volumes.keys() & prices.keys():
            excl, incl = exact.get(TOTALS[kind], (Decimal(0), Decimal(0)))
            cost = Decimal(prices[kind]["price"]) * volumes[kind]
            exact[TOTALS[kind]] = excl + cost, incl + cost * (100 + prices[kind].get("vat", 0)) / 100
    found = {name: price(*exact[name]) for name in TOTALS.values() if name in exact}
    total = [sum((one[name] for one in found.values()), Decimal("0.00")) for name in ("excl_vat", "incl_vat")]
    return {"total_cost": price(*total), **found}


def components(tariff: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What prices each dimension: the first element that names it, as none of ours is restricted."""
    found: dict[str, Mapping[str, Any]] = {}
    for element in tariff["elements"]:
        for component in element["price_components"]:
            found.setdefault(component["type"], component)
    return found


def price(excl: Decimal, incl: Decimal) -> dict[str, Decimal]:
    return {"excl_vat": excl.quantize(CENT, ROUND_HALF_UP), "incl_vat": incl.quantize(CENT, ROUND_HALF_UP)}


def volume(periods: Periods, *kinds: str) -> Decimal:
    """How much of these dimensions there is in all periods together."""
    dimensions = (one for period in periods for one in period["dimensions"])
    return sum((one["volume"] for one in dimensions if one["type"] in kinds), Decimal(0))


def in_words(tariff: Mapping[str, Any]) -> str:
    """Such as `1.00 EUR at the start, 0.59 EUR/kWh; VAT 21 %`."""
    units = {"FLAT": " at the start", "ENERGY": "/kWh", "TIME": "/h", "PARKING_TIME": "/h when full"}
    prices = components(tariff)
    parts = [f"{prices[kind]['price']} {tariff['currency']}{units[kind]}" for kind in units if kind in prices]
    rates = sorted({str(one["vat"]) for one in prices.values() if "vat" in one})
    return ", ".join(parts) + (f"; VAT {' and '.join(rates)} %" if rates else "")

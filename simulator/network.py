"""An invented charging network: object i depends on the seed and i only, so a restart makes the same one."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from simulator.ocpi import Party, encode, format_time

NEWEST = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)  # objects look as if last changed in the year before


class City(NamedTuple):
    name: str
    postal_code: str
    latitude: float
    longitude: float


DUTCH = (
    City("Amsterdam", "10{:02} AB", 52.3702, 4.8952),
    City("Rotterdam", "30{:02} CD", 51.9225, 4.4792),
    City("'s-Gravenhage", "25{:02} EF", 52.0705, 4.3007),
    City("Utrecht", "35{:02} GH", 52.0907, 5.1214),
    City("Eindhoven", "56{:02} JK", 51.4416, 5.4697),
    City("Groningen", "97{:02} LM", 53.2194, 6.5665),
    City("Arnhem", "68{:02} NP", 51.9851, 5.8987),
    City("Maastricht", "62{:02} RS", 50.8514, 5.6910),
    City("Zwolle", "80{:02} TV", 52.5168, 6.0830),
)
GERMAN = (
    City("Berlin", "101{:02}", 52.5200, 13.4050),
    City("Hamburg", "200{:02}", 53.5511, 9.9937),
    City("München", "803{:02}", 48.1351, 11.5820),
    City("Köln", "506{:02}", 50.9375, 6.9603),
    City("Düsseldorf", "402{:02}", 51.2277, 6.7735),
    City("Dortmund", "441{:02}", 51.5136, 7.4653),
    City("Münster", "481{:02}", 51.9607, 7.6261),
    City("Hannover", "301{:02}", 52.3759, 9.7320),
)
STREETS = {
    "NLD": (
        "Kerkstraat",
        "Stationsweg",
        "Molenweg",
        "Europaplein",
        "Havenkade",
        "Lindelaan",
        "Raadhuisplein",
    ),
    "DEU": (
        "Hauptstraße",
        "Bahnhofstraße",
        "Marktplatz",
        "Lindenallee",
        "Am Hafen",
        "Schillerstraße",
        "Ring",
    ),
}
PLACES = ("Parking", "P+R", "Mall", "Station", "Town Hall", "Hotel", "Supermarket", "Sports Park")
FACILITIES = (
    "HOTEL",
    "RESTAURANT",
    "CAFE",
    "SUPERMARKET",
    "TRAIN_STATION",
    "BUS_STOP",
    "WIFI",
    "PARKING_LOT",
)
PARKING = ("ON_STREET", "PARKING_LOT", "PARKING_GARAGE", "UNDERGROUND_GARAGE")
EVSES = ((1, 15), (2, 55), (4, 16), (6, 7), (8, 4), (12, 3))  # how many in a Location, and how often
STATUSES = (("AVAILABLE", 66), ("CHARGING", 27), ("OUTOFORDER", 3), ("INOPERATIVE", 2), ("UNKNOWN", 2))
AC = (("AC_3_PHASE", 230, 16), ("AC_3_PHASE", 230, 32), ("AC_1_PHASE", 230, 32))
DC = ((500, 125, 50_000), (920, 300, 150_000), (920, 500, 300_000), (1000, 500, 400_000))


def locations(parties: Sequence[Party], count: int, seed: str) -> Iterator[bytes]:
    for index in range(count):
        yield encode(location(parties[index % len(parties)], index, seed))


def location(party: Party, index: int, seed: str) -> dict[str, Any]:
    chance = random.Random(f"{seed}/locations/{index}")
    german = chance.random() < (0.9 if party.country_code == "DE" else 0.15)
    city, country = chance.choice(GERMAN if german else DUTCH), "DEU" if german else "NLD"
    fast = chance.random() < 0.2
    object_id = f"LOC{index + 1:05}"
    evses = [evse(chance, party, object_id, number, fast) for number in range(1, weighted(chance, EVSES) + 1)]
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": object_id,
        "publish": True,
        "name": f"{city.name} {chance.choice(PLACES)} {index + 1}",
        "address": f"{chance.choice(STREETS[country])} {chance.randint(1, 240)}",
        "city": city.name,
        "postal_code": city.postal_code.format(chance.randint(11, 99)),
        "country": country,
        "coordinates": coordinates(chance, city),
        **extras(chance, fast),
        "evses": evses,
        "operator": {"name": f"{party} Charging", "website": f"https://{party.party_id.lower()}.example"},
        "time_zone": "Europe/Berlin" if german else "Europe/Amsterdam",
        "last_updated": max(part["last_updated"] for part in evses),
    }


def extras(chance: random.Random, fast: bool) -> dict[str, Any]:
    """Optional fields, as different from Location to Location as they are in the field."""
    fields: dict[str, Any] = {"opening_times": opening_times(chance)}
    fields["parking_type"] = "ALONG_MOTORWAY" if fast else chance.choice(PARKING)
    if chance.random() < 0.5:
        fields["facilities"] = sorted(chance.sample(FACILITIES, chance.randint(1, 3)))
    if chance.random() < 0.3:
        fields["directions"] = [{"language": "en", "text": "Second entrance, behind the barrier"}]
    if chance.random() < 0.3:
        wind = chance.randint(20, 80)
        sources = [{"source": "WIND", "percentage": wind}, {"source": "SOLAR", "percentage": 100 - wind}]
        fields["energy_mix"] = {"is_green_energy": True, "energy_sources": sources}
    if not fields["opening_times"]["twentyfourseven"]:
        fields["charging_when_closed"] = chance.random() < 0.5
    return fields


def opening_times(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.8:
        return {"twentyfourseven": True}
    days = [{"weekday": day, "period_begin": "07:00", "period_end": "22:30"} for day in range(1, 7)]
    return {"twentyfourseven": False, "regular_hours": days}


def evse(chance: random.Random, party: Party, location_id: str, number: int, fast: bool) -> dict[str, Any]:
    changed = format_time(NEWEST - timedelta(seconds=chance.randint(0, 365 * 86_400)))
    capabilities = ["REMOTE_START_STOP_CAPABLE", "RFID_READER", "CHARGING_PROFILE_CAPABLE", "RESERVABLE"]
    capabilities += (
        ["CONTACTLESS_CARD_SUPPORT", "UNLOCK_CAPABLE"] if fast else ["CHARGING_PREFERENCES_CAPABLE"]
    )
    fields = {
        "uid": f"{location_id}-{number}",
        "evse_id": f"{party}*E{location_id[3:]}*{number}",
        "status": weighted(chance, STATUSES),
        "capabilities": capabilities,
        "connectors": connectors(chance, fast, changed),
        "physical_reference": str(number),
        "last_updated": changed,
    }
    if chance.random() < 0.1:
        fields["parking_restrictions"] = ["EV_ONLY", "PLUGGED"]
    return fields


def connectors(chance: random.Random, fast: bool, changed: str) -> list[dict[str, Any]]:
    if not fast:
        power_type, voltage, amperage = chance.choice(AC)
        return [connector("1", "IEC_62196_T2", "SOCKET", power_type, voltage, amperage, None, changed)]
    voltage, amperage, power = chance.choice(DC)
    plugs = ["IEC_62196_T2_COMBO", "CHADEMO"] if chance.random() < 0.3 else ["IEC_62196_T2_COMBO"]
    return [
        connector(str(number), standard, "CABLE", "DC", voltage, amperage, power, changed)
        for number, standard in enumerate(plugs, 1)
    ]


def connector(
    number: str,
    standard: str,
    shape: str,
    power_type: str,
    voltage: int,
    amperage: int,
    power: int | None,
    changed: str,
) -> dict[str, Any]:
    fields = {
        "id": number,
        "standard": standard,
        "format": shape,
        "power_type": power_type,
        "max_voltage": voltage,
        "max_amperage": amperage,
        "tariff_ids": ["FAST"] if power else ["NORMAL", "CHEAP"],
        "last_updated": changed,
    }
    if power:
        fields["max_electric_power"] = power
    return fields


def coordinates(chance: random.Random, city: City) -> dict[str, str]:
    return {
        "latitude": f"{city.latitude + chance.uniform(-0.05, 0.05):.6f}",
        "longitude": f"{city.longitude + chance.uniform(-0.08, 0.08):.6f}",
    }


def weighted(chance: random.Random, choices: Sequence[tuple[Any, int]]) -> Any:
    return chance.choices([value for value, _ in choices], [weight for _, weight in choices])[0]

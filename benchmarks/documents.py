"""Objects to be moved about, as large as those of live platforms."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

TIME = "2026-03-01T12:00:00Z"
CITIES = (
    ("Amsterdam", "1012", 52.37, 4.89), ("Utrecht", "3511", 52.09, 5.12), ("Rotterdam", "3011", 51.92, 4.48),
    ("Eindhoven", "5611", 51.44, 5.47), ("Groningen", "9711", 53.22, 6.57), ("Arnhem", "6811", 51.98, 5.91),
)  # fmt: skip
CONNECTORS = (
    ("IEC_62196_T2", "SOCKET", "AC_3_PHASE", 400, 32, 22_000),
    ("IEC_62196_T2", "CABLE", "AC_3_PHASE", 400, 16, 11_000),
    ("IEC_62196_T2_COMBO", "CABLE", "DC", 920, 500, 150_000),
    ("CHADEMO", "CABLE", "DC", 500, 125, 50_000),
)
STATUSES = ("AVAILABLE", "AVAILABLE", "AVAILABLE", "CHARGING", "CHARGING", "OUTOFORDER", "BLOCKED")


def compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def token(number: int, country_code: str = "DE", party_id: str = "MSP") -> str:
    return compact(
        {
            "country_code": country_code,
            "party_id": party_id,
            "uid": f"{number:014X}",
            "type": "RFID",
            "contract_id": f"{country_code}{party_id}C{number:08d}",
            "visual_number": f"{country_code}-{party_id}-C{number:08d}",
            "issuer": "A provider",
            "valid": True,
            "whitelist": "ALLOWED",
            "language": "de",
            "last_updated": TIME,
        }
    )


# ---------------------------------------------------------------------------------------------- Locations
def location(number: int, country_code: str = "NL", party_id: str = "ABC") -> dict[str, Any]:
    """Two EVSEs with a connector each, as most are; every tenth place has eight."""
    chance = random.Random(number)
    city, postal_code, latitude, longitude = CITIES[number % len(CITIES)]
    evses = 8 if number % 10 == 0 else 2
    return {
        "country_code": country_code,
        "party_id": party_id,
        "id": f"LOC{number:07d}",
        "publish": True,
        "name": f"{city} {number}",
        "address": f"Stationsstraat {chance.randint(1, 250)}",
        "city": city,
        "postal_code": f"{postal_code} {chance.choice('ABCDEF')}{chance.choice('ABCDEF')}",
        "country": "NLD",
        "coordinates": {
            "latitude": f"{latitude + chance.uniform(-0.1, 0.1):.6f}",
            "longitude": f"{longitude + chance.uniform(-0.1, 0.1):.6f}",
        },
        "parking_type": "ON_STREET",
        "evses": [evse(chance, number, place) for place in range(1, evses + 1)],
        "operator": {"name": "An operator", "website": "https://operator.example"},
        "owner": {"name": "A municipality"},
        "facilities": ["PARKING_LOT", "RESTAURANT"],
        "time_zone": "Europe/Amsterdam",
        "opening_times": {"twentyfourseven": True},
        "charging_when_closed": True,
        "last_updated": TIME,
    }


def evse(chance: random.Random, number: int, place: int) -> dict[str, Any]:
    standard, form, power, voltage, amperage, watts = chance.choice(CONNECTORS)
    return {
        "uid": f"EVSE{number:07d}-{place}",
        "evse_id": f"NL*ABC*E{number:07d}*{place}",
        "status": chance.choice(STATUSES),
        "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE", "UNLOCK_CAPABLE"],
        "connectors": [
            {
                "id": "1",
                "standard": standard,
                "format": form,
                "power_type": power,
                "max_voltage": voltage,
                "max_amperage": amperage,
                "max_electric_power": watts,
                "tariff_ids": ["NORMAL"],
                "last_updated": TIME,
            }
        ],
        "physical_reference": str(place),
        "directions": [{"language": "nl", "text": f"Plaats {place}, naast de ingang"}],
        "last_updated": TIME,
    }


# ----------------------------------------------------------------------------------------------- Sessions
def session(number: int, last_updated: str, provider: str = "DE-MSP", operator: str = "NL-ABC") -> str:
    """An hour of charging in four periods."""
    country_code, party_id = operator.split("-")
    token_country, token_party = provider.split("-")
    began = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
    return compact(
        {
            "country_code": country_code,
            "party_id": party_id,
            "id": f"S{number:08d}",
            "start_date_time": f"{began:%Y-%m-%dT%H:%M:%SZ}",
            "kwh": 11.42,
            "cdr_token": {
                "country_code": token_country,
                "party_id": token_party,
                "uid": f"{number:014X}",
                "type": "RFID",
                "contract_id": f"{token_country}{token_party}C{number:08d}",
            },
            "auth_method": "WHITELIST",
            "location_id": f"LOC{number % 1000:07d}",
            "evse_uid": f"EVSE{number % 1000:07d}-1",
            "connector_id": "1",
            "currency": "EUR",
            "charging_periods": [
                {
                    "start_date_time": f"{began + timedelta(minutes=15 * quarter):%Y-%m-%dT%H:%M:%SZ}",
                    "dimensions": [
                        {"type": "ENERGY", "volume": 2.855},
                        {"type": "MAX_CURRENT", "volume": 16.1},
                    ],
                    "tariff_id": "NORMAL",
                }
                for quarter in range(4)
            ],
            "total_cost": {"excl_vat": 4.0, "incl_vat": 4.84},
            "status": "ACTIVE",
            "last_updated": last_updated,
        }
    )

"""Objects for tests, written from the field tables; each call gives a fresh copy."""

from copy import deepcopy
from typing import Any

JSONObject = dict[str, Any]

_CONNECTOR: JSONObject = {
    "id": "1",
    "standard": "IEC_62196_T2",
    "format": "SOCKET",
    "power_type": "AC_3_PHASE",
    "max_voltage": 230,
    "max_amperage": 32,
    "last_updated": "2026-03-01T08:00:00Z",
}
_EVSE: JSONObject = {
    "uid": "EVSE1",
    "evse_id": "NL*ABC*E0001*1",
    "status": "AVAILABLE",
    "connectors": [_CONNECTOR],
    "last_updated": "2026-03-01T08:00:00Z",
}
_LOCATION: JSONObject = {
    "country_code": "NL",
    "party_id": "ABC",
    "id": "LOC1",
    "publish": True,
    "address": "Stationsplein 9",
    "city": "Utrecht",
    "country": "NLD",
    "coordinates": {"latitude": "52.089444", "longitude": "5.110278"},
    "evses": [_EVSE],
    "time_zone": "Europe/Amsterdam",
    "last_updated": "2026-03-01T08:00:00Z",
}
_TOKEN: JSONObject = {
    "country_code": "DE",
    "party_id": "MSP",
    "uid": "04A1B2C3D4",
    "type": "RFID",
    "contract_id": "DE-MSP-C00000001-1",
    "issuer": "Example Mobility",
    "valid": True,
    "whitelist": "ALLOWED",
    "last_updated": "2026-03-01T08:00:00Z",
}


def location(**changes: Any) -> JSONObject:
    return deepcopy(_LOCATION) | changes


def evse(**changes: Any) -> JSONObject:
    return deepcopy(_EVSE) | changes


def connector(**changes: Any) -> JSONObject:
    return deepcopy(_CONNECTOR) | changes


def token(**changes: Any) -> JSONObject:
    return deepcopy(_TOKEN) | changes

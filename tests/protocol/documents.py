"""Objects of the cast, as small as they may be."""

from typing import Any

NOW = "2026-01-01T00:00:00Z"


def connector(**fields: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 16,
        "last_updated": NOW,
        **fields,
    }


def evse(**fields: Any) -> dict[str, Any]:
    return {"uid": "E1", "status": "AVAILABLE", "connectors": [connector()], "last_updated": NOW, **fields}


def location(**fields: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "ABC",
        "id": "LOC1",
        "publish": True,
        "address": "Stationsplein 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.089444", "longitude": "5.110278"},
        "time_zone": "Europe/Amsterdam",
        "last_updated": NOW,
        **fields,
    }


def token(**fields: Any) -> dict[str, Any]:
    return {
        "country_code": "DE",
        "party_id": "MSP",
        "uid": "04A1B2C3",
        "type": "RFID",
        "contract_id": "DE-MSP-C00000001-X",
        "issuer": "MSP",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": NOW,
        **fields,
    }


def role(**fields: Any) -> dict[str, Any]:
    return {
        "role": "CPO",
        "business_details": {"name": "ABC"},
        "party_id": "ABC",
        "country_code": "NL",
        **fields,
    }


def credentials(**fields: Any) -> dict[str, Any]:
    return {"token": "a.b-c", "url": "https://abc.example/ocpi/versions", "roles": [role()], **fields}

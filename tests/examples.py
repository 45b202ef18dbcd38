"""Objects for tests, written from the field tables; each call gives a fresh copy.

Numbers are whole, so that an object can be checked as it is as well as sent as JSON.
"""

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
_CDR_TOKEN: JSONObject = {
    "country_code": "DE",
    "party_id": "MSP",
    "uid": "04A1B2C3D4",
    "type": "RFID",
    "contract_id": "DE-MSP-C00000001-1",
}
_PERIOD: JSONObject = {
    "start_date_time": "2026-03-01T07:00:00Z",
    "dimensions": [{"type": "ENERGY", "volume": 20}, {"type": "TIME", "volume": 1}],
    "tariff_id": "TARIFF1",
}
_SESSION: JSONObject = {
    "country_code": "NL",
    "party_id": "ABC",
    "id": "SESSION1",
    "start_date_time": "2026-03-01T07:00:00Z",
    "kwh": 20,
    "cdr_token": _CDR_TOKEN,
    "auth_method": "WHITELIST",
    "location_id": "LOC1",
    "evse_uid": "EVSE1",
    "connector_id": "1",
    "currency": "EUR",
    "charging_periods": [_PERIOD],
    "total_cost": {"excl_vat": 25, "incl_vat": 30},
    "status": "ACTIVE",
    "last_updated": "2026-03-01T08:00:00Z",
}
_CHARGING_PREFERENCES: JSONObject = {
    "profile_type": "CHEAP",
    "departure_time": "2026-03-01T16:00:00Z",
    "energy_need": 40,
}
_TARIFF: JSONObject = {
    "country_code": "NL",
    "party_id": "ABC",
    "id": "TARIFF1",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [
                {"type": "FLAT", "price": 5, "vat": 20, "step_size": 1},
                {"type": "ENERGY", "price": 1, "vat": 20, "step_size": 1},
            ]
        }
    ],
    "last_updated": "2026-03-01T08:00:00Z",
}
_CDR: JSONObject = {
    "country_code": "NL",
    "party_id": "ABC",
    "id": "CDR1",
    "start_date_time": "2026-03-01T07:00:00Z",
    "end_date_time": "2026-03-01T08:00:00Z",
    "session_id": "SESSION1",
    "cdr_token": _CDR_TOKEN,
    "auth_method": "WHITELIST",
    "cdr_location": {
        "id": "LOC1",
        "address": "Stationsplein 9",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.089444", "longitude": "5.110278"},
        "evse_uid": "EVSE1",
        "evse_id": "NL*ABC*E0001*1",
        "connector_id": "1",
        "connector_standard": "IEC_62196_T2",
        "connector_format": "SOCKET",
        "connector_power_type": "AC_3_PHASE",
    },
    "currency": "EUR",
    "tariffs": [_TARIFF],
    "charging_periods": [_PERIOD],
    "total_cost": {"excl_vat": 25, "incl_vat": 30},
    "total_fixed_cost": {"excl_vat": 5, "incl_vat": 6},
    "total_energy": 20,
    "total_energy_cost": {"excl_vat": 20, "incl_vat": 24},
    "total_time": 1,
    "last_updated": "2026-03-01T08:00:00Z",
}
_CHARGING_PROFILE: JSONObject = {
    "charging_rate_unit": "A",
    "charging_profile_period": [{"start_period": 0, "limit": 16}, {"start_period": 3600, "limit": 8}],
}
_CLIENT_INFO: JSONObject = {
    "party_id": "MSP",
    "country_code": "DE",
    "role": "EMSP",
    "status": "CONNECTED",
    "last_updated": "2026-03-01T08:00:00Z",
}
_RESPONSE_URL = "https://msp.example/ocpi/results/1"


def location(**changes: Any) -> JSONObject:
    return deepcopy(_LOCATION) | changes


def evse(**changes: Any) -> JSONObject:
    return deepcopy(_EVSE) | changes


def connector(**changes: Any) -> JSONObject:
    return deepcopy(_CONNECTOR) | changes


def token(**changes: Any) -> JSONObject:
    return deepcopy(_TOKEN) | changes


def authorization_info(**changes: Any) -> JSONObject:
    return {"allowed": "ALLOWED", "token": token(), "authorization_reference": "AUTH1"} | changes


def session(**changes: Any) -> JSONObject:
    return deepcopy(_SESSION) | changes


def charging_preferences(**changes: Any) -> JSONObject:
    return deepcopy(_CHARGING_PREFERENCES) | changes


def tariff(**changes: Any) -> JSONObject:
    return deepcopy(_TARIFF) | changes


def cdr(**changes: Any) -> JSONObject:
    return deepcopy(_CDR) | changes


def credit_cdr(**changes: Any) -> JSONObject:
    """Takes back the whole of cdr()."""
    credit = {
        "id": "CDR1-C",
        "credit": True,
        "credit_reference_id": "CDR1",
        "total_cost": {"excl_vat": -25, "incl_vat": -30},
    }
    return cdr() | credit | changes


def start_session(**changes: Any) -> JSONObject:
    place = {"location_id": "LOC1", "evse_uid": "EVSE1", "connector_id": "1"}
    return {"response_url": _RESPONSE_URL, "token": token(), **place} | changes


def stop_session(**changes: Any) -> JSONObject:
    return {"response_url": _RESPONSE_URL, "session_id": "SESSION1"} | changes


def reserve_now(**changes: Any) -> JSONObject:
    reservation = {
        "expiry_date": "2026-03-01T10:00:00Z",
        "reservation_id": "RESERVATION1",
        "location_id": "LOC1",
        "evse_uid": "EVSE1",
    }
    return {"response_url": _RESPONSE_URL, "token": token(), **reservation} | changes


def cancel_reservation(**changes: Any) -> JSONObject:
    return {"response_url": _RESPONSE_URL, "reservation_id": "RESERVATION1"} | changes


def unlock_connector(**changes: Any) -> JSONObject:
    place = {"location_id": "LOC1", "evse_uid": "EVSE1", "connector_id": "1"}
    return {"response_url": _RESPONSE_URL, **place} | changes


def command_response(**changes: Any) -> JSONObject:
    return {"result": "ACCEPTED", "timeout": 30} | changes


def command_result(**changes: Any) -> JSONObject:
    return {"result": "ACCEPTED"} | changes


def set_charging_profile(**changes: Any) -> JSONObject:
    return {"charging_profile": deepcopy(_CHARGING_PROFILE), "response_url": _RESPONSE_URL} | changes


def active_charging_profile(**changes: Any) -> JSONObject:
    started = {"start_date_time": "2026-03-01T07:00:00Z"}
    return started | {"charging_profile": deepcopy(_CHARGING_PROFILE)} | changes


def charging_profile_response(**changes: Any) -> JSONObject:
    return {"result": "ACCEPTED", "timeout": 30} | changes


def client_info(**changes: Any) -> JSONObject:
    return deepcopy(_CLIENT_INFO) | changes

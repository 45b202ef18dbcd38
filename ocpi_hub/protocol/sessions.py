"""Sessions (mod_sessions.asciidoc). What a Session and a CDR share is in the chapter of the CDRs."""

from typing import Literal

from .cdrs import AuthMethod, CdrToken, ChargingPeriod
from .types import (
    CiString36,
    CountryCode,
    Currency,
    DateTime,
    Number,
    ObjectID,
    PartyID,
    Price,
    ProfileType,
    Text255,
    Wire,
)

SessionStatus = Literal["ACTIVE", "COMPLETED", "INVALID", "PENDING", "RESERVATION"]
ChargingPreferencesResponse = Literal[
    "ACCEPTED", "DEPARTURE_REQUIRED", "ENERGY_NEED_REQUIRED", "NOT_POSSIBLE", "PROFILE_TYPE_NOT_SUPPORTED"
]


class Session(Wire, kw_only=True):
    country_code: CountryCode
    party_id: PartyID
    id: ObjectID
    start_date_time: DateTime
    end_date_time: DateTime | None = None
    kwh: Number
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: CiString36 | None = None
    location_id: ObjectID
    evse_uid: ObjectID
    connector_id: ObjectID
    meter_id: Text255 | None = None
    currency: Currency
    charging_periods: list[ChargingPeriod] | None = None
    total_cost: Price | None = None
    status: SessionStatus
    last_updated: DateTime


class ChargingPreferences(Wire, kw_only=True):
    profile_type: ProfileType
    departure_time: DateTime | None = None
    energy_need: Number | None = None
    discharge_allowed: bool | None = None

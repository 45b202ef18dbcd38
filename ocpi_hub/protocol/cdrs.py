"""CDRs (mod_cdrs.asciidoc)."""

from typing import Annotated, Literal

from msgspec import Meta, MsgspecError, Struct, json

from .locations import ConnectorFormat, ConnectorType, GeoLocation, PowerType
from .tariffs import Tariff
from .types import (
    CdrID,
    CiString32,
    CiString36,
    CiString39,
    CiString48,
    CountryAlpha3,
    CountryCode,
    Currency,
    DateTime,
    Int,
    Number,
    ObjectID,
    PartyID,
    PartyRef,
    Price,
    RuleBroken,
    Text10,
    Text45,
    Text255,
    Text512,
    Text5000,
    TokenType,
    Wire,
)

AuthMethod = Literal["AUTH_REQUEST", "COMMAND", "WHITELIST"]
CdrDimensionType = Literal[
    "CURRENT",
    "ENERGY",
    "ENERGY_EXPORT",
    "ENERGY_IMPORT",
    "MAX_CURRENT",
    "MIN_CURRENT",
    "MAX_POWER",
    "MIN_POWER",
    "PARKING_TIME",
    "POWER",
    "RESERVATION_TIME",
    "STATE_OF_CHARGE",
    "TIME",
]

LONGEST_ID = 36  # of a CDR that credits no other


class CdrDimension(Wire, kw_only=True):
    type: CdrDimensionType
    volume: Number

    def __post_init__(self) -> None:
        if self.type == "STATE_OF_CHARGE" and not 0 <= self.volume <= 100:
            raise RuleBroken("volume", "not between 0 and 100")


class ChargingPeriod(Wire, kw_only=True):
    start_date_time: DateTime
    dimensions: Annotated[list[CdrDimension], Meta(min_length=1)]
    tariff_id: ObjectID | None = None


class CdrToken(Wire, kw_only=True):
    country_code: CountryCode
    party_id: PartyID
    uid: ObjectID
    type: TokenType
    contract_id: CiString36


class CdrLocation(Wire, kw_only=True):
    """`address` and `state` may be as long as those of the Location that it was copied from."""

    id: ObjectID
    name: Text255 | None = None
    address: Text255
    city: Text45
    postal_code: Text10 | None = None
    state: Text45 | None = None
    country: CountryAlpha3
    coordinates: GeoLocation
    evse_uid: ObjectID
    evse_id: CiString48
    connector_id: ObjectID
    connector_standard: ConnectorType
    connector_format: ConnectorFormat
    connector_power_type: PowerType


class SignedValue(Wire, kw_only=True):
    nature: CiString32
    plain_data: Text5000
    signed_data: Text5000


class SignedData(Wire, kw_only=True):
    encoding_method: CiString36
    encoding_method_version: Int | None = None
    public_key: Text512 | None = None
    signed_values: Annotated[list[SignedValue], Meta(min_length=1)]
    # A string of 512 in the specification, not a URL, which would end at 255.
    url: Text512 | None = None


class CDR(Wire, kw_only=True):
    country_code: CountryCode
    party_id: PartyID
    id: CdrID
    start_date_time: DateTime
    end_date_time: DateTime
    session_id: ObjectID | None = None
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: CiString36 | None = None
    cdr_location: CdrLocation
    meter_id: Text255 | None = None
    currency: Currency
    tariffs: list[Tariff] | None = None
    charging_periods: Annotated[list[ChargingPeriod], Meta(min_length=1)]
    signed_data: SignedData | None = None
    total_cost: Price
    total_fixed_cost: Price | None = None
    total_energy: Number
    total_energy_cost: Price | None = None
    total_time: Number
    total_time_cost: Price | None = None
    total_parking_time: Number | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: Text255 | None = None
    invoice_reference_id: CiString39 | None = None
    credit: bool | None = None
    credit_reference_id: CdrID | None = None
    home_charging_compensation: bool | None = None
    last_updated: DateTime

    def __post_init__(self) -> None:
        if self.credit:
            self._check_credit()
        elif self.credit_reference_id is not None:
            raise RuleBroken("credit_reference_id", "only allowed when credit is true")
        elif len(self.id) > LONGEST_ID:
            raise RuleBroken("id", f"longer than {LONGEST_ID} characters, and credit is not true")

    def _check_credit(self) -> None:
        if self.credit_reference_id is None:
            raise RuleBroken("credit_reference_id", "needed when credit is true")
        if self.total_cost.excl_vat > 0:
            raise RuleBroken("total_cost.excl_vat", "positive, although credit is true")
        if self.total_cost.incl_vat is not None and self.total_cost.incl_vat > 0:
            raise RuleBroken("total_cost.incl_vat", "positive, although credit is true")


class _Owner(Struct):
    country_code: str
    party_id: str


class _Named(Struct):
    cdr_token: _Owner


_NAMED = json.Decoder(_Named)


def token_owner(document: bytes) -> str:
    """The key of the party that a Session or CDR names as its token's owner; empty when it names none."""
    try:
        owner = _NAMED.decode(document).cdr_token
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return PartyRef(owner.country_code, owner.party_id).key

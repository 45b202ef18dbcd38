"""Tokens (mod_tokens.asciidoc)."""

from .types import (
    AllowedType,
    CiString36,
    CountryCode,
    DateTime,
    DisplayText,
    ObjectID,
    PartyID,
    ProfileType,
    Text2,
    Text64,
    TokenType,
    WhitelistType,
    Wire,
)


class EnergyContract(Wire, kw_only=True):
    supplier_name: Text64
    contract_id: Text64 | None = None


class Token(Wire, kw_only=True):
    country_code: CountryCode
    party_id: PartyID
    uid: ObjectID
    type: TokenType
    contract_id: CiString36
    visual_number: Text64 | None = None
    issuer: Text64
    group_id: CiString36 | None = None
    valid: bool
    whitelist: WhitelistType
    language: Text2 | None = None
    default_profile_type: ProfileType | None = None
    energy_contract: EnergyContract | None = None
    last_updated: DateTime


class LocationReferences(Wire, kw_only=True):
    location_id: ObjectID
    evse_uids: list[ObjectID] | None = None


class AuthorizationInfo(Wire, kw_only=True):
    allowed: AllowedType
    token: Token
    location: LocationReferences | None = None
    authorization_reference: CiString36 | None = None
    info: DisplayText | None = None

"""Hub client info (mod_hub_client_info.asciidoc)."""

from typing import Literal

from .types import CountryCode, DateTime, PartyID, Role, Wire

ConnectionStatus = Literal["CONNECTED", "OFFLINE", "PLANNED", "SUSPENDED"]


class ClientInfo(Wire, kw_only=True):
    """A party in one of its roles; it has no id of its own."""

    party_id: PartyID
    country_code: CountryCode
    role: Role
    status: ConnectionStatus
    last_updated: DateTime

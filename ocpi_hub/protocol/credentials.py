"""Credentials (credentials.asciidoc)."""

from typing import Annotated

from msgspec import Meta

from .locations import BusinessDetails
from .types import (
    URL,
    CountryCode,
    CredentialsToken,
    PartyID,
    PartyRef,
    Role,
    RuleBroken,
    Wire,
    first_repeated,
)


class CredentialsRole(Wire, kw_only=True):
    role: Role
    business_details: BusinessDetails
    party_id: PartyID
    country_code: CountryCode

    @property
    def party(self) -> PartyRef:
        return PartyRef(self.country_code, self.party_id)


class Credentials(Wire, kw_only=True):
    token: CredentialsToken
    url: URL
    roles: Annotated[list[CredentialsRole], Meta(min_length=1)]

    def __post_init__(self) -> None:
        index = first_repeated([f"{role.role} {role.party}" for role in self.roles])
        if index is not None:
            raise RuleBroken(f"roles[{index}]", "the same role of the same party is listed twice")

    def __repr__(self) -> str:
        """Without the token, so that no log can hold it."""
        return f"Credentials(url={self.url!r}, roles={self.roles!r})"

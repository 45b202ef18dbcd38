"""Which parties a platform may speak for (credentials.asciidoc; interpretations, P27).

A party belongs to one platform. What the operator agreed with a partner is written into Party.invited_roles;
a platform that was invited without naming parties may announce any that nobody else holds. What another hub tells of
its clients gives way to both (docs/decisions/0009-parties-behind-another-hub.md).
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from django.db import connection

from ocpi_hub.partners.models import Party, Platform
from ocpi_hub.protocol.credentials import CredentialsRole
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)

CLAIMS_LOCK = 0x0C9100  # one registration at a time decides about parties


class ClaimRefused(Exception):
    """A platform announced a party that is not its own; the text tells the partner which and why.

    `holder` is the platform that has the party, for the operator alone.
    """

    def __init__(self, text: str, holder: Platform | None = None) -> None:
        super().__init__(text)
        self.holder = holder


class Claim(NamedTuple):
    """One announced role of one party, as in `NL-ABC-CPO`."""

    party: PartyRef
    role: str

    @classmethod
    def parse(cls, text: str) -> "Claim":
        parts = text.strip().split("-")
        if len(parts) != 3 or len(parts[0]) != 2 or not 1 <= len(parts[1]) <= 3:
            raise ValueError(f"{text!r} is not of the form NL-ABC-CPO: country code, party id, role")
        country_code, party_id, role = (part.upper() for part in parts)
        if role not in ROLES:
            raise ValueError(f"{text!r} names a role that is none of {', '.join(ROLES)}")
        return cls(PartyRef(country_code, party_id), role)

    def __str__(self) -> str:
        return f"{self.party.country_code}-{self.party.party_id}-{self.role}"


ROLES = ("CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP")


def invite(platform: Platform, claims: Iterable[Claim]) -> None:
    """Write down what the operator agreed with this partner. ClaimRefused when another platform holds a party."""
    _lock()
    for claim in claims:
        party = _row(platform, claim)
        party.invited_roles = sorted({*party.invited_roles, claim.role})
        party.save()


def announce(platform: Platform, roles: list[CredentialsRole]) -> None:
    """Take over the parties that a platform announces, or refuse all of them with ClaimRefused."""
    _lock()
    invited = _invited(platform)
    announced = [
        Claim(PartyRef(role.country_code.upper(), role.party_id.upper()), role.role) for role in roles
    ]
    for claim in announced:
        if invited and claim not in invited:
            agreed = ", ".join(sorted(str(claim) for claim in invited))
            raise ClaimRefused(f"{claim} was not agreed with the operator of this hub, who expects {agreed}")
    platform.parties.own().update(roles=[])
    for claim, role in zip(announced, roles, strict=True):
        _announce_one(_row(platform, claim), claim, role)


def _announce_one(party: Party, claim: Claim, role: CredentialsRole) -> None:
    party.country_code, party.party_id = role.country_code, role.party_id
    party.roles = sorted({*party.roles, claim.role})
    party.business_details[claim.role] = {"name": role.business_details.name}
    party.save()


def _row(platform: Platform, claim: Claim) -> Party:
    party = Party.objects.filter(key=claim.party.key).first()
    if party and party.behind_hub:
        return _taken_over(party, platform)
    if party and party.platform_id != platform.pk:
        raise ClaimRefused(
            f"{claim.party} already belongs to another platform of this hub", holder=party.platform
        )
    return party or Party(
        platform=platform, country_code=claim.party.country_code, party_id=claim.party.party_id
    )


def _taken_over(party: Party, platform: Platform) -> Party:
    """One that was reached through another hub until now, and becomes this platform's own."""
    logger.info("%s is no longer reached through %s: it is of %s now", party, party.platform, platform)
    party.platform, party.behind_hub, party.told = platform, False, {}
    party.roles, party.business_details = [], {}
    return party


def learn(hub: Platform, ref: PartyRef, told: dict[str, str]) -> bool:
    """Reach a party through another hub, which tells its status by role; False when a platform has it itself."""
    _lock()
    party = Party.objects.filter(key=ref.key).first() or Party(behind_hub=True)
    if not party.behind_hub and (party.roles or party.invited_roles):
        return False
    party.platform, party.behind_hub, party.told = hub, True, told
    party.country_code, party.party_id = ref
    party.roles, party.business_details = sorted(told), {}
    party.save()
    return True


def _invited(platform: Platform) -> set[Claim]:
    return {
        Claim(PartyRef(*party.key.split("*")), role)
        for party in platform.parties.all()
        for role in party.invited_roles
    }


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIMS_LOCK])

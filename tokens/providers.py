"""The providers of tokens as authorize needs them: party, platform and Sender endpoint in one query."""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings

from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Endpoint, Party, PartyQuerySet, Platform, Status
from ocpi_hub.protocol.types import PartyRef
from tokens.models import Token


class Provider(NamedTuple):
    """A party that may be asked to authorize a token, and the URL that it is asked at, if it has one."""

    party: Party
    endpoint: str | None

    @property
    def ref(self) -> PartyRef:
        return self.party.ref

    @property
    def platform(self) -> Platform:
        platform: Platform = self.party.platform
        return platform

    @property
    def seconds(self) -> float:
        """That it has for an answer (interpretations, P13)."""
        return float(self.platform.authorize_timeout or settings.HUB_AUTHORIZE_TIMEOUT)

    @property
    def has_a_list(self) -> bool:
        """Whether the hub's list of its tokens counts: nobody charges on that of a provider who has left."""
        is_here = self.platform.registered and self.platform.status in (Status.CONNECTED, Status.OFFLINE)
        return is_here and Token.owner_role in self.party.roles


def by_key(keys: Iterable[str], operator: str) -> dict[str, Provider]:
    """Of these parties those that the operator, by its key, has an agreement with."""
    found = _agreed_with(operator, Party.objects.filter(key__in=keys))
    return {provider.party.key: provider for provider in found}


def asked_about_unknown_tokens(operator: str) -> list[Provider]:
    """Whom the operator of the hub wants asked whose a token is, as far as they are connected (P42)."""
    parties = (
        Party.objects.own()
        .filter(
            platform__asked_about_unknown_tokens=True,
            platform__status=Status.CONNECTED,
            roles__contains=[Token.owner_role],
        )
        .exclude(platform__token_cipher="")
    )
    return [provider for provider in _agreed_with(operator, parties) if provider.endpoint]


def _agreed_with(operator: str, parties: PartyQuerySet) -> list[Provider]:
    terms = Terms.of([operator])
    found = parties.reached_at(Token.module, Endpoint.Role.SENDER)
    return [
        Provider(party, party.endpoint) for party in found if terms.allow(operator, party.key, Token.module)
    ]

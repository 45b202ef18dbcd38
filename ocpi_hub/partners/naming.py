"""How operators name a party, such as NL-ABC-CPO, and whom they may have meant by a name that nobody has."""

import re
from difflib import get_close_matches
from typing import NamedTuple

from django.conf import settings

from ocpi_hub.partners.models import Party
from ocpi_hub.protocol.types import PartyRef


class UnknownParty(ValueError):
    """Nobody here has this name; the text says who has a similar one."""


class Name(NamedTuple):
    """A party, and the role in which it is meant when the name has one."""

    party: PartyRef
    role: str = ""

    @classmethod
    def parse(cls, text: str) -> "Name":
        """Of NL-ABC-CPO, NL-ABC or NL*ABC. Raises ValueError."""
        parts = re.split(r"[-*]", text.strip().upper())
        try:
            if not 2 <= len(parts) <= 3:
                raise ValueError
            return cls(PartyRef.parse("*".join(parts[:2])), *parts[2:])
        except ValueError:
            raise ValueError(
                f"{text!r} is no party such as NL-ABC-CPO or NL*ABC: country code, party id, role if you like"
            ) from None


def party_named(text: str) -> Party:
    """Raises UnknownParty, and ValueError for what is no name, the hub itself, and a role that it has not."""
    name = Name.parse(text)
    if name.party == PartyRef(settings.HUB_COUNTRY_CODE, settings.HUB_PARTY_ID):
        raise ValueError(f"{name.party} is this hub, and none of its partners")
    party = Party.objects.filter(key=name.party.key).select_related("platform").first()
    if party is None:
        raise UnknownParty(f"{name.party} is no party of this hub{_hint(name.party.key)}")
    has = sorted({*party.roles, *party.invited_roles})
    if name.role and name.role not in has:
        raise ValueError(f"{party} is no {name.role} here, it is {', '.join(has) or 'without a role'}")
    return party


def _hint(key: str) -> str:
    near = get_close_matches(key, Party.objects.values_list("key", flat=True), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""

"""Hub client info (mod_hub_client_info.asciidoc): who can be reached through the hub.

The hub itself is the owner of these objects and writes them (listing.py). What another hub tells us about its
own clients is kept beside them, for nobody's list.
"""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Q

from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject, OwnedObjectQuerySet
from ocpi_hub.exchange.objects.visibility import Share, Visible
from ocpi_hub.partners.models import Party, Platform, Status
from ocpi_hub.protocol import hub_client_info as chapter
from ocpi_hub.protocol.types import PartyRef

# Whom a party of a role has business with (interpretations, P134). The hub's own party is in nobody's list.
SEES = {
    "CPO": ("EMSP", "NAP", "NSP", "OTHER", "SCSP"),
    "EMSP": ("CPO", "SCSP"),
    "SCSP": ("CPO", "EMSP"),
    "NSP": ("CPO",),
    "NAP": ("CPO",),
    "OTHER": ("CPO",),
    "HUB": ("CPO", "EMSP", "NAP", "NSP", "OTHER", "SCSP"),
}
NOBODY = "-"  # the audience of what another hub told us


class ClientInfoQuerySet(OwnedObjectQuerySet):
    def told_by(self, hub: str) -> "ClientInfoQuerySet":
        """What another hub, by its party's key, told us about its own clients."""
        return self.filter(object_id=hub)


class ClientInfo(OwnedObject):
    """A party in one of its roles: country code, party id and role are its key (interpretations, P132).

    An entry is for everybody, or for one platform alone (viewer_of), which then has entries of its own about that
    party in all its roles. What another hub tells has the key of that hub's party in place of an id, so that two
    hubs do not write over each other's, nor over ours.
    """

    module = "hubclientinfo"
    wire = chapter.ClientInfo
    owner_role = "HUB"
    audience_roles = tuple(SEES)
    id_field = ""
    variant_field = "role"
    variants = tuple(SEES)
    variant_in_query = False
    copied = ("role", "status")
    routed = False
    hearsay = True

    role = models.CharField(max_length=5, default="")
    status = models.CharField(max_length=9, choices=Status, default=Status.PLANNED)

    objects = ClientInfoQuerySet.as_manager()

    class Meta(OwnedObject.Meta):
        verbose_name = "ClientInfo"
        verbose_name_plural = "ClientInfo"
        constraints = [
            models.UniqueConstraint(
                fields=["owner_key", "key", "audience", "role"], name="one_clientinfo_per_party_and_role"
            )
        ]

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id} as {self.role}"

    @classmethod
    def is_for(cls, roles: set[str], variant: str = "") -> bool:
        return variant in seen_by(roles) if variant else bool(seen_by(roles))

    @classmethod
    def place_of(cls, wire: Any, lister: str) -> tuple[Address, str]:
        return Address(PartyRef(wire.country_code, wire.party_id), lister, (), wire.role), NOBODY

    @classmethod
    def visible_to(cls, platform: Platform, asking: str = "") -> Visible:
        """Of each party that it has business with its own entries, or those for all."""
        visible, own = super().visible_to(platform, asking), viewer_of(platform.speaks_for)
        about = frozenset(cls.objects.filter(audience=own).values_list("owner_key", flat=True))
        hidden = behind_hubs() if platform.is_hub else frozenset()
        shares = []
        for for_all in visible.shares:
            never = for_all.owners | hidden
            shares += [for_all._replace(owners=never | about), Share(frozenset({own}), never)]
        return visible._replace(shares=tuple(shares))

    @classmethod
    def withheld_from(cls, owner_key: str) -> set[int]:
        """The platforms with entries of their own about this party, which are not told those for all."""
        own = cls.objects.filter(owner_key=owner_key).exclude(audience__in=["", NOBODY])
        viewers = Q(parties__key__in=own.values("audience"))
        if Party.objects.filter(key=owner_key, behind_hub=True).exists():
            viewers |= Q(parties__behind_hub=False, parties__roles__contains=["HUB"])
        return set(Platform.objects.filter(viewers).values_list("pk", flat=True))


def seen_by(roles: set[str]) -> set[str]:
    """The roles of the parties that a platform with these roles may see."""
    return {seen for role in roles for seen in SEES.get(role, ())}


def behind_hubs() -> frozenset[str]:
    """What one hub told is never told to another, else two could point at each other (P39)."""
    return frozenset(Party.objects.filter(behind_hub=True).values_list("key", flat=True))


def viewer_of(parties: Iterable[Party]) -> str:
    """The audience of a platform with these parties: the key of its first one."""
    return next((str(party.key) for party in parties), NOBODY)

"""Hub client info (mod_hub_client_info.asciidoc): who can be reached through the hub.

The hub itself is the owner of these objects and writes them (listing.py). What another hub tells us about its
own clients is kept beside them, for nobody's list.
"""

from django.db import models

from ocpi_hub.exchange.ownedobject import OwnedObject
from ocpi_hub.partners.models import Status
from ocpi_hub.protocol import hub_client_info as chapter

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


class ClientInfo(OwnedObject):
    """A party in one of its roles: country code, party id and role are its key (interpretations, P132).

    What another hub tells has the key of that hub's party as its audience, so that two hubs do not write over
    each other's.
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
    pulled = False

    role = models.CharField(max_length=5, default="")
    status = models.CharField(max_length=9, choices=Status, default=Status.PLANNED)

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


def seen_by(roles: set[str]) -> set[str]:
    """The roles of the parties that a platform with these roles may see."""
    return {seen for role in roles for seen in SEES.get(role, ())}

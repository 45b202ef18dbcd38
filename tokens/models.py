"""Tokens, and what was asked about them (mod_tokens.asciidoc)."""

from django.db import models
from django.db.models.functions import Upper

from ocpi_hub.exchange.models import Trace
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.protocol import tokens as chapter
from ocpi_hub.protocol.envelope import StatusCode


class Token(OwnedObject):
    """A means of identification; a uid is unique per type only, so the type belongs to the key."""

    module = "tokens"
    wire = chapter.Token
    owner_role = "EMSP"
    audience_roles = ("CPO",)
    id_field = "uid"
    variant_field = "type"
    variants = ("RFID", "APP_USER", "AD_HOC_USER", "OTHER")
    copied = ("type", "contract_id", "visual_number", "issuer", "group_id", "valid", "whitelist")
    unknown = StatusCode.UNKNOWN_TOKEN

    type = models.CharField(max_length=11, default="RFID")
    contract_id = models.CharField(max_length=36, default="", db_index=True)
    visual_number = models.CharField(max_length=64, null=True, blank=True, db_index=True)  # noqa: DJ001  # absent is not empty
    issuer = models.CharField(max_length=64, default="")
    group_id = models.CharField(max_length=36, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    valid = models.BooleanField(default=True)
    whitelist = models.CharField(max_length=15, default="NEVER")

    class Meta(OwnedObject.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["owner_key", "key", "audience", "type"], name="one_token_per_owner_uid_and_type"
            )
        ]


class Authorization(Trace):
    """A question of an operator whether somebody may charge, and how it was decided."""

    class Decided(models.TextChoices):
        ASKED = "ASKED", "its provider was asked"
        LIST = "LIST", "by the hub's list"
        FALLBACK = "FALLBACK", "by the hub's list, because its provider did not decide"
        BROADCAST = "BROADCAST", "providers were asked whose it is"
        NOBODY = "NOBODY", "nobody knows it, or nobody can be asked"

    operator = models.CharField(max_length=6, help_text="the party that asked")
    token_uid = models.CharField("uid", max_length=36)
    token_type = models.CharField("type", max_length=11)
    token_owner = models.CharField(
        max_length=6, default="", blank=True, help_text="whose token it is, as far as the hub knows"
    )
    provider = models.CharField(
        max_length=6,
        default="",
        blank=True,
        help_text="the party that was asked; of several the one whose answer went back",
    )
    decided = models.CharField(max_length=9, choices=Decided)
    allowed = models.CharField(
        max_length=11,
        default="",
        blank=True,
        help_text="what the operator was told; empty: only a status code",
    )
    status_code = models.PositiveSmallIntegerField()
    problem = models.TextField(default="", blank=True, help_text="why its provider did not decide")
    reference = models.CharField(
        max_length=36, default="", blank=True, help_text="comes back in Session and CDR"
    )
    milliseconds = models.PositiveIntegerField()

    class Meta(Trace.Meta):
        indexes = [*Trace.Meta.indexes, models.Index(Upper("token_uid"), name="%(class)s_token")]

    def __str__(self) -> str:
        return f"{self.operator} asked about {shortened(self.token_uid)}: {self.allowed or self.status_code}"


def shortened(uid: str) -> str:
    """The end of a uid, for lists and logs: whoever has the whole of it can charge at its owner's expense."""
    return f"…{uid[-4:]}" if len(uid) > 4 else "…"

"""Tokens (mod_tokens.asciidoc)."""

from django.db import models

from ocpi_hub.exchange.ownedobject import OwnedObject
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

"""CDRs (mod_cdrs.asciidoc): each is for the provider of its token, and never changes."""

import re
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone

from cdrs import credits, lookups, plausibility
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol import cdrs as chapter
from ocpi_hub.protocol.cdrs import token_owner
from ocpi_hub.protocol.types import PartyRef

# As the specification prints it, which is no timestamp; only where it is the value of one of these fields.
_UNKNOWN_TIME = re.compile(rb'("(?:start|end)_date_time"\s*:\s*)"1970-1-1T00:00:00Z"')
ID_LENGTH = 39  # a credit CDR's; all others have 36, which the Struct sees to


class CDR(OwnedObject):
    module = "cdrs"
    wire = chapter.CDR
    owner_role = "CPO"
    audience_roles = ("EMSP",)
    addressed = True
    immutable = True
    kept_by = "HUB_CDR_DAYS"
    push_method = "POST"
    receiver_url_field = "receiver_url"
    asked_back = True
    copied = (
        "start_date_time", "end_date_time", "session_id", "auth_method", "authorization_reference", "currency",
        "total_energy", "total_time", "credit", "credit_reference_id",
    )  # fmt: skip

    object_id = models.CharField(max_length=ID_LENGTH)
    key = models.GeneratedField(
        expression=Upper("object_id"), output_field=models.CharField(max_length=ID_LENGTH), db_persist=True
    )
    start_date_time = models.DateTimeField(default=None)
    end_date_time = models.DateTimeField(default=None)
    session_id = models.CharField(max_length=36, null=True, blank=True, db_index=True)  # noqa: DJ001  # absent is not empty
    auth_method = models.CharField(max_length=12, default="")
    authorization_reference = models.CharField(max_length=36, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    currency = models.CharField(max_length=3, default="")
    total_energy = models.DecimalField(max_digits=66, decimal_places=20, default=0, help_text="kWh")
    total_time = models.DecimalField(max_digits=66, decimal_places=20, default=0, help_text="hours")
    total_cost = models.DecimalField(max_digits=66, decimal_places=20, default=0, help_text="without VAT")
    credit = models.BooleanField(null=True, blank=True)
    credit_reference_id = models.CharField(max_length=39, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    location_id = models.CharField(max_length=36, default="")
    evse_uid = models.CharField(max_length=36, default="")
    token_uid = models.CharField(max_length=36, default="")
    token_type = models.CharField(max_length=11, default="")
    contract_id = models.CharField(max_length=36, default="")
    receiver_url = models.TextField(
        db_default="", blank=True, help_text="where the party that it was sent to says that it has it"
    )

    class Meta(OwnedObject.Meta):
        verbose_name = "CDR"
        verbose_name_plural = "CDRs"
        indexes = [
            *OwnedObject.Meta.indexes,
            models.Index(fields=["audience", "inserted_in", "id"], name="%(class)s_audience"),
            models.Index(
                Upper("credit_reference_id"),
                name="cdr_credit_of",
                condition=Q(credit_reference_id__isnull=False),
            ),
        ]

    @classmethod
    def audience_of(cls, wire: Any) -> str:
        """The owner of its token (interpretations, P40)."""
        return PartyRef(wire.cdr_token.country_code, wire.cdr_token.party_id).key

    @classmethod
    def named_audience(cls, document: bytes) -> str:
        return token_owner(document)

    @classmethod
    def incoming(cls, body: bytes, source: Platform) -> bytes:
        """Where it is agreed, an unknown time in the form that the specification prints (interpretations, P95)."""
        if not source.unknown_times_as_1970 or b'"1970-1-1T' not in body:
            return body
        return _UNKNOWN_TIME.sub(rb'\1"1970-01-01T00:00:00Z"', body)

    @classmethod
    def must_fit(cls, wire: Any) -> None:
        """A credit takes back what was charged, or a part of it."""
        original = lookups.original_of(wire) if wire.credit else None
        if original and (refusal := credits.refusal(wire, original)):
            raise refusal

    @classmethod
    def review_many(cls, wires: list[Any]) -> list[list[str]]:
        now = timezone.now()
        known = lookups.beside(wires)
        return [plausibility.findings(wire, found, now) for wire, found in zip(wires, known, strict=True)]

    @classmethod
    def columns(cls, wire: Any) -> dict[str, Any]:
        token, place = wire.cdr_token, wire.cdr_location
        return {
            **super().columns(wire),
            "total_cost": wire.total_cost.excl_vat,
            "location_id": place.id,
            "evse_uid": place.evse_uid,
            "token_uid": token.uid,
            "token_type": token.type,
            "contract_id": token.contract_id,
        }

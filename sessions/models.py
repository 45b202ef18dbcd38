"""Sessions (mod_sessions.asciidoc): each is for the provider of its token and for nobody else."""

import logging
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone

from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol import sessions as chapter
from ocpi_hub.protocol.cdrs import token_owner
from ocpi_hub.protocol.codec import InvalidObject, MalformedJSON, dump, parse
from ocpi_hub.protocol.types import PartyRef
from ocpi_hub.pseudonyms import ERASED
from sessions import plausibility
from sessions.periods import mark_of

logger = logging.getLogger(__name__)

LISTED_BACK_TO = timedelta(days=30)  # where a list begins that is asked for without a date (P68)


class Session(OwnedObject):
    module = "sessions"
    wire = chapter.Session
    owner_role = "CPO"
    audience_roles = ("EMSP",)
    addressed = True
    asked_back = True
    appended = {"charging_periods": mark_of}
    final = ("status", "COMPLETED")
    copied = (
        "start_date_time", "end_date_time", "kwh", "auth_method", "authorization_reference", "location_id",
        "evse_uid", "connector_id", "currency", "status",
    )  # fmt: skip
    kept_by = "HUB_SESSION_DAYS"
    pulled_back_to = LISTED_BACK_TO  # a list of Sessions is always asked for from a date on (P68)

    start_date_time = models.DateTimeField(default=None)
    end_date_time = models.DateTimeField(null=True, blank=True)
    kwh = models.DecimalField(max_digits=66, decimal_places=20, default=0)
    auth_method = models.CharField(max_length=12, default="")
    authorization_reference = models.CharField(max_length=36, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    location_id = models.CharField(max_length=36, default="")
    evse_uid = models.CharField(max_length=36, default="")
    connector_id = models.CharField(max_length=36, default="")
    currency = models.CharField(max_length=3, default="")
    status = models.CharField(max_length=11, default="", db_index=True)
    token_uid = models.CharField(max_length=36, default="", help_text="of the token that it was begun with")
    token_type = models.CharField(max_length=11, default="")
    contract_id = models.CharField(max_length=36, default="")

    class Meta(OwnedObject.Meta):
        indexes = [
            *OwnedObject.Meta.indexes,
            models.Index(fields=["audience", "inserted_in", "id"], name="%(class)s_audience"),
            models.Index(Upper("token_uid"), name="session_token"),
            models.Index(Upper("authorization_reference"), name="session_reference"),
        ]

    @classmethod
    def audience_of(cls, wire: Any) -> str:
        """The owner of its token (interpretations, P40)."""
        return PartyRef(wire.cdr_token.country_code, wire.cdr_token.party_id).key

    @classmethod
    def erased(cls) -> Q:
        return Q(token_uid__startswith=ERASED) | Q(contract_id__startswith=ERASED)

    @classmethod
    def named_audience(cls, document: bytes) -> str:
        return token_owner(document)

    @classmethod
    def incoming(cls, body: bytes, source: Platform) -> bytes:
        """RESERVED, as the prose of the chapter has it, is RESERVATION (interpretations, P85)."""
        if b"RESERVED" not in body:
            return body
        try:
            raw = parse(body)
        except (InvalidObject, MalformedJSON):
            return body  # what is wrong with it is found where it is checked
        if not isinstance(raw, dict) or raw.get("status") != "RESERVED":
            return body
        logger.warning("%s sends a Session with status RESERVED; it is read as RESERVATION", source)
        return dump({**raw, "status": "RESERVATION"})

    @classmethod
    def review_many(cls, wires: list[Any]) -> list[list[str]]:
        now = timezone.now()
        known = plausibility.beside(wires)
        return [plausibility.findings(wire, found, now) for wire, found in zip(wires, known, strict=True)]

    @classmethod
    def columns(cls, wire: Any) -> dict[str, Any]:
        token = wire.cdr_token
        return {
            **super().columns(wire),
            "token_uid": token.uid,
            "token_type": token.type,
            "contract_id": token.contract_id,
        }

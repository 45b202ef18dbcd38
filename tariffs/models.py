"""Tariffs (mod_tariffs.asciidoc): their owner may delete them."""

from typing import Any

from django.db import models
from django.utils import timezone

from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.protocol import tariffs as chapter
from tariffs import lint


class Tariff(OwnedObject):
    module = "tariffs"
    wire = chapter.Tariff
    owner_role = "CPO"
    audience_roles = ("EMSP", "NSP", "OTHER", "NAP")
    deletable = True
    copied = ("currency", "type", "start_date_time", "end_date_time")
    repairs = (
        ("UNWRAP", "elements[].restrictions", None, True),
        # These say something that the feed does not, so the operator switches them on.
        ("WRAP", "min_price", {"excl_vat": "*"}, False),
        ("WRAP", "max_price", {"excl_vat": "*"}, False),
        ("WRAP", "tariff_alt_text[]", {"language": "en", "text": "*"}, False),
    )

    currency = models.CharField(max_length=3, default="")
    type = models.CharField(max_length=14, null=True, blank=True)  # noqa: DJ001  # absent is not empty
    start_date_time = models.DateTimeField(null=True, blank=True)
    end_date_time = models.DateTimeField(null=True, blank=True)

    class Meta(OwnedObject.Meta):
        pass

    @classmethod
    def review(cls, wire: Any) -> list[str]:
        return lint.findings(wire, timezone.now())

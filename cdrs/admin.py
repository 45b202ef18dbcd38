"""CDRs in the admin, read-only: they never change."""

from typing import Any

from django.contrib import admin
from django.db.models.functions import Upper
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from cdrs.models import CDR
from ocpi_hub.exchange.admin import OwnedObjectAdmin, link


@admin.register(CDR)
class CDRAdmin(OwnedObjectAdmin):
    columns = ("audience", "start_date_time", "total_energy", "total_cost", "currency", "credit")
    search_fields = [
        *OwnedObjectAdmin.search_fields, "session_id__exact", "authorization_reference__exact", "contract_id__exact",
    ]  # fmt: skip
    search_help_text = "the beginning of an id, or a session id, authorization reference or contract id"
    list_filter = [*OwnedObjectAdmin.list_filter, "audience", "credit", "currency"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        findings, *rest = super().get_fields(request, obj)
        return [findings, "original", "credited_by", *rest]

    @admin.display(description="credits")
    def original(self, row: CDR) -> SafeString:
        """What a credit takes back."""
        return links(CDR.objects.filter(key=(row.credit_reference_id or "").upper(), owner_key=row.owner_key))

    @admin.display(description="credited by")
    def credited_by(self, row: CDR) -> SafeString:
        credits = CDR.objects.annotate(of=Upper("credit_reference_id")).filter(of=row.key)
        return links(credits.filter(owner_key=row.owner_key))


def links(rows: Any) -> SafeString:
    """To these CDRs, each with whom it is for."""
    found = [(link("cdrs_cdr", row.pk, row), row.audience) for row in rows.defer("document", "received")]
    return format_html_join(", ", "{} for {}", found) if found else format_html("<em>{}</em>", "none")

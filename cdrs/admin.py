"""CDRs in the admin, read-only: they never change."""

from django.contrib import admin

from cdrs.models import CDR
from ocpi_hub.exchange.admin import OwnedObjectAdmin


@admin.register(CDR)
class CDRAdmin(OwnedObjectAdmin):
    columns = ("audience", "start_date_time", "total_energy", "total_cost", "currency", "credit")
    search_fields = [
        *OwnedObjectAdmin.search_fields, "session_id__exact", "authorization_reference__exact", "contract_id__exact",
    ]  # fmt: skip
    search_help_text = "the beginning of an id, or a session id, authorization reference or contract id"
    list_filter = [*OwnedObjectAdmin.list_filter, "audience", "credit", "currency"]

"""Sessions in the admin, read-only: their operators change them."""

from django.contrib import admin

from ocpi_hub.exchange.admin import OwnedObjectAdmin
from sessions.models import Session


@admin.register(Session)
class SessionAdmin(OwnedObjectAdmin):
    columns = ("audience", "status", "kwh", "start_date_time", "location_id", "evse_uid")
    search_fields = [*OwnedObjectAdmin.search_fields, "authorization_reference__exact", "contract_id__exact"]
    search_help_text = "the beginning of an id, an authorization reference, or a contract id"
    list_filter = [*OwnedObjectAdmin.list_filter, "status", "audience"]

"""Tariffs in the admin, read-only: their owners change them."""

from django.contrib import admin

from ocpi_hub.exchange.admin import OwnedObjectAdmin
from tariffs.models import Tariff


@admin.register(Tariff)
class TariffAdmin(OwnedObjectAdmin):
    columns = ("type", "currency", "start_date_time", "end_date_time", "deleted_at")
    search_help_text = "the beginning of an id"
    list_filter = [
        *OwnedObjectAdmin.list_filter,
        "currency",
        "type",
        ("deleted_at", admin.EmptyFieldListFilter),
    ]

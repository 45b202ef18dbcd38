"""Locations and EVSEs in the admin, read-only: their owners change them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from locations.models import EVSE, Location
from ocpi_hub.exchange.admin import OwnedObjectAdmin, ReadOnlyAdmin, link


class EVSEInline(admin.TabularInline):
    model = EVSE
    fields = readonly_fields = (
        "uid", "evse_id", "status", "status_since", "connectors", "last_updated", "retired_at",
    )  # fmt: skip
    can_delete = False
    max_num = 0


@admin.register(Location)
class LocationAdmin(OwnedObjectAdmin):
    columns = ("name", "city", "country", "publish", "expired")
    search_fields = [
        *OwnedObjectAdmin.search_fields,
        "name__icontains",
        "city__istartswith",
        "evse_rows__evse_id__istartswith",
    ]
    search_help_text = "the beginning of an id, city or EVSE id, or a part of the name"
    list_filter = [*OwnedObjectAdmin.list_filter, "publish", "country"]
    inlines = [EVSEInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Location]:
        return super().get_queryset(request).annotate(is_usable=Location.has_usable_evse())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_fields(request, obj), "operated_by"]

    @admin.display(description="operator")
    def operated_by(self, row: Location) -> str:
        return row.operator_name

    @admin.display(description="expired", empty_value="")
    def expired(self, row: Any) -> str:
        """A Location without a usable EVSE counts as expired; it is served all the same (LOC-11)."""
        return "" if row.is_usable else "expired"


@admin.register(EVSE)
class EVSEAdmin(ReadOnlyAdmin):
    list_display = [
        "evse_id",
        "uid",
        "status",
        "status_since",
        "at",
        "connectors",
        "last_updated",
        "retired_at",
    ]
    list_filter = [
        "status", ("retired_at", admin.EmptyFieldListFilter), "location__country_code", "location__party_id",
    ]  # fmt: skip
    search_fields = ["evse_id__istartswith", "uid__istartswith", "location__object_id__istartswith"]
    search_help_text = "the beginning of an EVSE id, a uid or a Location id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[EVSE]:
        return (
            super()
            .get_queryset(request)
            .select_related("location")
            .defer("location__document", "location__received")
        )

    @admin.display(description="location", ordering="location")
    def at(self, row: EVSE) -> SafeString:
        return link("locations_location", row.location_id, row.location)

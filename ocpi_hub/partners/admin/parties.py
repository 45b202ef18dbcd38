"""Parties and endpoints in the admin; platforms, inviting and registering are credentials/admin.py's."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ocpi_hub.partners.admin.agreements import of_one
from ocpi_hub.partners.models import Endpoint, Party


@admin.register(Party)
class PartyAdmin(admin.ModelAdmin):
    """Who is who; roles come from the partner, invited roles are the operator's."""

    list_display = ["__str__", "platform", "roles", "invited_roles", "reached"]
    list_filter = ["behind_hub", "platform"]
    search_fields = ["country_code__iexact", "party_id__iexact", "platform__name__icontains"]
    list_select_related = ["platform"]
    readonly_fields = [
        "platform", "reached", "country_code", "party_id", "roles", "business_details", "agreements",
    ]  # fmt: skip

    @admin.display(description="reached")
    def reached(self, row: Party) -> str:
        """Where the hub learnt of it, and how that tells it to be."""
        if not row.behind_hub:
            return "directly"
        told = ", ".join(f"{role} {status}" for role, status in sorted(row.told.items()))
        return f"behind another hub, which told us: {told}"

    @admin.display(description="agreements")
    def agreements(self, row: Party) -> SafeString:
        return of_one(row)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = [
            "platform",
            "reached",
            "country_code",
            "party_id",
            "roles",
            "invited_roles",
            "business_details",
        ]
        return [*own, "agreements"] if request.user.has_perm("partners.view_agreement") else own

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Endpoint)
class EndpointAdmin(admin.ModelAdmin):
    list_display = ["platform", "module", "role", "url"]
    list_filter = ["platform", "module", "role"]
    search_fields = ["url__icontains", "module__iexact"]
    list_select_related = ["platform"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

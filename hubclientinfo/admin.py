"""ClientInfo in the admin, read-only: who is listed to whom, and since when."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from hubclientinfo.models import SEES, ClientInfo
from ocpi_hub.exchange.admin import OwnedObjectAdmin
from ocpi_hub.partners.models import Party

_NEVER_SET = {
    "object_id",
    "missing_since",
    "missed_pulls",
    "deleted_at",
    "findings",
    "audience",
    "before_repairs",
}


class ToldBy(admin.SimpleListFilter):
    title = "who says so"
    parameter_name = "told_by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("us", "this hub, of its own clients"), ("others", "another hub, of its clients")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "us":
            return queryset.filter(object_id="")
        return queryset.exclude(object_id="") if self.value() == "others" else queryset


@admin.register(ClientInfo)
class ClientInfoAdmin(OwnedObjectAdmin):
    list_filter = ["status", "role", ToldBy, "country_code", "source"]
    search_fields = ["party_id__iexact", "source__name__icontains"]
    search_help_text = "a party id, or a part of a platform's name"

    def get_list_display(self, request: HttpRequest) -> Any:
        return ["owner", "role", "short_status", "last_updated", "listed_to", "source"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = [name for name in super().get_fields(request, obj) if name not in _NEVER_SET]
        return ["listed_to", *names]

    @admin.display(description="status", ordering="status")
    def short_status(self, row: ClientInfo) -> str:
        return row.status

    @admin.display(description="listed to")
    def listed_to(self, row: ClientInfo) -> str:
        if row.object_id:
            return told_by(row)
        if row.audience:
            return f"the platform of {row.audience} alone"
        return ", ".join(role for role, seen in SEES.items() if row.role in seen)


def told_by(row: ClientInfo) -> str:
    """Which hub said so, and whether the party is reached through it."""
    party = Party.objects.filter(key=row.owner_key).select_related("platform").first()
    if party is None or party.platform_id == row.source_id:
        return f"nobody: {row.object_id} told us"
    return f"nobody: {row.object_id} told us, but {party.platform} has this party"

"""Who looked at personal data, as the operator sees it; the hops themselves are on the page "Journey"."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ocpi_hub.journal.models import Look


@admin.register(Look)
class LookAdmin(admin.ModelAdmin):
    list_display = ["at", "who", "asked", "note", "correlation_ids"]
    search_fields = ["who", "asked", "note"]
    date_hierarchy = "at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

"""Who looked at personal data, as the operator sees it; the hops themselves are on the page "Journey"."""

from django.contrib import admin

from ocpi_hub.adminpages import ReadOnlyAdmin
from ocpi_hub.journal.models import Look


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin):
    list_display = ["at", "who", "asked", "note", "correlation_ids"]
    search_fields = ["who", "asked", "note"]
    search_help_text = "who it was, what was searched for, or a word of the note"
    date_hierarchy = "at"

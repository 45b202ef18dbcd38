"""Requests about charging profiles in the admin, read-only: what was asked, answered, and came of it."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from chargingprofiles.models import ProfileRequest
from ocpi_hub.exchange.admin import ReadOnlyAdmin
from ocpi_hub.exchange.admin.callbacks import trace

WORDS = {"GET": "what its profile is", "PUT": "another profile", "DELETE": "no profile any more"}


@admin.register(ProfileRequest)
class ProfileRequestAdmin(ReadOnlyAdmin):
    list_display = [
        "session_id", "asked_for", "callback__from_party", "callback__to_party", "callback__created_at",
        "callback__answer", "callback__result", "callback__result_at",
    ]  # fmt: skip
    list_filter = ["callback__kind", "callback__answer", "callback__result", "callback__to_party"]
    search_fields = ["session_id__iexact", "callback__correlation_id__exact"]
    search_help_text = "a session id or correlation id"
    fields = ["session_id", "asked_for", "what_happened"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProfileRequest]:
        return super().get_queryset(request).select_related("callback")

    @admin.display(description="asked for", ordering="callback__kind")
    def asked_for(self, row: ProfileRequest) -> str:
        return WORDS.get(row.callback.kind, row.callback.kind)

    @admin.display(description="what happened")
    def what_happened(self, row: ProfileRequest) -> SafeString:
        return trace(row.callback)

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        return list(self.fields)

"""The daily mails, as they went out."""

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.adminpages import ReadOnlyAdmin, short
from ocpi_hub.errorreports.models import Digest


@admin.register(Digest)
class DigestAdmin(ReadOnlyAdmin):
    list_display = ["day", "reader", "outcome", "about_what"]
    list_filter = [("platform", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["platform"]
    fields = ["day", "reader", "outcome", "recipients", "subject", "letter"]
    readonly_fields = ["reader", "outcome", "letter"]

    @admin.display(description="to", ordering="platform__name")
    def reader(self, row: Digest) -> str:
        return str(row.platform) if row.platform else "the operators"

    @admin.display(description="outcome")
    def outcome(self, row: Digest) -> str:
        if row.due_at and row.day < timezone.now().date():
            return f"not sent, the next one tells it: {row.problem or 'its worker ended'}"
        if row.due_at:
            return f"not sent so far: {row.problem}" if row.problem else "being sent"
        at = f"{row.settled_at:%Y-%m-%d %H:%M:%S} UTC" if row.settled_at else ""
        return f"sent at {at}" if row.recipients else f"nothing to tell at {at}"

    @admin.display(description="subject")
    def about_what(self, row: Digest) -> SafeString:
        return short(row.subject, 60)

    @admin.display(description="text")
    def letter(self, row: Digest) -> SafeString:
        return format_html('<pre style="white-space: pre-wrap; margin: 0">{}</pre>', row.text)

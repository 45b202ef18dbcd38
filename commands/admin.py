"""Commands in the admin, read-only: which came to nothing, and what happened to each from one end to the other."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from commands.models import Command
from commands.states import LED_TO_NOTHING, NEEDS_ATTENTION, State
from ocpi_hub.exchange.admin import ReadOnlyAdmin, list_link, short
from ocpi_hub.exchange.admin.callbacks import milliseconds, trace
from ocpi_hub.exchange.objects.ownedobject import owned_models

# One or two words each, for the list; filters and pages say the whole sentence.
SHORT_STATES = {
    State.SENT: "sent",
    State.ACCEPTED: "accepted",
    State.DONE: "done",
    State.SESSION: "session",
    State.REFUSED: "refused",
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.CANCELED: "cancelled",
    State.UNREACHABLE: "unreachable",
    State.NO_ANSWER: "no answer",
    State.NO_RESULT: "no result",
    State.NO_SESSION: "no session",
}


class NeedsAttention(admin.SimpleListFilter):
    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("nothing", "led to nothing"), ("yes", "led to nothing, or was not answered")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        states = {"nothing": LED_TO_NOTHING, "yes": NEEDS_ATTENTION}.get(self.value() or "")
        return queryset.filter(state__in=states) if states else queryset


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = [
        "short_state", "command", "parties", "about", "requested_at", "answered_in", "result", "session", "token",
    ]  # fmt: skip
    list_display_links = ["short_state", "command"]
    list_filter = [NeedsAttention, "state", "command", "to_party", "from_party"]
    list_select_related = ["callback"]
    search_fields = [
        "location_id__iexact", "session_id__iexact", "reservation_id__iexact", "led_to_id__iexact",
        "authorization_reference__iexact", "token_uid__iexact", "callback__correlation_id__exact",
    ]  # fmt: skip
    search_help_text = "an id of a location, session, reservation or token, a reference, or a correlation id"
    fields = [
        "command", "state", "since", "note", "session", "from_party", "to_party", "location_id", "evse_uid",
        "connector_id", "session_id", "reservation_id", "authorization_reference", "token", "requested_at",
        "until", "what_happened",
    ]  # fmt: skip
    readonly_fields = ["session", "token", "until", "what_happened"]

    @admin.display(description="state", ordering="state")
    def short_state(self, row: Command) -> SafeString:
        """In bold where somebody has to act; why, under the pointer."""
        text = SHORT_STATES[State(row.state)]
        if row.state in LED_TO_NOTHING:
            return format_html('<strong title="{}">{}</strong>', row.note, text)
        return format_html("{}", text)

    @admin.display(description="from → to", ordering="from_party")
    def parties(self, row: Command) -> str:
        return f"{row.from_party} → {row.to_party}"

    @admin.display(description="about", empty_value="")
    def about(self, row: Command) -> SafeString:
        return short(row.place, 32)

    @admin.display(description="answer in ms", empty_value="")
    def answered_in(self, row: Command) -> int | None:
        return milliseconds(row.callback)

    @admin.display(description="result", empty_value="", ordering="callback__result")
    def result(self, row: Command) -> str:
        return row.callback.result or row.callback.answer

    @admin.display(description="session", empty_value="")
    def session(self, row: Command) -> SafeString | str:
        model = owned_models().get("sessions")
        if model is None or not row.led_to_id:
            return row.led_to_id
        return list_link(model, row.led_to_id, owner_key=row.led_to_owner, key=row.led_to_id.upper())

    @admin.display(description="token", empty_value="")
    def token(self, row: Command) -> str:
        return f"{row.short_token} {row.token_type}".strip()

    @admin.display(description="results are taken until")
    def until(self, row: Command) -> Any:
        return row.callback.expires_at

    @admin.display(description="what happened")
    def what_happened(self, row: Command) -> SafeString:
        return trace(row.callback)

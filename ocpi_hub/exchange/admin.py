"""What the operator sees of the exchange: messages, deliveries, attempts, pulls, repairs, refused objects."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ocpi_hub.exchange import doorbell
from ocpi_hub.exchange.models import Attempt, Delivery, Lane, Message, Pull, RefusedObject, RepairRule
from ocpi_hub.exchange.ownedobject import OwnedObject

MOST_ATTEMPTS = 50  # shown beside a delivery


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the hub writes and nobody edits."""

    show_full_result_count = False  # counting millions of rows would slow every page down
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def pretty(text: str | None) -> SafeString:
    """JSON indented for reading, whatever is no JSON as it is."""
    if not text:
        return format_html("<em>{}</em>", "none")
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; margin: 0">{}</pre>', text)


def link(viewname: str, pk: object, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{viewname}_change", args=[pk]), text)


class OwnedObjectAdmin(ReadOnlyAdmin):
    """The base of every Client Owned Object's page; modules add their columns to `columns`."""

    columns: tuple[str, ...] = ()
    list_filter: Any = ["country_code", "party_id", ("missing_since", admin.EmptyFieldListFilter), "source"]
    search_fields: Any = ["object_id__istartswith"]
    list_select_related = ["source"]
    exclude = ["document", "received"]

    def get_list_display(self, request: HttpRequest) -> Any:
        return ["object_id", "owner", *self.columns, "last_updated", "missing_since", "repaired"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Lists do not need the documents, which are by far the largest column.
        was_repaired = Case(When(received=None, then=Value("")), default=Value("repaired"))
        return super().get_queryset(request).annotate(was_repaired=was_repaired).defer("document", "received")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = [field.name for field in self.model._meta.fields if field.name not in _HIDDEN]
        return [*names, "deliveries", "as_sent", "before_repairs"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(ordering="owner_key")
    def owner(self, row: OwnedObject) -> str:
        return f"{row.country_code}*{row.party_id}"

    @admin.display(description="repaired", empty_value="", ordering="was_repaired")
    def repaired(self, row: Any) -> str:
        return str(row.was_repaired)

    @admin.display(description="document")
    def as_sent(self, row: OwnedObject) -> SafeString:
        return pretty(row.document)

    @admin.display(description="as it came, before repairs")
    def before_repairs(self, row: OwnedObject) -> SafeString:
        return pretty(row.received)

    @admin.display(description="who got it")
    def deliveries(self, row: OwnedObject) -> SafeString:
        url = reverse("admin:exchange_delivery_changelist")
        return format_html(
            '<a href="{}?module={}&row_id={}">deliveries of this object</a>', url, row.module, row.pk
        )


_HIDDEN = {"document", "received", "digest", "inserted_in", "owner_key", "key"}


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ["id", "created_at", "method", "module", "path", "source", "expanded_at"]
    list_filter = ["module", "method", ("expanded_at", admin.EmptyFieldListFilter), "source"]
    search_fields = ["correlation_id__exact", "request_id__exact", "parent_key__istartswith"]
    search_help_text = "a correlation or request id, or the beginning of a path such as NL/ABC/LOC1"
    list_select_related = ["source"]
    exclude = ["body", "row_id"]
    readonly_fields = ["content", "went_to"]

    @admin.display(description="body")
    def content(self, row: Message) -> SafeString:
        return (
            pretty(row.body) if row.body else format_html("<em>{}</em>", "the state at the time of delivery")
        )

    @admin.display(description="deliveries")
    def went_to(self, row: Message) -> SafeString:
        rows = row.deliveries.order_by("id")[:200]
        return _lines(
            (link("exchange_delivery", item.pk, item.to_party), item.get_state_display(), item.reason)
            for item in rows
        )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "created_at",
        "module",
        "path",
        "to_party",
        "state",
        "tries",
        "next_attempt_at",
        "reason",
    ]
    list_filter = ["state", "module", "platform"]
    search_fields = ["parent_key__istartswith", "to_party__iexact", "message__correlation_id__exact"]
    search_help_text = (
        "the beginning of a path such as NL/ABC/LOC1, a party such as DE*MSP, or a correlation id"
    )
    list_select_related = ["platform"]
    readonly_fields = ["attempts"]
    exclude = ["row_id"]
    actions = ["retry"]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "row_id" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="attempts")
    def attempts(self, row: Delivery) -> SafeString:
        rows = Attempt.objects.filter(delivery_id=row.pk).order_by("-at")[:MOST_ATTEMPTS]
        return _lines(
            (f"{item.at:%Y-%m-%d %H:%M:%S}", item.method, item.url, item.outcome, f"{item.milliseconds} ms")
            for item in rows
        )

    @admin.action(description="Try given-up deliveries again now")
    def retry(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        """Those that another delivery has overtaken stay as they are: its state is newer."""
        done = 0
        for row in rows.filter(state=Delivery.State.FAILED):
            waiting = Delivery.objects.filter(
                platform=row.platform, module=row.module, key=row.key, state=Delivery.State.PENDING
            )
            if not waiting.exists():
                done += Delivery.objects.filter(pk=row.pk, state=Delivery.State.FAILED).update(
                    state=Delivery.State.PENDING,
                    exact=False,
                    tries=0,
                    next_attempt_at=timezone.now(),
                    finished_at=None,
                )
                self.log_change(request, row, "tried again by hand")
        doorbell.ring()
        self.message_user(request, f"{done} deliveries wait for their turn again.", messages.SUCCESS)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ["at", "method", "url", "http_status", "status_code", "outcome", "milliseconds"]
    list_filter = ["method", "http_status", "status_code"]
    search_fields = ["correlation_id__exact", "request_id__exact"]
    search_help_text = "a correlation or request id"


@admin.register(Lane)
class LaneAdmin(ReadOnlyAdmin):
    list_display = ["platform", "waiting", "failures", "probe_at", "held_until"]
    list_select_related = ["platform"]
    exclude = ["holder"]

    @admin.display(description="deliveries waiting")
    def waiting(self, row: Lane) -> int:
        return Delivery.objects.filter(platform_id=row.pk, state=Delivery.State.PENDING).count()


@admin.register(Pull)
class PullAdmin(ReadOnlyAdmin):
    list_display = [
        "started_at", "platform", "module", "party", "full", "state", "received", "new", "changed", "unchanged",
        "stale", "repaired", "refused", "error",
    ]  # fmt: skip
    list_filter = ["state", "module", "full", "platform"]
    search_fields = ["party__iexact"]
    list_select_related = ["platform"]


@admin.register(RepairRule)
class RepairRuleAdmin(admin.ModelAdmin):
    """A partner's repair table; the operator switches rules on and off and adds his own."""

    list_display = ["platform", "module", "kind", "path", "argument", "enabled", "times", "last_used_at"]
    list_filter = ["platform", "module", "enabled", ("last_used_at", admin.EmptyFieldListFilter)]
    list_editable = ["enabled"]
    list_select_related = ["platform"]
    readonly_fields = ["times", "last_used_at", "sample"]


@admin.register(RefusedObject)
class RefusedObjectAdmin(ReadOnlyAdmin):
    list_display = ["object_key", "module", "platform", "reason", "times", "last_seen_at"]
    list_filter = ["module", "platform"]
    search_fields = ["object_key", "reason"]
    list_select_related = ["platform"]
    exclude = ["document"]
    readonly_fields = ["as_sent"]

    @admin.display(description="document")
    def as_sent(self, row: RefusedObject) -> SafeString:
        return pretty(row.document)


def _lines(rows: Iterable[tuple[Any, ...]]) -> SafeString:
    """Rows as a small table."""
    rendered = [
        (
            format_html_join(
                "", '<td style="padding: 0 1em 0 0; border: 0">{}</td>', ((cell,) for cell in row)
            ),
        )
        for row in rows
    ]
    if not rendered:
        return format_html("<em>{}</em>", "none")
    return format_html("<table>{}</table>", format_html_join("", "<tr>{}</tr>", rendered))

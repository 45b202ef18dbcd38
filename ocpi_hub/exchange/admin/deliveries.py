"""Messages, deliveries, attempts and lanes, as the operator sees them."""

from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.journeys import link_to
from ocpi_hub.exchange.admin.pages import SHORT_STATES, ReadOnlyAdmin, link, list_link, pretty, short, table
from ocpi_hub.exchange.deliveries import deadletters
from ocpi_hub.exchange.deliveries.lanebreaker import FAILURES_TO_OPEN
from ocpi_hub.exchange.explaining import whynot
from ocpi_hub.exchange.models import Attempt, DeadLetter, Delivery, Lane, Message
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.masking import masked, private_values

MOST_ATTEMPTS = 50  # shown beside a delivery
LONGEST_PATH = 32  # characters


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ["id", "created_at", "method", "module", "place", "source", "expanded_at"]
    list_filter = ["module", "method", ("expanded_at", admin.EmptyFieldListFilter), "source"]
    search_fields = ["correlation_id__exact", "request_id__exact", "parent_key__istartswith"]
    search_help_text = "a correlation or request id, or the beginning of a path such as NL/ABC/LOC1"
    list_select_related = ["source"]
    exclude = ["body", "row_id"]
    readonly_fields = ["journey", "content", "went_to"]

    @admin.display(description="path", ordering="path")
    def place(self, row: Message) -> SafeString:
        return short(row.path, LONGEST_PATH)

    @admin.display(description="body")
    def content(self, row: Message) -> SafeString:
        """Masked for everybody: who may see drivers' data sees them in its journey, where that is written down."""
        if not row.body:
            return format_html("<em>{}</em>", "the state at the time of delivery")
        return pretty(masked(row.body, private_values(row.body, path=f"/{row.module}/{row.path}")))

    @admin.display(description="every hop")
    def journey(self, row: Message) -> SafeString:
        return link_to(row.correlation_id)

    @admin.display(description="deliveries")
    def went_to(self, row: Message) -> SafeString:
        rows = row.deliveries.order_by("id")[:200]
        return table(
            (link("exchange_delivery", item.pk, item.to_party), item.get_state_display(), item.reason)
            for item in rows
        )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["place", "to_party", "short_state", "tries", "next_try", "why", "created_at", "module"]
    list_filter = ["state", "module", "platform"]
    search_fields = ["key"]  # shows the search box; found() says what it looks for
    search_help_text = (
        "an object id, the beginning of a path such as NL/ABC/LOC1, a party, or a correlation id"
    )
    list_select_related = ["platform"]
    fields = [
        "platform", "lane", "to_party", "message", "module", "key", "parent_key", "path", "variant", "state",
        "first_try", "origin", "tries", "next_try", "claimed_at", "reason", "created_at", "finished_at",
        "journey", "attempts",
    ]  # fmt: skip
    readonly_fields = ["lane", "first_try", "origin", "next_try", "journey", "attempts"]
    actions = ["retry", "give_up"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).select_related("platform__lane")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "message__parent_key" or super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        term = search_term.strip()
        return (queryset.filter(found(term)) if term else queryset), False

    @admin.display(description="path", ordering="path")
    def place(self, row: Delivery) -> SafeString:
        return short(row.path, LONGEST_PATH)

    @admin.display(description="state", ordering="state")
    def short_state(self, row: Delivery) -> str:
        return SHORT_STATES[Delivery.State(row.state)]

    @admin.display(description="next try", ordering="next_attempt_at")
    def next_try(self, row: Delivery) -> str:
        """Of a waiting delivery only; while the breaker is open the probe counts, not the schedule."""
        if row.state != Delivery.State.PENDING:
            return ""
        lane = lane_of(row.platform)
        if lane and lane.failures >= FAILURES_TO_OPEN:
            return f"held until {lane.probe_at:%H:%M:%S}" if lane.probe_at else "held"
        at = row.next_attempt_at or row.created_at
        if lane and lane.rest_until and lane.rest_until > at:
            at = lane.rest_until
        return f"{at:%H:%M:%S}" if at.date() == timezone.now().date() else f"{at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="reason", empty_value="")
    def why(self, row: Delivery) -> SafeString:
        return short(row.reason, 34)

    @admin.display(description="lane")
    def lane(self, row: Delivery) -> SafeString:
        lane = lane_of(row.platform)
        if lane is None:
            return format_html("{}", "not opened yet")
        return link("exchange_lane", lane.pk, state_of(lane))

    @admin.display(description="first try")
    def first_try(self, row: Delivery) -> str:
        return "repeats the request as it came in" if row.exact else "PUTs the state of that moment"

    @admin.display(description="came by")
    def origin(self, row: Delivery) -> str:
        return str(Delivery.Priority(row.priority).label)

    @admin.display(description="every hop")
    def journey(self, row: Delivery) -> SafeString:
        return link_to(row.message.correlation_id)

    @admin.display(description="attempts")
    def attempts(self, row: Delivery) -> SafeString:
        rows = Attempt.objects.filter(delivery_id=row.pk).order_by("-at")[:MOST_ATTEMPTS]
        lines = (
            (
                f"{item.at:%Y-%m-%d %H:%M:%S}",
                item.method,
                "none" if item.http_status is None else item.http_status,
                "" if item.status_code is None else item.status_code,
                item.outcome,
                f"{item.milliseconds} ms",
                item.url,
            )
            for item in rows
        )
        return table(lines, "at", "method", "HTTP", "OCPI", "outcome", "took", "URL")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """The rows are the hub's, so nobody changes them; who holds the right may still ask for another try."""
        return request.user.has_perm("exchange.change_delivery")

    @admin.action(description="Try given-up deliveries again now", permissions=["retry"])
    def retry(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        """Each by its dead letter, which says who did it."""
        letters = DeadLetter.objects.filter(delivery__in=rows.order_by().values("pk"))
        done = deadletters.retry(letters, request.user.get_username(), "selected deliveries")
        self.message_user(request, f"{done}.", messages.SUCCESS)

    @admin.action(description="Give up waiting deliveries: they become dead letters", permissions=["retry"])
    def give_up(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        deliveries = Delivery.objects.filter(pk__in=rows.order_by().values("pk"))
        done = deadletters.give_up(deliveries, request.user.get_username(), "selected deliveries")
        text = format_html("{} are given up: {}.", done, list_link(DeadLetter, "dead letters"))
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)


def found(term: str) -> Q:
    """What a search for deliveries looks for, by the form of its term."""
    if "/" in term:
        return Q(parent_key__startswith=term.upper()) | Q(key__startswith=term.upper())
    if "*" in term:
        return Q(to_party__iexact=term)
    # An id is a segment of the path, of the object or of a part; correlation ids never are.
    segment = "/" + quote(unquote(term), safe="").upper()
    correlated = Message.objects.filter(correlation_id=term)
    return Q(key__contains=segment) | Q(message__in=correlated.values("pk"))


def lane_of(platform: Platform) -> Lane | None:
    return getattr(platform, "lane", None)


def state_of(lane: Lane) -> str:
    """A lane's state in words."""
    if lane.failures >= FAILURES_TO_OPEN:
        return f"held: {whynot.held(lane.platform.status, lane.probe_at)}"
    if lane.rest_until and lane.rest_until > timezone.now():
        return f"pauses until {lane.rest_until:%Y-%m-%d %H:%M:%S}: {lane.rest_reason}"
    if lane.failures:
        return f"open; the last {lane.failures} tries in a row failed for now"
    return "open"


class ByPlatform(admin.SimpleListFilter):
    """Attempts name their platform by number only."""

    title = "platform"
    parameter_name = "platform_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[int, str]]:
        return [(row.pk, str(row)) for row in Platform.objects.order_by("name", "id")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attempt]) -> QuerySet[Attempt]:
        value = self.value() or ""
        return queryset.filter(platform_id=int(value)) if value.isdecimal() else queryset


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ["at", "result", "http", "code", "method", "place", "partner", "took"]
    list_filter = [ByPlatform, "method", "http_status", "status_code"]
    search_fields = ["correlation_id__exact", "request_id__exact", "url__icontains"]
    search_help_text = "a correlation or request id, or a part of the path such as NL/ABC/LOC1"
    readonly_fields = ["partner", "delivery", "journey"]
    exclude = ["platform_id", "delivery_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        name = Platform.objects.filter(pk=OuterRef("platform_id")).values("name")
        return super().get_queryset(request).annotate(platform_name=Subquery(name))

    @admin.display(description="outcome", ordering="outcome")
    def result(self, row: Attempt) -> SafeString:
        return short(row.outcome)

    @admin.display(description="HTTP", empty_value="", ordering="http_status")
    def http(self, row: Attempt) -> int | None:
        return row.http_status

    @admin.display(description="OCPI", empty_value="", ordering="status_code")
    def code(self, row: Attempt) -> int | None:
        return row.status_code

    @admin.display(description="path", ordering="url")
    def place(self, row: Attempt) -> SafeString:
        """The end of the URL, where the object is; the page shows the whole."""
        path = urlsplit(row.url).path
        if len(path) <= LONGEST_PATH:
            return format_html("{}", path)
        return format_html('<span title="{}">…{}</span>', row.url, path[1 - LONGEST_PATH :])

    @admin.display(description="platform")
    def partner(self, row: Any) -> str:
        return row.platform_name or f"#{row.platform_id}, which is gone"

    @admin.display(description="ms", ordering="milliseconds")
    def took(self, row: Attempt) -> int:
        return row.milliseconds

    @admin.display(description="every hop")
    def journey(self, row: Attempt) -> SafeString:
        return link_to(row.correlation_id)

    @admin.display(description="delivery")
    def delivery(self, row: Attempt) -> SafeString:
        return link("exchange_delivery", row.delivery_id, f"delivery {row.delivery_id}")


@admin.register(Lane)
class LaneAdmin(ReadOnlyAdmin):
    list_display = ["platform", "condition", "waiting", "failures", "probe_at", "held_until"]
    list_select_related = ["platform"]
    exclude = ["holder", "paid_until", "slowed"]
    readonly_fields = ["condition", "waiting"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lane]:
        waiting = Delivery.objects.filter(platform=OuterRef("pk"), state=Delivery.State.PENDING)
        counted = waiting.order_by().values("platform").annotate(count=Count("pk")).values("count")
        return super().get_queryset(request).annotate(pending=Coalesce(Subquery(counted), 0))

    @admin.display(description="state")
    def condition(self, row: Lane) -> str:
        return state_of(row)

    @admin.display(description="deliveries waiting", ordering="pending")
    def waiting(self, row: Any) -> SafeString:
        filters = {"platform__id__exact": row.pk, "state__exact": Delivery.State.PENDING}
        return list_link(Delivery, row.pending, **filters)

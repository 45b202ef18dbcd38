"""What the nightly proof found, and what the operator does about it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.errorreports.models import ErrorReport
from ocpi_hub.exchange.admin.pages import CompactAdmin, ReadOnlyAdmin, link, list_link, short
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.proof import asking, gaps
from ocpi_hub.proof.models import Asking, Gap, Reconciliation, Run

UNFILLED = list(gaps.UNFILLED)
DOING = {Run.Stage.COMPARE: "comparing", Run.Stage.ASK: "asking what it holds"}


class Confirmed:
    """An action that asks before it does anything."""

    def ask(
        self, request: HttpRequest, action: str, question: str, lines: list[str], note: bool = False
    ) -> HttpResponse:
        across = request.POST.get("select_across", "0")
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        context = {
            **admin.site.each_context(request),
            "title": str(getattr(type(self), action).short_description).partition(":")[0],
            "question": question,
            "lines": lines,
            "wants_note": note,
            "chosen": chosen[:1] if across == "1" else chosen,
            "across": across,
            "action": action,
        }
        return TemplateResponse(request, "admin/proof/confirm.html", context)


class WithOpenGaps(admin.SimpleListFilter):
    title = "gaps"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "with open gaps")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(open_gaps__gt=0) if self.value() == "yes" else queryset


@admin.register(Reconciliation)
class ReconciliationAdmin(Confirmed, ReadOnlyAdmin):
    list_display = [
        "day", "platform", "module", "open_ones", "holds", "accepted", "acknowledged", "waiting", "given_up",
        "never_sent", "remark",
    ]  # fmt: skip
    list_filter = [WithOpenGaps, "module", "platform"]
    date_hierarchy = "day"
    list_select_related = ["platform"]
    readonly_fields = ["open_ones"]
    actions = ["fill_all"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        its = Gap.objects.filter(
            platform=OuterRef("platform"), module=OuterRef("module"), day=OuterRef("day"), state__in=UNFILLED
        )
        counted = its.order_by().values("platform").annotate(n=Count("pk")).values("n")
        rows: QuerySet[Any] = super().get_queryset(request)
        unproven = asking.unproven().filter(platform=OuterRef("platform"), module=OuterRef("module"))
        return rows.annotate(open_gaps=Coalesce(Subquery(counted), 0), unproven=Exists(unproven))  # type: ignore[no-any-return]  # untyped in its stubs

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What no number of the list can tell stands above it."""
        if request.method == "GET" and self.has_view_permission(request):
            for row in asking.unproven():
                self.message_user(request, warning(row), messages.ERROR)
        return super().changelist_view(request, extra_context)

    @admin.display(description="still held", ordering="held")
    def holds(self, row: Any) -> str | SafeString:
        if row.asked:
            return f"{row.held} of {row.asked}"
        if row.acknowledged and row.unproven:
            return format_html("<strong>{}</strong>", "404 for all")
        return "not asked"

    @admin.display(description="open gaps", ordering="open_gaps")
    def open_ones(self, row: Any) -> Any:
        if not row.open_gaps:
            return 0
        return list_link(
            Gap,
            row.open_gaps,
            platform__id__exact=row.platform_id,
            module=row.module,
            day=row.day,
            state="unfilled",
        )

    @admin.display(description="note", ordering="note")
    def remark(self, row: Reconciliation) -> SafeString:
        return short(row.note, 24)

    def has_fill_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("proof.change_gap")

    @admin.action(description="Fill all gaps of these days: deliver what is missing", permissions=["fill"])
    def fill_all(self, request: HttpRequest, rows: "QuerySet[Any]") -> HttpResponse | None:
        chosen = {row: of_day(row) for row in rows.select_related("platform")}
        if "confirmed" not in request.POST:
            lines = [
                f"{row.platform}, {row.module} of {row.day}: {gaps.fillable(its).count()} of"
                f" {its.filter(state=Gap.State.OPEN).count()} open gaps are filled"
                for row, its in chosen.items()
                if row.open_gaps
            ]
            return self.ask(request, "fill_all", FILLING, lines)
        begun = left = 0
        for row, its in chosen.items():
            filling = gaps.fill(its, request.user.get_username())
            begun, left = begun + filling.begun, left + filling.left
            self.log_change(request, row, f"filled its gaps: {filling.begun} deliveries, {filling.left} left")
        self.message_user(request, told(begun, left), messages.SUCCESS)
        return None


def warning(row: Asking) -> SafeString:
    return format_html(
        "{} {}: nothing is proven. When it was asked, {}. Call it; what to do then is said in {}.",
        row.platform,
        row.module,
        row.reason,
        list_link(
            ErrorReport, "the error report", kind="proof.none_found", platform__id__exact=row.platform_id
        ),
    )


FILLING = (
    "The present state of these objects is delivered once more. What is under way already is left, for it arrives by"
    " itself; so is a CDR that the partner holds with other content, which it must mend:"
)


def of_day(row: Reconciliation) -> "QuerySet[Gap]":
    return Gap.objects.filter(platform_id=row.platform_id, module=row.module, day=row.day, state__in=UNFILLED)


def told(begun: int, left: int) -> str:
    text = "1 delivery waits for its turn; the gap closes by itself when it has arrived."
    if begun != 1:
        text = f"{begun} deliveries wait for their turn; each gap closes by itself when its delivery has arrived."
    if left:
        text += f" {left} stay open, as no delivery can fill them: the page of each says why."
    return text


class ByState(admin.SimpleListFilter):
    """Shows what is unfilled unless something else is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unfilled", "open or being filled"), *Gap.State.choices, ("all", "all")]

    def choices(self, changelist: Any) -> Any:
        for value, title in self.lookup_choices:
            selected = (self.value() or "unfilled") == value
            yield {
                "selected": selected,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Gap]") -> "QuerySet[Gap]":
        value = self.value() or "unfilled"
        if value == "unfilled":
            return queryset.filter(state__in=UNFILLED)
        return queryset.filter(state=value) if value in Gap.State.values else queryset


@admin.register(Gap)
class GapAdmin(Confirmed, ReadOnlyAdmin):
    list_display = ["place", "platform", "kind", "why", "state", "day", "found_at", "module"]
    list_filter = [ByState, "kind", "module", "platform"]
    search_fields = ["path__istartswith"]
    search_help_text = "the beginning of a path such as NL/ABC/CDR1"
    list_select_related = ["platform"]
    fields = [
        "place", "platform", "audience", "kind", "meaning", "reason", "state", "day", "changed_at", "found_at",
        "seen_at", "delivery", "fills", "closed_at", "note",
    ]  # fmt: skip
    readonly_fields = ["place", "meaning", "delivery"]
    actions = ["fill", "waive"]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "day" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]  # may be None

    @admin.display(description="object", ordering="path")
    def place(self, row: Gap) -> SafeString:
        model = owned_models().get(row.module)
        if model is None:
            return short(row.name)
        return link(f"{model._meta.app_label}_{model._meta.model_name}", row.row_id, short(row.name, 60))

    @admin.display(description="reason", ordering="reason")
    def why(self, row: Gap) -> SafeString:
        return short(row.reason, 50)

    @admin.display(description="what it means")
    def meaning(self, row: Gap) -> str:
        return gaps.meaning(row)

    @admin.display(description="filled by")
    def delivery(self, row: Gap) -> SafeString:
        if row.delivery_id is None:
            return format_html("<em>{}</em>", "nothing yet")
        return link("exchange_delivery", row.delivery_id, f"delivery {row.delivery_id}")

    def has_fill_permission(self, request: HttpRequest) -> bool:
        """The rows are the hub's; who holds the right may still fill and waive."""
        return request.user.has_perm("proof.change_gap")

    @admin.action(description="Fill: deliver the present state once more", permissions=["fill"])
    def fill(self, request: HttpRequest, rows: "QuerySet[Gap]") -> None:
        chosen = list(rows.filter(state=Gap.State.OPEN).values_list("pk", flat=True))
        filling = gaps.fill(Gap.objects.filter(pk__in=chosen), request.user.get_username())
        self._log(request, Gap.objects.filter(pk__in=chosen, state=Gap.State.FILLING), "filled by hand")
        self.message_user(request, told(filling.begun, filling.left), messages.SUCCESS)

    @admin.action(description="Waive: leave it as it is, with a note", permissions=["fill"])
    def waive(self, request: HttpRequest, rows: "QuerySet[Gap]") -> HttpResponse | None:
        note = request.POST.get("note", "").strip()
        unfilled = rows.filter(state__in=UNFILLED)
        if "confirmed" not in request.POST or not note:
            count = unfilled.count()
            lines = [row.name for row in unfilled[:10]] + ([f"and {count - 10} more"] if count > 10 else [])
            what = "This gap is" if count == 1 else f"These {count} gaps are"
            until = "the object changes" if count == 1 else "the objects change"
            question = f"{what} not filled and not found again, until {until}:"
            return self.ask(request, "waive", question, lines, note=True)
        chosen = list(unfilled.values_list("pk", flat=True))
        done = gaps.waive(Gap.objects.filter(pk__in=chosen), note, timezone.now())
        self._log(request, Gap.objects.filter(pk__in=chosen, state=Gap.State.WAIVED), f"waived: {note}")
        self.message_user(
            request, "1 gap is waived." if done == 1 else f"{done} gaps are waived.", messages.SUCCESS
        )
        return None

    def _log(self, request: HttpRequest, rows: "QuerySet[Gap]", text: str) -> None:
        if rows.exists():
            assert request.user.pk is not None  # the admin lets nobody in without a login
            LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, change_message=text)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = [
        "started_at",
        "platform",
        "state",
        "compared",
        "asked",
        "gaps",
        "progress",
        "fault",
        "finished_at",
    ]
    list_filter = ["state", "platform"]
    list_select_related = ["platform"]
    exclude = ["holder", "held_until", "counts", "position", "top"]
    readonly_fields = ["progress"]

    @admin.display(description="where it is")
    def progress(self, row: Run) -> str:
        if row.state != Run.State.RUNNING:
            return ""
        if not row.module:
            return "waits for a worker"
        share = f", {100 * max(row.position, 0) // row.top} %" if row.top else ""
        rest = f"; goes on at {row.next_at:%H:%M}" if row.next_at > timezone.now() else ""
        return f"{row.module}: {DOING[Run.Stage(row.stage)]}{share}{rest}"

    @admin.display(description="error", empty_value="")
    def fault(self, row: Run) -> SafeString:
        return short(row.error)


class AskingForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's is not generic when it runs
    module = forms.ChoiceField(
        choices=lambda: [(name, name) for name, model in owned_models().items() if model.asked_back]
    )

    class Meta:
        model = Asking
        fields = ["platform", "module", "allowed"]


@admin.register(Asking)
class AskingAdmin(CompactAdmin):
    """Which partners are asked what they hold; a row comes with the first time, or by hand to switch it off."""

    form = AskingForm
    list_display = ["platform", "module", "allowed", "answered_at", "cannot", "again_at"]
    list_display_links = ["platform"]
    list_editable = ["allowed"]
    list_filter = ["allowed", "module", "platform"]
    list_select_related = ["platform"]
    readonly_fields = ["answered_at", "refused_at", "reason", "again_at", "not_found"]
    fields = ["platform", "module", "allowed", *readonly_fields]
    actions = ["ask_again", "count_as_lost"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields

    @admin.display(description="why it cannot be asked", empty_value="", ordering="reason")
    def cannot(self, row: Asking) -> SafeString:
        return short(row.reason, 70)

    @admin.action(description="Ask again next time, whatever it answered before", permissions=["change"])
    def ask_again(self, request: HttpRequest, rows: "QuerySet[Asking]") -> None:
        left_out = rows.exclude(again_at=None)
        if not left_out.exists():
            text = "None of them is left out: the next reconciliation asks them in any case."
            self.message_user(request, text, messages.WARNING)
            return
        for row in left_out:
            self.log_change(request, row, "to be asked again")
        left_out.update(again_at=None, refused_at=None, reason="")
        self.message_user(request, "They are asked by the next reconciliation.", messages.SUCCESS)

    @admin.action(description="Count its 404 as lost: it says that it does allow GET", permissions=["change"])
    def count_as_lost(self, request: HttpRequest, rows: "QuerySet[Asking]") -> None:
        for row in rows:
            self.log_change(request, row, "its 404 counts as lost")
        asking.count_as_lost(rows, timezone.now())
        text = (
            "From the next reconciliation on each 404 is a gap: choose Reconcile now on the partner's page."
        )
        self.message_user(request, text, messages.SUCCESS)

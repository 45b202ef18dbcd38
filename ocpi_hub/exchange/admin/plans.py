"""When partners' lists are read: the plans of the pulls, with buttons for what is wanted now."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.pages import CompactAdmin, link, list_link, short, table
from ocpi_hub.exchange.admin.pulls import counted
from ocpi_hub.exchange.models import Pull, PullPlan, RefusedObject
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.objects.reasons import minute
from ocpi_hub.exchange.pulls import planwords, pullplans

LAST_RUNS = 8
SCHEDULE = ("enabled", "interval", "full_at")
POLICY = ("unknown_after", "removed_after")


class PullPlanForm(forms.ModelForm):
    class Meta:
        model = PullPlan
        fields = [*SCHEDULE, *POLICY, "believes_next"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        unknown, removed = given.get("unknown_after"), given.get("removed_after")
        if unknown and removed and removed <= unknown:
            self.add_error("removed_after", f"comes after UNKNOWN: more than {unknown}, or empty")
        return given


@admin.register(PullPlan)
class PullPlanAdmin(CompactAdmin):
    form = PullPlanForm
    change_form_template = "admin/exchange/plan_form.html"
    list_display = ["list_of", "platform", "stands", "read_last", "read_next", "read_when", "vanished"]
    list_filter = ["module", "enabled", "platform"]
    list_select_related = ["platform"]
    search_fields = ["platform__name__icontains", "module"]
    search_help_text = "a part of the partner's name, or a module"
    readonly_fields = ["platform", "module", "state", "read_last", "read_next", "vanished", "last_runs"]
    actions = ["pull_changes", "pull_everything"]

    # A plan comes with the partner's registration, and stays as long as the partner.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        pulls = Pull.objects.filter(platform=OuterRef("platform"), module=OuterRef("module"))
        done = pulls.filter(state=Pull.State.DONE).order_by("-finished_at")
        return (
            super()
            .get_queryset(request)
            .annotate(
                done_at=Subquery(done.values("finished_at")[:1]),
                last_pull=Subquery(pulls.order_by("-pk").values("pk")[:1]),
            )
        )

    def look_up(self, rows: list[Any]) -> None:
        """The last pull of each."""
        found = Pull.objects.in_bulk([row.last_pull for row in rows if row.last_pull])
        for row in rows:
            row.last = found.get(row.last_pull)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row:
            self.look_up([row])
        return row

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        model = owned_models().get(obj.module) if obj else None
        policy = POLICY if model and planwords.has_policy(model) else ()
        trust = [] if model and (model.addressed or model.hearsay) else ["believes_next"]
        return [
            (None, {"fields": ["platform", "module", "state", "read_last", "read_next", "last_runs"]}),
            ("When it is read", {"fields": SCHEDULE}),
            (
                "What becomes of objects that vanish from the list",
                {"fields": ["vanished", *policy, *trust]},
            ),
        ]

    def save_model(self, request: HttpRequest, obj: PullPlan, form: Any, change: bool) -> None:
        if {"interval", "full_at"} & set(form.changed_data):
            pullplans.reschedule(obj, timezone.now())
        # A worker may be running it: what the form does not know is left alone.
        names = [*form.changed_data, "next_pull_at", "next_full_at"]
        obj.save(update_fields=names)

    def response_change(self, request: HttpRequest, obj: PullPlan) -> HttpResponse:
        for button, full in (("_pull", False), ("_pull_all", True)):
            if button in request.POST:
                self._ask(request, PullPlan.objects.filter(pk=obj.pk), full=full)
                return HttpResponseRedirect(request.path)
        return super().response_change(request, obj)

    # -------------------------------------------------------------------------------------------- actions
    @admin.action(description="Pull what changed now", permissions=["change"])
    def pull_changes(self, request: HttpRequest, rows: QuerySet[PullPlan]) -> None:
        self._ask(request, rows, full=False)

    @admin.action(description="Pull everything now", permissions=["change"])
    def pull_everything(self, request: HttpRequest, rows: QuerySet[PullPlan]) -> None:
        self._ask(request, rows, full=True)

    def _ask(self, request: HttpRequest, rows: QuerySet[PullPlan], *, full: bool) -> None:
        plans = list(PullPlan.objects.filter(pk__in=rows.values("pk")).select_related("platform"))
        pullplans.ask(PullPlan.objects.filter(pk__in=[plan.pk for plan in plans]), full=full)
        for plan in plans:
            self.log_change(request, plan, f"asked for a {'full' if full else 'incremental'} pull")
            if not plan.platform.registered:
                text = f"{plan.platform} is not registered: its list is read when it is."
                self.message_user(request, text, messages.WARNING)
        self.message_user(request, "Asked for; a worker begins within seconds.", messages.SUCCESS)

    # -------------------------------------------------------------------------------------------- columns
    @admin.display(description="list", ordering="module")
    def list_of(self, row: PullPlan) -> str:
        return row.module

    @admin.display(description="state")
    def state(self, row: Any) -> str:
        return planwords.state(row, row.last, timezone.now())

    @admin.display(description="state")
    def stands(self, row: PullPlan) -> SafeString:
        return short(self.state(row), 60)

    @admin.display(description="is read")
    def read_when(self, row: PullPlan) -> str:
        return planwords.schedule(row)

    @admin.display(description="what vanishes")
    def vanished(self, row: PullPlan) -> str:
        return planwords.policy(row)

    @admin.display(description="last complete", ordering="done_at")
    def read_last(self, row: Any) -> SafeString | str:
        if row.done_at is None:
            return "never"
        return format_html(
            '<span title="{}">{}</span>', minute(row.done_at), planwords.age(row.done_at, timezone.now())
        )

    @admin.display(description="next due")
    def read_next(self, row: PullPlan) -> str:
        at = planwords.next_due(row)
        if at is None:
            return "not planned"
        return minute(at) if at > timezone.now() else "now"

    @admin.display(description="last runs")
    def last_runs(self, row: PullPlan) -> SafeString:
        runs = planwords.pulls_of(row).order_by("-pk")[:LAST_RUNS]
        rows = [
            (
                link("exchange_pull", run.pk, minute(run.started_at)),
                run.party,
                "full" if run.full else "changes",
                run.get_state_display(),
                counted(run),
                short(run.error or run.note, 60),
            )
            for run in runs
        ]
        refused = list_link(
            RefusedObject,
            "what the hub could not take of this list",
            platform__id__exact=row.platform_id,
            module=row.module,
        )
        heads = ("began", "of", "kind", "state", "objects", "")
        return format_html("{}<p>{}</p>", table(rows, *heads), refused)

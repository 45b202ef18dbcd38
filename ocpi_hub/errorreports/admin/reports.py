"""Error reports as the operator sees them: what goes wrong with whom, what it means, who must act, what was done."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.adminpages import ReadOnlyAdmin, pretty, short, table
from ocpi_hub.errorreports import aftermath, states, words
from ocpi_hub.errorreports.admin.searching import ByKind, ByWho, found
from ocpi_hub.errorreports.kind import Who
from ocpi_hub.errorreports.models import ErrorReport, Failure, StateChange

State = ErrorReport.State

MOST_OCCURRENCES = 50  # shown on the page of a report
LONGEST_NOTE = 1_000  # characters
SHORT_WHO = {Who.HUB: "you", Who.PARTNER: "partner", Who.BOTH: "both", Who.NOBODY: "nobody yet"}
SHORT_STATES = {State.OPEN: "open", State.ACKNOWLEDGED: "acknowledged", State.RESOLVED: "resolved"}


class ActionWithNote(ActionForm):
    note = forms.CharField(
        required=False,
        max_length=1000,
        label="Note:",
        widget=forms.TextInput({"size": 40, "placeholder": "why"}),
    )


@admin.register(ErrorReport)
class ErrorReportAdmin(ReadOnlyAdmin):
    """The hub writes the reports; who may change them puts them into another state."""

    list_display = [
        "happened",
        "partner",
        "module",
        "acts",
        "short_state",
        "count",
        "last_seen",
        "first_seen",
        "became",
    ]
    list_filter = [
        "state",
        ("platform", admin.RelatedOnlyFieldListFilter),
        "module",
        ByWho,
        ByKind,
    ]
    search_fields = ["text"]  # shows the search box; found() says what it looks for
    search_help_text = (
        "a word of what happened, a partner, a party, an object, or a correlation or request id"
    )
    action_form = ActionWithNote
    actions = ["acknowledge", "resolve"]
    fieldsets = [
        (None, {"fields": ["partner", "module", "newest_text", "seen", "since_then", "in_state"]}),
        ("What it means, and what to do", {"fields": ["meaning", "who", "action"]}),
        ("The newest failure", {"fields": ["called", "answered", "sent", "came_back", "ids"]}),
        ("Single failures, the newest first", {"fields": ["kept"]}),
    ]
    readonly_fields = [
        "partner", "module", "newest_text", "seen", "in_state", "meaning", "who", "action", "since_then",
        "called", "answered", "sent", "came_back", "ids", "kept",
    ]  # fmt: skip
    change_form_template = "admin/errorreports/errorreport/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErrorReport]:
        # Joined, a partner that is gone is None; looked for, it would be an error, and its fields would stay empty.
        return super().get_queryset(request).select_related("platform")

    def get_ordering(self, request: HttpRequest) -> Any:
        return [ErrorReport.IN_ORDER, "-last_seen_at"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ErrorReport], search_term: str
    ) -> tuple[QuerySet[ErrorReport], bool]:
        term = search_term.strip()
        return (queryset.filter(found(term)) if term else queryset), False

    # ------------------------------------------------------------------------------------------- the list
    @admin.display(description="what happened", ordering="kind")
    def happened(self, row: ErrorReport) -> SafeString:
        """The newest failure shows under the pointer."""
        return format_html('<span title="{}" style="white-space: normal">{}</span>', row.text, row)

    @admin.display(description="partner", ordering="platform__name")
    def partner(self, row: ErrorReport) -> str:
        return words.partner(row)

    @admin.display(description="who must act")
    def acts(self, row: ErrorReport) -> str:
        return SHORT_WHO[row.what.who]

    @admin.display(description="state", ordering="state")
    def short_state(self, row: ErrorReport) -> str:
        if row.reopened and row.state == State.OPEN:
            return "open again"
        return SHORT_STATES[State(row.state)]

    @admin.display(description="last seen", ordering="last_seen_at")
    def last_seen(self, row: ErrorReport) -> str:
        return f"{row.last_seen_at:%m-%d %H:%M}"

    @admin.display(description="first seen", ordering="first_seen_at")
    def first_seen(self, row: ErrorReport) -> str:
        return f"{row.first_seen_at:%m-%d %H:%M}"

    @admin.display(description="since then")
    def became(self, row: ErrorReport) -> str:
        return row.since_then

    def look_up(self, rows: list[Any]) -> None:
        """What became of what failed."""
        found = aftermath.of_each(rows)
        for row in rows:
            row.since_then = found[row.pk].short if row.pk in found else ""

    # --------------------------------------------------------------------------------- the page of a report
    @admin.display(description="the newest")
    def newest_text(self, row: ErrorReport) -> str:
        about = [part for part in (row.party and f"party {row.party}", row.subject) if part]
        return f"{row.text} ({', '.join(about)})" if about else row.text

    @admin.display(description="seen")
    def seen(self, row: ErrorReport) -> str:
        return words.times(row)

    @admin.display(description="meaning")
    def meaning(self, row: ErrorReport) -> str:
        return row.what.meaning

    @admin.display(description="who must act")
    def who(self, row: ErrorReport) -> SafeString:
        return format_html("<strong>{}</strong>", row.what.who)

    @admin.display(description="what to do")
    def action(self, row: ErrorReport) -> SafeString:
        return format_html("{}{}", row.what.action, dead_letters(row))

    @admin.display(description="since then")
    def since_then(self, row: ErrorReport) -> str:
        found = aftermath.of(row)
        return found.text if found else "The hub does not follow what became of failures of this kind."

    @admin.display(description="state")
    def in_state(self, row: ErrorReport) -> SafeString:
        lines = [(words.moment(row.first_seen_at), "open", "", "first seen")]
        lines += [_change_line(change) for change in row.state_changes.all()]
        since = format_html(
            "<p><strong>{}</strong> since {} UTC</p>",
            row.get_state_display(),
            words.moment(row.state_at),
        )
        return since if len(lines) == 1 else format_html("{}{}", since, table(lines))

    @admin.display(description="call")
    def called(self, row: Failure) -> str:
        return f"{row.method} {row.url}".strip() or "none"

    @admin.display(description="answer")
    def answered(self, row: Failure) -> str:
        return words.answer(row) or "none"

    @admin.display(description="what was sent")
    def sent(self, row: Failure) -> SafeString:
        return pretty(row.request)

    @admin.display(description="what came back")
    def came_back(self, row: Failure) -> SafeString:
        return pretty(row.answer)

    @admin.display(description="correlation id")
    def ids(self, row: Failure) -> SafeString:
        return journey(row.correlation_id)

    @admin.display(description="kept")
    def kept(self, row: ErrorReport) -> SafeString:
        rows = list(row.occurrences.all()[:MOST_OCCURRENCES])
        lines = (
            (
                words.moment(item.at),
                short(item.text, 80),
                short(item.subject),
                exchange(item),
                journey(item.correlation_id),
            )
            for item in rows
        )
        found = table(lines, "at (UTC)", "what", "about", "answer", "correlation id")
        if len(rows) == row.count:
            return found
        return format_html("<p>Of {} some are kept; the newest {}:</p>{}", row.count, len(rows), found)

    # -------------------------------------------------------------------------------------------- states
    def has_state_permission(self, request: HttpRequest) -> bool:
        """The rows are the hub's, so nobody changes them; who holds the right may still say what is done about them."""
        return request.user.has_perm("errorreports.change_errorreport")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.state_view)
        return [path("<int:pk>/state/", view, name="errorreports_errorreport_state"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"may_put": self.has_state_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def state_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the form on a report's page sends: a state, or none to keep it, and a note."""
        if not self.has_state_permission(request) or request.method != "POST":
            raise PermissionDenied
        report = self.get_object(request, str(pk))
        if report is None:
            raise Http404
        wanted = request.POST.get("state", "")
        if wanted and wanted not in State:
            raise BadRequest
        state = State(wanted) if wanted else None
        if not self._put_one(request, report, state):
            why = f"“{report}” is {SHORT_STATES[state]} already" if state else "There was no note"
            self.message_user(request, f"{why}: nothing was changed.", messages.WARNING)
        else:
            done = f"“{report}” is {SHORT_STATES[state]}." if state else "The note is kept."
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:errorreports_errorreport_change", args=[pk]))

    @admin.action(description="Acknowledge: somebody is at it", permissions=["state"])
    def acknowledge(self, request: HttpRequest, rows: QuerySet[ErrorReport]) -> None:
        self._put(request, rows, State.ACKNOWLEDGED)

    @admin.action(description="Resolve: it is mended", permissions=["state"])
    def resolve(self, request: HttpRequest, rows: QuerySet[ErrorReport]) -> None:
        self._put(request, rows, State.RESOLVED)

    def _put(self, request: HttpRequest, rows: QuerySet[ErrorReport], state: State) -> None:
        done = sum(self._put_one(request, row, state) for row in rows)
        if not done:
            text = f"What you chose is {SHORT_STATES[state]} already: nothing was changed."
            self.message_user(request, text, messages.WARNING)
            return
        what = "report is" if done == 1 else "reports are"
        self.message_user(request, f"{done} {what} {SHORT_STATES[state]} now.", messages.SUCCESS)

    def _put_one(self, request: HttpRequest, row: ErrorReport, state: State | None) -> bool:
        """Without a state the note is added to whichever it is in."""
        by, note = request.user.get_username(), request.POST.get("note", "").strip()[:LONGEST_NOTE]
        changed = states.change(row.pk, state, by=by, note=note, now=timezone.now())
        if changed:
            done = SHORT_STATES[state] if state else "note"
            self.log_change(request, row, f"{done}: {note}" if note else done)
        return changed


def dead_letters(report: ErrorReport) -> SafeString:
    """The way to the page that the words about it name."""
    if report.platform_id is None or "Dead letters" not in report.what.meaning + report.what.action:
        return SafeString()
    chosen = urlencode({"platform__id__exact": report.platform_id})
    url = f"{reverse('admin:exchange_deadletter_changelist')}?{chosen}"
    return format_html(' <a href="{}">Dead letters of {}</a>', url, words.partner(report))


def exchange(row: Failure) -> SafeString:
    """What came back, which opens to what was sent and all of the answer."""
    if not row.request and not row.answer:
        return format_html("{}", words.answer(row))
    return format_html(
        "<details><summary>{}</summary>{} {}{}{}</details>",
        words.answer(row) or "no answer",
        row.method,
        row.url,
        pretty(row.request),
        pretty(row.answer),
    )


def journey(correlation_id: str) -> SafeString:
    """The id, with a link to the page that shows all that belongs to it."""
    if not correlation_id:
        return format_html("<em>{}</em>", "none")
    url = f"{reverse('admin:journey')}?{urlencode({'q': correlation_id})}"
    return format_html('<a href="{}">{}</a>', url, correlation_id)


def _change_line(change: StateChange) -> tuple[str, str, str, str]:
    by = change.by or "the hub"
    note = change.note or ("it happened again" if change.state == State.OPEN and not change.by else "")
    return words.moment(change.at), SHORT_STATES[State(change.state)], f"by {by}", note

"""The page "Dead letters": what was given up, by partner and cause, to be tried again or discarded with a note."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.journeys import link_to
from ocpi_hub.exchange.admin.pages import ReadOnlyAdmin, link, list_link, pretty, short, table
from ocpi_hub.exchange.deliveries import deadletters, reopening
from ocpi_hub.exchange.models import DeadLetter, DeadLetterEntry
from ocpi_hub.partners.models import Platform

State = DeadLetter.State

SHORT_STATES = {
    State.OPEN: "given up",
    State.RETRYING: "being tried",
    State.SETTLED: "settled",
    State.DISCARDED: "discarded",
}


class ByState(admin.SimpleListFilter):
    """What nobody has to act on any more is shown when asked for only."""

    title = "state"
    parameter_name = "state"
    EVERY = "every"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        others = [(str(state), str(state.label)) for state in State if state != State.OPEN]
        return [*others, (self.EVERY, "every state")]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        first, *others = super().choices(changelist)
        yield {**first, "display": State.OPEN.label}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        value = self.value() or State.OPEN
        return queryset if value == self.EVERY else queryset.filter(state=value)


class NoteForm(forms.Form):
    note = forms.CharField(
        max_length=1000,
        widget=forms.Textarea({"rows": 3, "cols": 80}),
        help_text="Why the partner need not have this, for whoever asks later. It is kept with your name.",
    )


class Choice:
    """Which letters somebody means, by the fields of a request, and how that is said in words."""

    FIELDS = {"letter": "pk", "platform": "platform_id", "cause": "cause", "module": "module"}
    NUMBERS = ("letter", "platform")

    def __init__(self, given: Any) -> None:
        self.fields = {name: given[name] for name in self.FIELDS if given.get(name)}
        self.is_good = bool(self.fields) and all(
            self.fields.get(name, "0").isdecimal() for name in self.NUMBERS
        )

    @property
    def letters(self) -> QuerySet[DeadLetter]:
        if not self.is_good:
            return DeadLetter.objects.none()
        return DeadLetter.objects.filter(**{self.FIELDS[name]: value for name, value in self.fields.items()})

    def __str__(self) -> str:
        if not self.is_good:
            return "none"
        if letter := self.fields.get("letter"):
            return f"dead letter {letter}"
        told = []
        if platform := self.fields.get("platform"):
            told.append(f"of {Platform.objects.filter(pk=platform).first() or 'nobody'}")
        if module := self.fields.get("module"):
            told.append(f"of {module}")
        if cause := self.fields.get("cause"):
            told.append(f"with the cause “{cause}”")
        return " ".join(["all", *told])


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    list_display = ["place", "module", "platform", "cause", "why", "since", "short_state"]
    list_filter = [ByState, "platform", "module", "cause"]
    list_select_related = ["platform"]
    search_fields = ["parent_key__istartswith", "key__istartswith", "to_party__iexact"]
    search_help_text = "the beginning of a path such as NL/ABC/LOC1, or a party"
    fields = [
        "platform", "to_party", "module", "path", "shown_state", "given_up_at", "times", "cause", "reason",
        "history", "origin", "sent", "answered",
    ]  # fmt: skip
    readonly_fields = ["shown_state", "sent", "answered", "origin", "history"]
    actions = ["retry", "discard", "reopen"]

    @admin.display(description="path", ordering="path")
    def place(self, row: DeadLetter) -> SafeString:
        return short(row.path, 32)

    @admin.display(description="reason")
    def why(self, row: DeadLetter) -> SafeString:
        return short(row.reason, 30)

    @admin.display(description="given up", ordering="given_up_at")
    def since(self, row: DeadLetter) -> str:
        return f"{row.given_up_at:%Y-%m-%d %H:%M}"

    @admin.display(description="state", ordering="state")
    def short_state(self, row: DeadLetter) -> str:
        return SHORT_STATES[State(row.state)]

    @admin.display(description="state")
    def shown_state(self, row: DeadLetter) -> str:
        at = f", {row.closed_at:%Y-%m-%d %H:%M:%S} UTC" if row.closed_at else ""
        return f"{row.get_state_display()}{at}{': ' if row.closing else ''}{row.closing}"

    @admin.display(description="last request")
    def sent(self, row: DeadLetter) -> SafeString:
        if not row.method:
            return format_html("<em>{}</em>", "nothing was sent")
        return format_html("{} {}{}", row.method, row.url, pretty(row.request) if row.request else "")

    @admin.display(description="last answer")
    def answered(self, row: DeadLetter) -> SafeString:
        if row.http_status is None:
            return format_html("<em>{}</em>", "none")
        code = "" if row.status_code is None else f", OCPI {row.status_code}"
        return format_html("HTTP {}{}{}", row.http_status, code, pretty(row.answer) if row.answer else "")

    @admin.display(description="delivery")
    def origin(self, row: DeadLetter) -> SafeString:
        attempts = link(
            "exchange_delivery", row.delivery_id, f"delivery {row.delivery_id}, with all its attempts"
        )
        return format_html("{}; {}", attempts, link_to(row.delivery.message.correlation_id))

    @admin.display(description="what was done about it")
    def history(self, row: DeadLetter) -> SafeString:
        entries = DeadLetterEntry.objects.filter(letter_id=row.pk).select_related("action").order_by("-id")
        lines = (
            (
                f"{entry.action.at:%Y-%m-%d %H:%M:%S}",
                entry.action.by,
                entry.get_became_display(),
                link("exchange_deadletteraction", entry.action_id, entry.action.chosen),
                entry.action.note,
            )
            for entry in entries
        )
        return table(lines, "at", "by", "what", "with", "note")

    # ------------------------------------------------------------------------------------------- actions
    def has_act_permission(self, request: HttpRequest) -> bool:
        """The rows are the hub's, so nobody changes them; who holds the right says what becomes of them."""
        return request.user.has_perm("exchange.change_deadletter")

    @admin.action(description="Try selected again now", permissions=["act"])
    def retry(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> None:
        letters = DeadLetter.objects.filter(pk__in=rows.order_by().values("pk"))
        self._retry(request, letters, "selected letters")

    @admin.action(description="Discard selected, with a note", permissions=["act"])
    def discard(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> HttpResponse | None:
        letters = DeadLetter.objects.filter(pk__in=rows.order_by().values("pk"))
        again = [("action", "discard"), ("select_across", request.POST.get("select_across", "0"))]
        again += [(ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)]
        return self._discard(request, letters, "selected letters", again)

    @admin.action(description="Reopen selected: discarded, and to be sent after all", permissions=["act"])
    def reopen(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> None:
        letters = DeadLetter.objects.filter(pk__in=rows.order_by().values("pk"))
        done = reopening.reopen(letters, request.user.get_username(), "selected letters")
        if not done:
            self.message_user(request, "None of them is discarded: nothing was done.", messages.WARNING)
            return
        self.message_user(request, f"{done} are given up again: retry them now.", messages.SUCCESS)

    def get_urls(self) -> list[Any]:
        return [
            path("retry/", self.admin_site.admin_view(self.retry_all), name="exchange_deadletter_retry"),
            path(
                "discard/", self.admin_site.admin_view(self.discard_all), name="exchange_deadletter_discard"
            ),
            *super().get_urls(),
        ]

    def retry_all(self, request: HttpRequest) -> HttpResponse:
        """All of a partner, of a cause, of both, or one letter."""
        if request.method != "POST" or not self.has_act_permission(request):
            raise PermissionDenied
        choice = Choice(request.POST)
        self._retry(request, choice.letters, str(choice))
        return HttpResponseRedirect(reverse("admin:exchange_deadletter_changelist"))

    def discard_all(self, request: HttpRequest) -> HttpResponse:
        if not self.has_act_permission(request):
            raise PermissionDenied
        choice = Choice(request.POST if request.method == "POST" else request.GET)
        page = self._discard(request, choice.letters, str(choice), list(choice.fields.items()))
        return page or HttpResponseRedirect(reverse("admin:exchange_deadletter_changelist"))

    def _retry(self, request: HttpRequest, letters: QuerySet[DeadLetter], chosen: str) -> None:
        done = deadletters.retry(letters, request.user.get_username(), chosen)
        if done.action is None:
            nothing = str(done) if done.left else "None of them is given up any more: nothing was done."
            self.message_user(request, nothing, messages.WARNING)
            return
        progress = link("exchange_deadletteraction", done.action, "See what becomes of them")
        self.message_user(request, format_html("{}. {}.", str(done), progress), messages.SUCCESS)

    def _discard(
        self, request: HttpRequest, letters: QuerySet[DeadLetter], chosen: str, again: list[tuple[str, Any]]
    ) -> HttpResponse | None:
        """The page that asks for a note; nothing when it was given and they are discarded."""
        form = NoteForm(request.POST if "note" in request.POST else None)
        if form.is_valid():
            by = request.user.get_username()
            done = deadletters.discard(letters, by, chosen, form.cleaned_data["note"])
            self.message_user(
                request, f"{done} are discarded: their partners do not get them.", messages.SUCCESS
            )
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Discard dead letters",
            "chosen": chosen,
            "count": letters.filter(state=State.OPEN).count(),
            "form": form,
            "again": again,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/exchange/deadletter/discard.html", context)

    # --------------------------------------------------------------------------------------------- pages
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_act = self.has_act_permission(request)
        groups = {"groups": list(_groups()), "causes": list(_causes()), "may_act": may_act}
        return super().changelist_view(request, {**(extra_context or {}), **groups})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        state = row.state if row is not None and self.has_act_permission(request) else None
        rights = {"may_act": state == State.OPEN, "may_reopen": state == State.DISCARDED}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **rights})


def _groups() -> Iterator[dict[str, Any]]:
    """What is given up, by partner and cause, the most first."""
    rows = DeadLetter.objects.filter(state=State.OPEN).order_by()
    counted = rows.values("platform_id", "platform__name", "cause").annotate(
        count=Count("pk"), last=Max("given_up_at")
    )
    for row in counted.order_by("-count", "platform__name", "cause"):
        fields = {"platform": row["platform_id"], "cause": row["cause"]}
        filters = {"platform__id__exact": row["platform_id"], "cause": row["cause"]}
        yield {
            "partner": f"{row['platform__name']} (#{row['platform_id']})",
            "cause": row["cause"],
            "count": list_link(DeadLetter, row["count"], **filters),
            "last": row["last"],
            "fields": fields,
            "query": urlencode(fields),
        }


def _causes() -> Iterator[dict[str, Any]]:
    """The totals of partners and of causes that are in more than one group."""
    rows = DeadLetter.objects.filter(state=State.OPEN).order_by()
    for name, text in (("platform", "platform__name"), ("cause", "cause")):
        other = "cause" if name == "platform" else "platform"
        counted = rows.values(name, text).annotate(count=Count("pk"), kinds=Count(other, distinct=True))
        for row in counted.filter(kinds__gt=1).order_by("-count", text):
            fields = {name: row[name]}
            yield {
                "text": f"all of {row[text]} (#{row[name]})"
                if name == "platform"
                else f"all “{row[text]}”, of every partner",
                "count": row["count"],
                "fields": fields,
                "query": urlencode(fields),
            }

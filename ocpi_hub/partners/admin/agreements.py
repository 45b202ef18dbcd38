"""Agreements in the admin: who exchanges what with whom."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ocpi_hub.partners.agreements import Standing, open_by_default
from ocpi_hub.partners.forms import AgreementForm, TermsForm, known_parties
from ocpi_hub.partners.models import Agreement, Party

MOST_AGREEMENTS = 50  # shown on a party's page


def default() -> Standing:
    """What holds without an agreement."""
    return Standing(open_by_default(), None)


def state_of(row: Agreement) -> str:
    return "open" if row.allowed else "closed"


def of_one(party: Party) -> SafeString:
    """What a party agreed with whom, and what holds with all others."""
    rows = Agreement.objects.filter(Q(first=party.key) | Q(second=party.key))
    lines = format_html_join(
        "",
        '<li>with {}, {}: <a href="{}">{}</a> {}</li>',
        (
            (
                row.second if row.first == party.key else row.first,
                row.about,
                reverse("admin:partners_agreement_change", args=[row.pk]),
                state_of(row),
                row.note,
            )
            for row in rows[:MOST_AGREEMENTS]
        ),
    )
    everything = f"{reverse('admin:partners_agreement_changelist')}?{urlencode({'q': party.key})}"
    return format_html(
        '<ul style="margin: 0; padding: 0">{}<li>with all others: {}</li></ul><p><a href="{}">All in one list</a></p>',
        lines,
        default(),
        everything,
    )


class OnModule(admin.SimpleListFilter):
    title = "module"
    parameter_name = "on"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("every", "every module"), *((module, module) for module in Agreement.modules())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agreement]) -> QuerySet[Agreement]:
        value = self.value()
        return queryset.filter(module="" if value == "every" else value) if value else queryset


class OpenOrClosed(admin.SimpleListFilter):
    title = "exchange"
    parameter_name = "exchange"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), ("closed", "closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agreement]) -> QuerySet[Agreement]:
        return queryset.filter(allowed=self.value() == "open") if self.value() else queryset


@admin.register(Agreement)
class AgreementAdmin(admin.ModelAdmin):
    """Who exchanges what with whom. Whom and what one is about never changes: that would be another one."""

    list_display = ["first_party", "second_party", "on", "exchange", "since", "why"]
    list_display_links = ["first_party"]
    list_filter = [OpenOrClosed, OnModule]
    list_per_page = 50
    search_fields = ["first"]  # shows the search box; get_search_results() says what it looks for
    search_help_text = "parties such as NL*ABC or NL-ABC-CPO, or a part of a platform's name; two for a pair"

    class Media:
        css = {"all": ["exchange/compact.css"]}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return ["first_party", "second_party", "on", "allowed", "note", "changed_at"]
        return ["first", "second", "module", "allowed", "note", "new"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, form=TermsForm if obj else AgreementForm, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["first_party", "second_party", "on", "changed_at"] if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agreement]:
        def platform_of(name: str) -> Subquery:
            return Subquery(Party.objects.filter(key=OuterRef(name)).values("platform__name"))

        return (
            super()
            .get_queryset(request)
            .annotate(first_platform=platform_of("first"), second_platform=platform_of("second"))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Agreement], search_term: str
    ) -> tuple[QuerySet[Agreement], bool]:
        for term in search_term.split():
            queryset = queryset.filter(of_party(term))
        return queryset, False

    @admin.display(description="between", ordering="first")
    def first_party(self, row: Any) -> str:
        return f"{row.first}, {row.first_platform or 'not here yet'}"

    @admin.display(description="and", ordering="second")
    def second_party(self, row: Any) -> str:
        return f"{row.second}, {row.second_platform or 'not here yet'}"

    @admin.display(description="module", ordering="module")
    def on(self, row: Agreement) -> str:
        return row.about

    @admin.display(description="exchange", ordering="allowed")
    def exchange(self, row: Agreement) -> str:
        return state_of(row)

    @admin.display(description="note", empty_value="", ordering="note")
    def why(self, row: Agreement) -> str:
        return row.note

    @admin.display(description="since", ordering="changed_at")
    def since(self, row: Agreement) -> str:
        return f"{row.changed_at:%Y-%m-%d}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"default": default(), **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return super().render_change_form(
            request, {"known_parties": known_parties(), "default": default(), **context}, *args, **kwargs
        )


def of_party(term: str) -> Q:
    """The agreements of parties that this term may mean: country and party id, or the platform's name."""
    key = "*".join(term.upper().replace("-", "*").split("*")[:2])
    named = Party.objects.filter(platform__name__icontains=term).values("key")
    return Q(first__startswith=key) | Q(second__startswith=key) | Q(first__in=named) | Q(second__in=named)

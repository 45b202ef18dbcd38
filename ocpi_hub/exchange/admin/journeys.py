"""The page "Journey": a message from where it came in to all whom it went to, found by whatever id is at hand."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.questions import may_view
from ocpi_hub.exchange.journeys import journey as journeys
from ocpi_hub.exchange.journeys import journeypages
from ocpi_hub.exchange.journeys.journeypages import Entry, Panel
from ocpi_hub.journal import searching
from ocpi_hub.journal.models import Look
from ocpi_hub.journal.searching import Span, Understood
from ocpi_hub.partners import naming
from ocpi_hub.partners.forms import PartyField, known_parties
from ocpi_hub.partners.models import Party


def may_follow(user: Any) -> bool:
    return bool(user.has_perm("journal.view_hop"))


def may_see_drivers(user: Any) -> bool:
    return bool(user.has_perm("journal.view_personal"))


def address_of(asked: str) -> str:
    """The page with this in its search box."""
    return f"{reverse('admin:journey')}?{urlencode({'q': asked})}"


def link_to(correlation_id: str) -> SafeString:
    """Of a page that knows the correlation id."""
    if not correlation_id:
        return format_html("{}", "")
    return format_html('<a href="{}">Journey</a>', address_of(f"correlation:{correlation_id}"))


class JourneyForm(forms.Form):
    q = forms.CharField(
        label="Look for",
        required=False,
        max_length=1000,
        widget=forms.TextInput(
            {"size": 70, "autocomplete": "off", "placeholder": "any id, such as sessions/NL/ABC/S1"}
        ),
        help_text="A correlation or request id; the id of a Session, CDR, Token, EVSE, Location or Tariff, alone or"
        " as in a URL; a contract or authorization reference; a response_url; a party such as NL*ABC."
        " To say which it is: session:S1, token:012345AB, evse:…, cdr:…",
    )
    partner = PartyField(required=False, help_text="Only what this party sent or was sent.")
    since = forms.DateTimeField(required=False, help_text="UTC, such as 2026-03-01 07:00; may be left out.")
    until = forms.DateTimeField(required=False)
    checks = forms.BooleanField(
        required=False,
        label="With the hub's own checks",
        help_text="Whether a partner is there, and whether it still holds what it acknowledged. They are left out"
        " unless you ask for them, or nothing else is found.",
    )

    def clean_q(self) -> Understood:
        try:
            return searching.understood(self.cleaned_data["q"])
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean_partner(self) -> Party | None:
        key = self.cleaned_data["partner"]
        try:
            return naming.party_named(key) if key else None
        except ValueError as error:
            raise ValidationError(str(error)) from error

    @property
    def asks(self) -> bool:
        """Whether anything at all is asked for."""
        return any(self.data.get(name) for name in self.fields if name != "checks")


class Found(NamedTuple):
    """What a search came to: one journey that is shown, or several to choose from."""

    understood: str = ""
    entries: tuple[Entry, ...] = ()
    panel: Panel | None = None
    more: bool = False


def journey(request: HttpRequest) -> HttpResponse:
    if not may_follow(request.user):
        raise PermissionDenied
    form = JourneyForm(request.GET or None)
    clear = request.method == "POST"
    if clear and not may_see_drivers(request.user):
        raise PermissionDenied
    found = _found(form, clear, request.user) if form.asks and form.is_valid() else Found()
    if clear and found.panel:
        _note_look(request, form, found.panel)
    context = {
        **admin.site.each_context(request),
        "title": "Journey",
        "form": form,
        "known_parties": known_parties(),
        "asked": form.asks and form.is_valid(),
        "found": found,
        "clear": clear,
        "may_see_drivers": may_see_drivers(request.user),
        "most": searching.MOST_JOURNEYS,
    }
    return TemplateResponse(request, "admin/exchange/journey.html", context)


def _found(form: JourneyForm, clear: bool, user: Any) -> Found:
    wanted: Understood = form.cleaned_data["q"]
    span = Span(form.cleaned_data["since"], form.cleaned_data["until"])
    ids = searching.found(wanted, form.cleaned_data["partner"], span, checks=form.cleaned_data["checks"])
    ids = ids or journeys.outside_the_journal(form.data.get("q", ""))
    if len(ids) == 1:
        told = journeys.journey(ids[0])
        return Found(
            wanted.said, panel=journeypages.panel(told, clear, lambda row: may_view(user, type(row)))
        )
    entries = journeypages.entries(ids)
    return Found(wanted.said, tuple(entries), more=len(ids) == searching.MOST_JOURNEYS)


def _note_look(request: HttpRequest, form: JourneyForm, panel: Panel) -> None:
    Look.objects.create(
        user=request.user,
        who=request.user.get_username(),
        asked=form.data.get("q", "")[:1000],
        correlation_ids=[panel.correlation_id],
        note=request.POST.get("note", "")[:1000],
    )

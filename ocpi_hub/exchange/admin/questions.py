"""The page "Why not": may this party see this object, has it got it, and if not, why (explanation.py)."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin.pages import list_link
from ocpi_hub.exchange.explaining.explanation import Explanation, explain
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.exchange.objects import objectnames
from ocpi_hub.exchange.objects.objectnames import Name
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.exchange.objects.reasons import Reason
from ocpi_hub.partners import naming
from ocpi_hub.partners.forms import PartyField, known_parties
from ocpi_hub.partners.models import Party


def may_ask(user: Any) -> bool:
    """Whoever may see the partners and what goes to them; about an object whoever may see its module besides."""
    return bool(user.has_perms(["partners.view_party", "exchange.view_delivery"]))


def may_view(user: Any, model: type[Model]) -> bool:
    return bool(user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"))


def address_of(**asked: object) -> str:
    """The page with these fields filled in."""
    return f"{reverse('admin:why_not')}?{urlencode(asked)}"


class WhyNotForm(forms.Form):
    party = PartyField(help_text="Who has not got it, such as DE*MSP.")
    object = forms.CharField(
        max_length=500,
        widget=forms.TextInput({"size": 60, "autocomplete": "off", "placeholder": "locations/NL/ABC/LOC1"}),
        help_text="Module, owner, id, and EVSE and Connector if you like, as in a URL, of which any beginning may be"
        " left on. The type of a Token follows as ?type=APP_USER.",
    )

    def __init__(self, user: Any, data: Any, **more: Any) -> None:
        super().__init__(data, **more)
        self.user = user

    def clean_party(self) -> Party:
        try:
            return naming.party_named(self.cleaned_data["party"])
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean_object(self) -> Name:
        try:
            name = objectnames.named(self.cleaned_data["object"])
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if not may_view(self.user, name.model):
            raise ValidationError(f"You may not view {name.model._meta.verbose_name_plural}.")
        return name


def why_not(request: HttpRequest) -> HttpResponse:
    if not may_ask(request.user):
        raise PermissionDenied
    asked = request.GET if {"party", "object"} <= request.GET.keys() else None
    form = WhyNotForm(request.user, asked, initial=request.GET.dict())
    found = explain(form.cleaned_data["party"], form.cleaned_data["object"]) if form.is_valid() else None
    context = {
        **admin.site.each_context(request),
        "title": "Why not",
        "form": form,
        "known_parties": known_parties(),
        "found": found,
        "reasons": [(reason, link_of(reason, found, request.user)) for reason in found.reasons]
        if found
        else [],
        "links": _links(found, request.user) if found else "",
    }
    return TemplateResponse(request, "admin/exchange/why_not.html", context)


def _links(found: Explanation, user: Any) -> SafeString:
    """To the party, its platform, the object and its deliveries."""
    rows = [(found.party, str(found.party)), (found.party.platform, found.party.platform.name)]
    if found.row:
        rows.append((found.row, "the object"))
    links = [row_link(row, text, user) for row, text in rows]
    filters = {"message__parent_key": found.name.address.parent.key, "module": found.name.model.module}
    its = {**filters, "platform__id__exact": found.party.platform_id}
    return format_html_join(
        ", ", "{}", ((shown,) for shown in [*links, list_link(Delivery, "its deliveries", **its)])
    )


def link_of(reason: Reason, found: Explanation, user: Any) -> SafeString | str:
    """Where the operator sees more of it, or does something about it."""
    if reason.row is not None:
        return row_link(reason.row, f"{reason.row._meta.verbose_name}", user)
    if reason.about == "agreement" and user.has_perm("partners.add_agreement"):
        wanted = {
            "first": found.name.address.owner.key,
            "second": found.party.key,
            "module": found.name.model.module,
        }
        url = f"{reverse('admin:partners_agreement_add')}?{urlencode(wanted)}"
        return format_html('<a href="{}">add an agreement</a>', url)
    return ""


def row_link(row: Model, text: str, user: Any) -> SafeString | str:
    """To the row's page; only its name for who may not view it."""
    if not may_view(user, type(row)):
        return text
    opts = row._meta
    url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, text)


def question_about(row: OwnedObject) -> str:
    """The page, asked about this object."""
    return address_of(object=objectnames.name_of(row))

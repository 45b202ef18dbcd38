"""The page "Erasures": erase a driver's data, after a page that says what goes, what stays and why; and who did it.

A worker erases; the row's page shows how far it is. What goes is counted before, as far as that takes seconds.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from ocpi_hub.erasure import Fate, Finding
from ocpi_hub.exchange import clock
from ocpi_hub.exchange.admin.pages import ReadOnlyAdmin, table
from ocpi_hub.exchange.housekeeping import erasing
from ocpi_hub.exchange.models import Erasure
from ocpi_hub.pseudonyms import Driver

COUNTED_WITHIN = 3.0  # seconds, for all tables together
BECOMES = {Fate.DELETED: "deleted", Fate.REPLACED: "keeps a pseudonym", Fate.KEPT: "stays"}


class DriverForm(forms.Form):
    token = forms.CharField(
        max_length=200,
        widget=forms.TextInput({"size": 50, "autocomplete": "off"}),
        help_text="Its provider and uid, such as DE*MSP/04A1B2C3D4.",
    )
    contract = forms.CharField(
        max_length=36,
        required=False,
        widget=forms.TextInput({"size": 50, "autocomplete": "off"}),
        help_text="Only if other tokens have the same contract and the whole of it is to go.",
    )
    note = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.TextInput({"size": 50}),
        help_text="Such as the number of the request. It stays: no token, no name.",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if token := given.get("token"):
            contracts = (given["contract"],) if given.get("contract") else ()
            try:
                self.driver: Driver = erasing.driver_named(token, contracts)
            except ValueError as error:
                raise ValidationError({"token": str(error)}) from None
        return given


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    list_display = ["at", "by", "standing", "waiting", "note"]
    fields = ["at", "by", "note", "standing", "what_went", "waiting", "mark"]
    readonly_fields = ["standing", "what_went"]
    change_form_template = "admin/exchange/erasure/change_form.html"

    @admin.display(description="state")
    def standing(self, row: Erasure) -> str:
        return erasing.standing(row, clock.now())

    @admin.display(description="what went, and what stayed")
    def what_went(self, row: Erasure) -> SafeString:
        return table([line] for line in row.result)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("exchange.add_erasure")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Whose data, what would become of them, and on the second click it is done; by POST: no URL names a token."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DriverForm(request.POST or None)
        if not form.is_valid():
            return self._page(request, form=form)
        if "confirm" in request.POST:
            return self._erase(request, form)
        return self.preview(request, form)

    def preview(self, request: HttpRequest, form: DriverForm) -> HttpResponse:
        found = erasing.plan(form.driver, COUNTED_WITHIN)
        return self._page(
            request,
            form=form,
            plan=found,
            rows=[_row(one) for one in found.findings],
            is_uncounted=not all(one.counted for one in found.findings),
            earlier=erasing.before(form.driver),
        )

    def _erase(self, request: HttpRequest, form: DriverForm) -> HttpResponse:
        row = erasing.ask(form.driver, request.user.get_username(), form.cleaned_data["note"])
        self.message_user(
            request,
            "A worker erases it now. This page shows how far it is; you may leave it.",
            messages.SUCCESS,
        )
        return HttpResponseRedirect(reverse("admin:exchange_erasure_change", args=[row.pk]))

    def _page(self, request: HttpRequest, **shown: Any) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": "Erase a driver's data", **shown}
        return TemplateResponse(request, "admin/exchange/erasure/erase.html", context)


def _row(found: Finding) -> dict[str, Any]:
    holding = found.holding
    return {
        "what": holding.what,
        "rows": found.rows if found.counted else "not counted",
        "becomes": BECOMES[holding.fate],
        "why": holding.why,
        "waits": "; ".join(erasing.left(found)),
    }


def erase_selected(model_admin: Any, request: HttpRequest, owner: str, uid: str) -> HttpResponse:
    """The page about this token, for an action of another page."""
    form = DriverForm({"token": f"{owner}/{uid}"})
    if not form.is_valid():
        raise ValueError("a token that is stored has a name")
    erasures = ErasureAdmin(Erasure, model_admin.admin_site)
    if not erasures.has_add_permission(request):
        raise PermissionDenied
    return erasures.preview(request, form)

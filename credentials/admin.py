"""Platforms in the admin, with inviting, registering, suspending and starting over."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from credentials import handshake
from ocpi_hub.exchange import sync
from ocpi_hub.exchange.exceptions import OCPIError
from ocpi_hub.exchange.models import Delivery
from ocpi_hub.partners.claims import Claim, ClaimRefused
from ocpi_hub.partners.models import Endpoint, Party, Platform

PARTIES_HELP = "Parties and roles that it may announce, one in a line, such as NL-ABC-CPO."


class InviteForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="What to call the partner here.")
    parties = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), help_text=PARTIES_HELP)

    def clean_parties(self) -> list[Claim]:
        try:
            return [Claim.parse(line) for line in self.cleaned_data["parties"].split()]
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class RegisterForm(InviteForm):
    versions_url = forms.URLField(
        max_length=255, assume_scheme="https", help_text="The partner's versions endpoint."
    )
    token = forms.CharField(
        max_length=64,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="The token A that the partner gave us.",
    )
    parties = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=PARTIES_HELP + " Empty: any that nobody else holds.",
    )


class PartyInline(admin.TabularInline):
    model = Party
    fields = readonly_fields = ("country_code", "party_id", "roles", "invited_roles")
    can_delete = False
    max_num = 0
    show_change_link = True


class EndpointInline(admin.TabularInline):
    model = Endpoint
    fields = readonly_fields = ("module", "role", "url")
    can_delete = False
    max_num = 0


@admin.register(Platform)
class PlatformAdmin(admin.ModelAdmin):
    list_display = [
        "name",
        "status",
        "speaks_for",
        "version",
        "waiting",
        "given_up",
        "offline_since",
        "connected_at",
    ]
    list_filter = ["status", "version", "pull_only"]
    search_fields = ["name__icontains", "parties__party_id__iexact", "versions_url__icontains"]
    readonly_fields = [
        "status", "version", "versions_url", "seen_encoding", "connected_at", "offline_since", "created_at",
    ]  # fmt: skip
    fields = [
        "name", *readonly_fields, "base64_token", "inbound_encoding", "pull_only", "requests_per_minute",
        "retry_schedule",
    ]  # fmt: skip
    inlines = [PartyInline, EndpointInline]
    actions = ["pull_changes", "pull_everything", "suspend", "start_over"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Platform]:
        states = Delivery.State
        return (
            super()
            .get_queryset(request)
            .prefetch_related("parties")
            .annotate(
                waiting_deliveries=Count("deliveries", Q(deliveries__state=states.PENDING), distinct=True),
                failed_deliveries=Count("deliveries", Q(deliveries__state=states.FAILED), distinct=True),
            )
        )

    @admin.display(description="parties")
    def speaks_for(self, row: Platform) -> str:
        return ", ".join(f"{party} ({'/'.join(party.roles) or 'invited'})" for party in row.parties.all())

    @admin.display(description="waiting", ordering="waiting_deliveries")
    def waiting(self, row: Any) -> int:
        return int(row.waiting_deliveries)

    @admin.display(description="given up", ordering="failed_deliveries")
    def given_up(self, row: Any) -> Any:
        url = reverse("admin:exchange_delivery_changelist")
        link = f"{url}?platform__id__exact={row.pk}&state__exact=FAILED"
        return format_html('<a href="{}">{}</a>', link, row.failed_deliveries) if row.failed_deliveries else 0

    # A platform comes by invitation or registration, and its objects outlive it.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # -------------------------------------------------------------------------------------------- actions
    @admin.action(description="Pull what changed now", permissions=["change"])
    def pull_changes(self, request: HttpRequest, rows: QuerySet[Platform]) -> None:
        self._pull(request, rows, full=False)

    @admin.action(description="Pull everything now", permissions=["change"])
    def pull_everything(self, request: HttpRequest, rows: QuerySet[Platform]) -> None:
        self._pull(request, rows, full=True)

    def _pull(self, request: HttpRequest, rows: QuerySet[Platform], *, full: bool) -> None:
        for row in rows:
            sync.request_pulls(row, full=full)
            self.log_change(request, row, f"asked for a {'full' if full else 'incremental'} pull")
        self.message_user(request, "The workers pull now; see Pulls for the outcome.", messages.SUCCESS)

    @admin.action(description="Suspend: end the registration, stop all traffic", permissions=["change"])
    def suspend(self, request: HttpRequest, rows: QuerySet[Platform]) -> None:
        for row in rows:
            handshake.leave(row)
            self.log_change(request, row, "suspended")
        self.message_user(request, "Their tokens no longer work; their objects stay.", messages.SUCCESS)

    @admin.action(description="Start over: invite again with a new token A", permissions=["change"])
    def start_over(self, request: HttpRequest, rows: QuerySet[Platform]) -> HttpResponse | None:
        if rows.count() != 1:
            self.message_user(request, "Choose one platform: its new token is shown once.", messages.ERROR)
            return None
        row = rows.get()
        token = handshake.reset(row)
        self.log_change(request, row, "registration reset, new invitation")
        return self._show_invitation(request, row, token)

    # ---------------------------------------------------------------------------------- invite and register
    def get_urls(self) -> list[URLPattern]:
        own = [
            path("invite/", self.admin_site.admin_view(self.invite), name="partners_platform_invite"),
            path("register/", self.admin_site.admin_view(self.register), name="partners_platform_register"),
        ]
        return own + super().get_urls()

    def invite(self, request: HttpRequest) -> HttpResponse:
        form = InviteForm(request.POST or None)
        if self._may(request) and request.method == "POST" and form.is_valid():
            try:
                row, token = handshake.invite(form.cleaned_data["name"], form.cleaned_data["parties"])
            except ClaimRefused as refused:
                form.add_error("parties", str(refused))
            else:
                self.log_addition(request, row, "invited")
                return self._show_invitation(request, row, token)
        return self._form(request, form, "Invite a partner", "Its software will start the registration.")

    def register(self, request: HttpRequest) -> HttpResponse:
        form = RegisterForm(request.POST or None)
        if self._may(request) and request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                row = handshake.register(data["name"], data["versions_url"], data["token"], data["parties"])
            except (ClaimRefused, OCPIError) as refused:
                form.add_error(None, str(refused))
            else:
                self.log_addition(request, row, "registered by us")
                self.message_user(request, f"{row} is registered.", messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:partners_platform_change", args=[row.pk]))
        return self._form(
            request,
            form,
            "Register with a partner",
            "The hub starts the registration with the partner's token A.",
        )

    def _may(self, request: HttpRequest) -> bool:
        if not request.user.has_perm("partners.add_platform"):
            raise PermissionDenied
        return True

    def _form(self, request: HttpRequest, form: forms.Form, title: str, explanation: str) -> HttpResponse:
        self._may(request)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "explanation": explanation,
            "form": form,
        }
        return TemplateResponse(request, "admin/partners/platform/partner_form.html", context)

    def _show_invitation(self, request: HttpRequest, row: Platform, token: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Invitation of {row.name}",
            "platform": row,
            "token": token,
            "versions_url": handshake.versions_url(),
        }
        response = TemplateResponse(request, "admin/partners/platform/invitation.html", context)
        response["Cache-Control"] = "no-store"
        return response

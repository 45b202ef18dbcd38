"""Platforms in the admin, with inviting, registering, suspending and starting over."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from credentials import handshake
from credentials.forms import InviteForm, RegisterForm
from credentials.traffic import delivery_link, traffic
from ocpi_hub.exchange.admin import CompactAdmin, list_link, short
from ocpi_hub.exchange.admin.questions import address_of, may_ask
from ocpi_hub.exchange.calls import presence
from ocpi_hub.exchange.exceptions import OCPIError
from ocpi_hub.exchange.messages import doorbell
from ocpi_hub.exchange.models import DeadLetter, Delivery, Lane
from ocpi_hub.exchange.pulls import pullplans
from ocpi_hub.partners.claims import ClaimRefused
from ocpi_hub.partners.models import Endpoint, Party, Platform, Status
from ocpi_hub.proof import runs

SUSPENDING = [
    "The tokens of both sides stop working at once; the partner's requests are refused.",
    "Its endpoints are forgotten, its waiting deliveries end, and nothing is pulled from it any more.",
    "Its objects and its parties stay. It comes back by Start over and a new registration.",
]
STARTING_OVER = [
    "The tokens of both sides stop working at once; the partner's requests are refused.",
    "You are shown a new token A, once, for the partner to register again with.",
    "Its objects and parties stay; its waiting deliveries wait for its registration.",
]


class PartyInline(admin.TabularInline):
    model = Party
    readonly_fields = ("country_code", "party_id", "roles", "invited_roles", "why_not")
    can_delete = False
    max_num = 0
    show_change_link = True
    verbose_name_plural = "parties of its own"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Party]:
        """Thousands may be behind a hub; they are listed under Parties."""
        return super().get_queryset(request).filter(behind_hub=False)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if may_ask(request.user) else self.readonly_fields[:-1]

    @admin.display(description="has not got something")
    def why_not(self, row: Party) -> SafeString:
        return format_html('<a href="{}">Why not</a>', address_of(party=row))


class EndpointInline(admin.TabularInline):
    model = Endpoint
    fields = readonly_fields = ("module", "role", "url")
    can_delete = False
    max_num = 0


def _count(model: type[Delivery | DeadLetter], state: str) -> Coalesce:
    """How many of a platform are in this state."""
    rows = model._default_manager.filter(platform=OuterRef("pk"), state=state).order_by().values("platform")
    return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)


@admin.register(Platform)
class PlatformAdmin(CompactAdmin):
    list_display = [
        "name", "short_status", "speaks_for", "waiting", "given_up", "why_offline", "offline_since", "version",
    ]  # fmt: skip
    list_filter = ["status", "version", "pull_only"]
    search_fields = ["name__icontains", "parties__party_id__iexact", "versions_url__icontains"]
    search_help_text = "a part of the name or of the versions URL, or a party id"
    readonly_fields = [
        "status", "why_offline", "traffic", "version", "versions_url", "seen_encoding", "connected_at",
        "offline_since", "last_heard_at", "missed_probes", "next_probe_at", "probe_outcome", "created_at",
    ]  # fmt: skip
    fields = [
        "name", *readonly_fields, "base64_token", "inbound_encoding", "pull_only", "requests_per_minute",
        "deliveries_per_minute", "retry_schedule", "connect_timeout", "total_timeout", "authorize_timeout",
        "concurrent_relays", "answered_for_offline", "asked_about_unknown_tokens", "unknown_times_as_1970",
        "reports_by_email", "report_email", "gap_policy",
    ]  # fmt: skip
    inlines = [PartyInline, EndpointInline]
    actions = ["probe", "pull_changes", "pull_everything", "reconcile", "suspend", "start_over"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Platform]:
        return (
            super()
            .get_queryset(request)
            .prefetch_related(Prefetch("parties", Party.objects.own()))
            .annotate(
                waiting_deliveries=_count(Delivery, Delivery.State.PENDING),
                # By an index, as there is none of all deliveries that were ever given up.
                dead_letters_open=_count(DeadLetter, DeadLetter.State.OPEN),
            )
        )

    @admin.display(description="status", ordering="status")
    def short_status(self, row: Platform) -> str:
        return row.get_status_display().partition(":")[0]

    @admin.display(description="why offline", empty_value="")
    def why_offline(self, row: Any) -> SafeString:
        return short(row.probe_outcome if row.status == Status.OFFLINE else "")

    @admin.display(description="traffic")
    def traffic(self, row: Platform) -> SafeString:
        return traffic(row)

    @admin.display(description="parties")
    def speaks_for(self, row: Platform) -> str:
        return ", ".join(f"{party} ({'/'.join(party.roles) or 'invited'})" for party in row.parties.all())

    @admin.display(description="waiting", ordering="waiting_deliveries")
    def waiting(self, row: Any) -> Any:
        count = row.waiting_deliveries
        return delivery_link(row, Delivery.State.PENDING, count) if count else 0

    @admin.display(description="given up", ordering="dead_letters_open")
    def given_up(self, row: Any) -> Any:
        count = row.dead_letters_open
        return list_link(DeadLetter, count, platform__id__exact=row.pk) if count else 0

    def save_model(self, request: HttpRequest, obj: Platform, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "pull_only" in form.changed_data and not obj.pull_only:
            # What changed before was never to be pushed to it.
            obj.endpoints.filter(role=Endpoint.Role.RECEIVER).update(since=timezone.now())

    # A platform comes by invitation or registration, and its objects outlive it.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # -------------------------------------------------------------------------------------------- actions
    @admin.action(description="Probe now: is it there, does it take what waits", permissions=["change"])
    def probe(self, request: HttpRequest, rows: QuerySet[Platform]) -> None:
        for row in rows:
            if row.status not in (Status.CONNECTED, Status.OFFLINE):
                self.message_user(request, f"{row} is not registered.", messages.WARNING)
                continue
            probe_now(row)
            self.log_change(request, row, "asked for a probe")
            self.message_user(
                request, f"{row} is asked within seconds; its page tells what came of it.", messages.SUCCESS
            )
        doorbell.ring()

    @admin.action(description="Pull what changed now", permissions=["change"])
    def pull_changes(self, request: HttpRequest, rows: QuerySet[Platform]) -> None:
        self._pull(request, rows, full=False)

    @admin.action(description="Pull everything now", permissions=["change"])
    def pull_everything(self, request: HttpRequest, rows: QuerySet[Platform]) -> None:
        self._pull(request, rows, full=True)

    def _pull(self, request: HttpRequest, rows: QuerySet[Platform], *, full: bool) -> None:
        for row in rows:
            pullplans.ask_platform(row, full=full)
            self.log_change(request, row, f"asked for a {'full' if full else 'incremental'} pull")
        self.message_user(
            request, "The workers begin within seconds; see Pulls for the outcome.", messages.SUCCESS
        )

    @admin.action(description="Reconcile now: what was accepted, what it has", permissions=["change"])
    def reconcile(self, request: HttpRequest, rows: QuerySet[Platform]) -> None:
        for row in rows:
            if row.status not in (Status.CONNECTED, Status.OFFLINE):
                self.message_user(request, f"{row} is not registered.", messages.WARNING)
            elif runs.start(row, timezone.now()) is None:
                self.message_user(request, f"{row} is being reconciled already; see Runs.", messages.WARNING)
            else:
                self.log_change(request, row, "asked for a reconciliation")
                self.message_user(
                    request, f"{row} is reconciled within minutes; see Reconciliations.", messages.SUCCESS
                )

    @admin.action(description="Suspend: end the registration, stop all traffic", permissions=["change"])
    def suspend(self, request: HttpRequest, rows: QuerySet[Platform]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._ask(request, rows, "suspend", "Suspend", SUSPENDING)
        for row in rows:
            handshake.leave(row)
            self.log_change(request, row, "suspended")
        self.message_user(request, "Their tokens no longer work; their objects stay.", messages.SUCCESS)
        return None

    @admin.action(description="Start over: invite again with a new token A", permissions=["change"])
    def start_over(self, request: HttpRequest, rows: QuerySet[Platform]) -> HttpResponse | None:
        if rows.count() != 1:
            self.message_user(request, "Choose one platform: its new token is shown once.", messages.ERROR)
            return None
        if "confirmed" not in request.POST:
            return self._ask(request, rows, "start_over", "Start over", STARTING_OVER)
        row = rows.get()
        token = handshake.reset(row)
        self.log_change(request, row, "registration reset, new invitation")
        return self._show_invitation(request, row, token)

    def _ask(
        self,
        request: HttpRequest,
        rows: QuerySet[Platform],
        action: str,
        title: str,
        consequences: list[str],
    ) -> HttpResponse:
        """The page between an action and its doing; it comes back with `confirmed`."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "platforms": rows,
            "action": action,
            "consequences": consequences,
        }
        return TemplateResponse(request, "admin/partners/platform/confirm.html", context)

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
                form.add_error("parties", _told(refused))
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
                form.add_error(None, _told(refused))
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


def probe_now(platform: Platform) -> None:
    """Ask a partner at once whether it is there, and let an open breaker try one delivery."""
    now = timezone.now()
    presence.doubt(platform.pk, now)
    waiting = Delivery.objects.filter(platform=platform, state=Delivery.State.PENDING)
    waiting.filter(pk__in=waiting.order_by("tries", "id").values("pk")[:1]).update(next_attempt_at=now)
    Lane.objects.filter(pk=platform.pk, probe_at__gt=now).update(probe_at=now)


def _told(refused: Exception) -> str:
    """The operator is told who holds a party; a partner never is."""
    cause = refused if isinstance(refused, ClaimRefused) else refused.__cause__
    holder = cause.holder if isinstance(cause, ClaimRefused) else None
    return f"{refused}: {holder}" if holder else str(refused)

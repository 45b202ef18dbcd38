"""Tokens and authorizations in the admin, read-only: their owners change tokens, the hub notes what was asked."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin import OwnedObjectAdmin, ReadOnlyAdmin, erase_selected, short
from tokens.models import Authorization, Token, shortened


@admin.register(Token)
class TokenAdmin(OwnedObjectAdmin):
    columns = ("type", "contract_id", "issuer", "valid", "whitelist")
    search_fields = [*OwnedObjectAdmin.search_fields, "contract_id__istartswith", "visual_number__exact"]
    search_help_text = "the beginning of a uid or contract id, or a visual number"
    list_filter = [*OwnedObjectAdmin.list_filter, "type", "valid", "whitelist"]
    actions = ["erase_driver"]

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("exchange.add_erasure")

    @admin.action(description="Erase the driver's data…", permissions=["erase"])
    def erase_driver(self, request: HttpRequest, rows: QuerySet[Token]) -> HttpResponse | None:
        """Asks first. A driver is erased by one token, in all its types."""
        chosen = set(rows.order_by().values_list("owner_key", "object_id"))
        if len(chosen) != 1:
            self.message_user(request, "Choose one token: each is erased by itself.", messages.WARNING)
            return None
        return erase_selected(self, request, *chosen.pop())


# One word each, for lists; filters and pages say the whole sentence.
SHORT = {
    Authorization.Decided.ASKED: "asked",
    Authorization.Decided.LIST: "list",
    Authorization.Decided.FALLBACK: "list instead",
    Authorization.Decided.BROADCAST: "asked around",
    Authorization.Decided.NOBODY: "nobody",
}


@admin.register(Authorization)
class AuthorizationAdmin(ReadOnlyAdmin):
    """Who asked about whose token, and what it was told; lists show the end of a uid only."""

    list_display = [
        "at",
        "told",
        "status_code",
        "by",
        "operator",
        "token",
        "token_owner",
        "provider",
        "took",
        "why",
    ]
    list_filter = [
        "at",
        "decided",
        "allowed",
        "status_code",
        "token_type",
        ("problem", admin.EmptyFieldListFilter),
    ]
    search_fields = [
        "token_uid__iexact", "correlation_id__exact", "operator__iexact", "token_owner__iexact",
        "provider__iexact", "reference__exact",
    ]  # fmt: skip
    search_help_text = "a whole uid, a party such as NL*ABC, a correlation id or an authorization reference"

    @admin.display(description="told", ordering="allowed", empty_value="nothing")
    def told(self, row: Authorization) -> str:
        return row.allowed

    @admin.display(description="by", ordering="decided")
    def by(self, row: Authorization) -> str:
        return SHORT[Authorization.Decided(row.decided)]

    @admin.display(description="token")
    def token(self, row: Authorization) -> str:
        return f"{shortened(row.token_uid)} {row.token_type}"

    @admin.display(description="ms", ordering="milliseconds")
    def took(self, row: Authorization) -> int:
        return row.milliseconds

    @admin.display(description="why", empty_value="")
    def why(self, row: Authorization) -> SafeString:
        return short(row.problem, 34)

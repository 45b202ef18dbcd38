"""Tokens in the admin, read-only: their owners change them."""

from django.contrib import admin

from ocpi_hub.exchange.admin import OwnedObjectAdmin
from tokens.models import Token


@admin.register(Token)
class TokenAdmin(OwnedObjectAdmin):
    columns = ("type", "contract_id", "issuer", "valid", "whitelist")
    search_fields = [*OwnedObjectAdmin.search_fields, "contract_id__istartswith", "visual_number__exact"]
    search_help_text = "the beginning of a uid or contract id, or a visual number"
    list_filter = [*OwnedObjectAdmin.list_filter, "type", "valid", "whitelist"]

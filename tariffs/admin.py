"""Tariffs in the admin, read-only: their owners change them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ocpi_hub.exchange.admin import OwnedObjectAdmin, table
from ocpi_hub.protocol.codec import read
from ocpi_hub.protocol.tariffs import Tariff as Wire
from tariffs import words
from tariffs.models import Tariff


@admin.register(Tariff)
class TariffAdmin(OwnedObjectAdmin):
    columns = ("type", "currency", "start_date_time", "end_date_time", "deleted_at")
    search_help_text = "the beginning of an id"
    list_filter = [
        *OwnedObjectAdmin.list_filter,
        "currency",
        "type",
        ("deleted_at", admin.EmptyFieldListFilter),
    ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        findings, *others = super().get_fields(request, obj)
        return [findings, "prices", "least_and_most", *others]

    @admin.display(description="prices")
    def prices(self, row: Tariff) -> SafeString:
        """Of each dimension the first line that applies counts."""
        tariff = _read(row)
        return table(
            (
                (
                    component.type,
                    words.price(component, tariff.currency),
                    words.vat(component),
                    words.step(component),
                    words.restrictions(element.restrictions),
                )
                for element in tariff.elements
                for component in element.price_components
            ),
            "what", "price", "VAT", "rounded up to", "when",
        )  # fmt: skip

    @admin.display(description="least and most")
    def least_and_most(self, row: Tariff) -> str:
        """The bounds of what a session costs."""
        tariff = _read(row)
        least, most = (words.bound(price, tariff.currency) for price in (tariff.min_price, tariff.max_price))
        return "; ".join(filter(None, [least and f"at least {least}", most and f"at most {most}"])) or "none"


def _read(row: Tariff) -> Wire:
    return read(row.document.encode(), Wire)

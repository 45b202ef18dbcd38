"""What the operator sees of the exchange; Django finds the pages here."""

# They register their pages.
from ocpi_hub.exchange.admin import (  # noqa: F401
    deadletteractions,
    deadletters,
    deliveries,
    erasures,
    plans,
    pulls,
    repairs,
)
from ocpi_hub.exchange.admin.erasures import erase_selected
from ocpi_hub.exchange.admin.ownedobjects import OwnedObjectAdmin
from ocpi_hub.exchange.admin.pages import CompactAdmin, ReadOnlyAdmin, link, list_link, short, table

__all__ = [
    "CompactAdmin",
    "OwnedObjectAdmin",
    "ReadOnlyAdmin",
    "erase_selected",
    "link",
    "list_link",
    "short",
    "table",
]

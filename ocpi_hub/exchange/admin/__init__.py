"""What the operator sees of the exchange; Django finds the pages here."""

from ocpi_hub.exchange.admin import deadletters, deliveries, erasures, plans, pulls, repairs  # noqa: F401  # they register their pages
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

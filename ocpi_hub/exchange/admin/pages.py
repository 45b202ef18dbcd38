"""What the pages of the exchange have in common: those of all pages, and words for the states of deliveries."""

from ocpi_hub.adminpages import CompactAdmin, ReadOnlyAdmin, link, list_link, pretty, short, table
from ocpi_hub.exchange.models import Delivery

__all__ = ["SHORT_STATES", "CompactAdmin", "ReadOnlyAdmin", "link", "list_link", "pretty", "short", "table"]

# One word each, for lists; filters and pages say the whole sentence.
SHORT_STATES = {
    Delivery.State.PENDING: "waiting",
    Delivery.State.SENDING: "sending",
    Delivery.State.DELIVERED: "delivered",
    Delivery.State.ABSORBED: "covered",
    Delivery.State.FAILED: "given up",
    Delivery.State.DISCARDED: "discarded",
}

"""Tariffs: a list to pull; PUT and DELETE to push (mod_tariffs.asciidoc)."""

import logging
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from ocpi_hub.exchange.interfaces.views import NO_METHODS, ReceiverView, SenderView, Write
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject
from ocpi_hub.exchange.objects.upserts import Stored
from ocpi_hub.partners.models import Platform
from tariffs.models import Tariff
from tariffs.references import locations_naming

logger = logging.getLogger(__name__)

NAMED = 3  # Locations in a warning


class TariffsSender(SenderView):
    model = Tariff


class TariffsReceiver(ReceiverView):
    model = Tariff
    http_method_names = ["get", "put", "delete", *NO_METHODS]

    def delete(self, request: Request, **kwargs: Any) -> Response:
        address = self.address()
        response = self.accept(remove, address)
        if self.route.to is None:
            # After the commit: the search may take a second.
            response.message = still_named(address)
            if response.message:
                self.report("object.still_in_use", address, response.message)
        return response

    def publish(self, address: Address, stored: Stored, body: bytes | None) -> None:
        """A DELETE goes on without whatever came as its body."""
        super().publish(address, stored, None if self.request.method == "DELETE" else body)

    def pass_on(self, write: Write, address: Address, body: bytes) -> Response:
        """To one party; where a receiver has no such Tariff, our copy for it goes as well."""
        response = super().pass_on(write, address, body)
        if self.request.method == "DELETE" and response.status_code == 404 and self.route.to:
            self.cover(address)
            self.keep_copy(write, address, body, reached=True)
        return response


def remove(
    model: type[OwnedObject], address: Address, body: bytes, source: Platform, audience: str | None
) -> Stored:
    return store.delete(model, address, source, audience)


def still_named(address: Address) -> str | None:
    """The warning of TAR-05: the Tariff is deleted all the same, because its owner knows better (P109)."""
    naming = locations_naming(address, NAMED + 1)
    if not naming:
        return None
    listed = ", ".join(naming[:NAMED]) + (" and more" if len(naming) > NAMED else "")
    logger.warning("tariffs/%s is deleted, and Connectors still name it: Locations %s", address.path, listed)
    return f"deleted, but Connectors of these Locations still name it in tariff_ids: {listed}"

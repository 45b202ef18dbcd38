"""Tariffs: a list to pull, PUT and DELETE to push."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from ocpi_hub.exchange import store
from ocpi_hub.exchange.ownedobject import Address, OwnedObject
from ocpi_hub.exchange.store import Stored
from ocpi_hub.exchange.views import NO_METHODS, ReceiverView, SenderView
from ocpi_hub.partners.models import Platform
from tariffs.models import Tariff


class TariffsSender(SenderView):
    model = Tariff


class TariffsReceiver(ReceiverView):
    model = Tariff
    http_method_names = ["get", "put", "delete", *NO_METHODS]

    def delete(self, request: Request, **kwargs: Any) -> Response:
        return self.accept(remove, self.address())


def remove(
    model: type[OwnedObject], address: Address, body: bytes, source: Platform, audience: str | None
) -> Stored:
    return store.delete(model, address, source, audience)

"""Locations: nothing differs from any other Client Owned Object but the parts, which the model declares."""

from locations.models import Location
from ocpi_hub.exchange.interfaces.views import ReceiverView, SenderView


class LocationsSender(SenderView):
    model = Location


class LocationsReceiver(ReceiverView):
    model = Location

from locations.views import LocationsReceiver, LocationsSender
from ocpi_hub.exchange.interfaces.urls import interfaces

urlpatterns = interfaces("locations", LocationsSender, LocationsReceiver)

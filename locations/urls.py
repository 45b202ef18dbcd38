from locations.views import LocationsReceiver, LocationsSender
from ocpi_hub.exchange.urls import interfaces

urlpatterns = interfaces("locations", LocationsSender, LocationsReceiver)

from chargingprofiles.views import ProfilesReceiver, ProfilesSender
from ocpi_hub.exchange.interfaces.urls import interfaces

urlpatterns = interfaces("chargingprofiles", ProfilesSender, ProfilesReceiver)

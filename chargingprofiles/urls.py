from chargingprofiles.views import ProfilesReceiver, ProfilesSender
from ocpi_hub.exchange.urls import interfaces

urlpatterns = interfaces("chargingprofiles", ProfilesSender, ProfilesReceiver)

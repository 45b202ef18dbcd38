from ocpi_hub.exchange.interfaces.urls import interfaces
from tariffs.views import TariffsReceiver, TariffsSender

urlpatterns = interfaces("tariffs", TariffsSender, TariffsReceiver)

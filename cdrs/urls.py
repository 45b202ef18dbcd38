from cdrs.views import CDRsReceiver, CDRsSender
from ocpi_hub.exchange.interfaces.urls import interfaces

urlpatterns = interfaces("cdrs", CDRsSender, CDRsReceiver)

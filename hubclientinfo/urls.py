from hubclientinfo.views import ClientInfoReceiver, ClientInfoSender
from ocpi_hub.exchange.interfaces.urls import interfaces

urlpatterns = interfaces("hubclientinfo", ClientInfoSender, ClientInfoReceiver)

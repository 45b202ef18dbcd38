from hubclientinfo.views import ClientInfoReceiver, ClientInfoSender
from ocpi_hub.exchange.urls import interfaces

urlpatterns = interfaces("hubclientinfo", ClientInfoSender, ClientInfoReceiver)

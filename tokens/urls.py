from ocpi_hub.exchange.interfaces.urls import interfaces
from tokens.views import TokensReceiver, TokensSender

urlpatterns = interfaces("tokens", TokensSender, TokensReceiver)

from commands.views import CommandsReceiver, CommandsSender
from ocpi_hub.exchange.urls import interfaces

urlpatterns = interfaces("commands", CommandsSender, CommandsReceiver)

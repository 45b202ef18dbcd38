from commands.views import CommandsReceiver, CommandsSender
from ocpi_hub.exchange.interfaces.urls import interfaces

urlpatterns = interfaces("commands", CommandsSender, CommandsReceiver)

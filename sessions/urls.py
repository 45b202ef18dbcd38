from ocpi_hub.exchange.interfaces.urls import interfaces
from sessions.views import SessionsReceiver, SessionsSender

urlpatterns = interfaces("sessions", SessionsSender, SessionsReceiver)

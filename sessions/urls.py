from ocpi_hub.exchange.urls import interfaces
from sessions.views import SessionsReceiver, SessionsSender

urlpatterns = interfaces("sessions", SessionsSender, SessionsReceiver)

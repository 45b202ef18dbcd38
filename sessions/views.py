"""Sessions: who may see one and what a PATCH appends, the model declares."""

from ocpi_hub.exchange.views import ReceiverView, SenderView
from sessions.models import Session


class SessionsSender(SenderView):
    model = Session


class SessionsReceiver(ReceiverView):
    model = Session

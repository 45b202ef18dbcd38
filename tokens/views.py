"""Tokens: what differs, the type in the key, the model declares."""

from ocpi_hub.exchange.views import ReceiverView, SenderView
from tokens.models import Token


class TokensSender(SenderView):
    model = Token


class TokensReceiver(ReceiverView):
    model = Token

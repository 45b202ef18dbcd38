"""Tokens: the type belongs to the key, which the model declares; a PUT need not repeat it in the URL."""

from contextlib import suppress

from ocpi_hub.exchange.views import ReceiverView, SenderView
from ocpi_hub.protocol.codec import InvalidObject, parse
from tokens.models import Token


class TokensSender(SenderView):
    model = Token


class TokensReceiver(ReceiverView):
    model = Token

    def variant(self) -> str:
        """The type in the URL, RFID without one (mod_tokens.asciidoc).

        Many partners PUT tokens of other types without it; there the body tells what they mean.
        """
        if self.request.method == "PUT" and "type" not in self.request.query_params:
            with suppress(InvalidObject):  # of which the store tells, where it is for the store
                raw = parse(self.request.body)
                if isinstance(raw, dict) and raw.get("type") in Token.variants:
                    return str(raw["type"])
        return super().variant()

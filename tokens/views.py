"""Tokens: the type belongs to the key, which the model declares; and authorize, beside the list."""

import time
from contextlib import suppress
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from ocpi_hub.exchange.exceptions import InvalidParameters
from ocpi_hub.exchange.interfaces.renderers import answer
from ocpi_hub.exchange.interfaces.views import NO_METHODS, ReceiverView, SenderView
from ocpi_hub.protocol.codec import InvalidObject, parse
from tokens import authorize
from tokens.authorize import Inquiry, Outcome
from tokens.models import Token


class TokensSender(SenderView):
    """A list to pull, and below a token's uid the question whether it may charge."""

    model = Token
    http_method_names = ["get", "post", *NO_METHODS]

    def methods(self) -> list[str]:
        return ["POST"] if self.is_authorize() else ["GET"]

    def is_authorize(self) -> bool:
        segments = self.segments()
        return len(segments) == 2 and segments[1] == "authorize"

    def get(self, request: Request, **kwargs: Any) -> Response:
        return self.http_method_not_allowed(request) if self.is_authorize() else super().get(request)

    def post(self, request: Request, **kwargs: Any) -> Response:
        if not self.is_authorize():
            return self.http_method_not_allowed(request)
        began = time.monotonic()
        inquiry = self.inquiry()
        outcome = authorize.decide(inquiry)
        authorize.note(inquiry, outcome, time.monotonic() - began)
        return self.told(outcome)

    def inquiry(self) -> Inquiry:
        uid, _ = self.checked(self.segments())
        body = authorize.references(self.request.body)
        self.must_be_an_operator()
        self.must_name_a_provider()
        return Inquiry(
            self.route, uid, self.variant(), self.question(body=body, area="authorization"), self.ids
        )

    def must_be_an_operator(self) -> None:
        """Whoever gets no tokens gets none here: an answer has the whole of one."""
        if not self.route.roles.intersection(Token.audience_roles):
            raise InvalidParameters(
                f"{self.route.sender} is no operator (CPO), and only operators authorize tokens"
            )

    def must_name_a_provider(self) -> None:
        """Another operator has nobody's tokens, whatever it would answer; one merely invited is not connected yet."""
        party = self.route.party
        if party and party.roles and Token.owner_role not in party.roles:
            raise InvalidParameters(
                f"OCPI-to names {party}, which is no {Token.owner_role} and has no tokens"
            )

    def told(self, outcome: Outcome) -> Response:
        if outcome.error:
            raise outcome.error
        if outcome.answer is None:
            return answer(
                outcome.data, message=f"from the hub's list: {outcome.problem}" if outcome.problem else None
            )
        self.route, self.relayed = self.route._replace(to=outcome.asked), True
        return self.pass_back(outcome.answer)


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

"""Requests that are answered at once and have their result later (mod_commands, mod_charging_profiles).

An app says what its requests and answers look like, and to whom a request without OCPI-to goes.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import InterfaceError, OperationalError
from rest_framework.request import Request
from rest_framework.response import Response

from ocpi_hub.errorreports.occurrences import note
from ocpi_hub.exchange.exceptions import InvalidParameters, NotFound, OCPIError, UnknownReceiver
from ocpi_hub.exchange.interfaces.renderers import answer
from ocpi_hub.exchange.interfaces.views import RoutedView
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.objects.ownedobject import OwnedObject, owned_models
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.exchange.relays.callbacks import Arrived
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.exchange.routing import Route, is_known
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.partners.models import Endpoint
from ocpi_hub.protocol.codec import InvalidObject
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)


class AskingView(RoutedView):
    """The Receiver interface: the request goes on, with a response_url of the hub's."""

    role = Endpoint.Role.RECEIVER
    area = "command"
    reply: ClassVar[Any]  # the Struct of a direct answer
    asked_role: ClassVar[str] = "CPO"
    asking_roles: ClassVar[tuple[str, ...]]  # whose customers this is about

    def must_be_a_provider(self) -> None:
        """One operator has nothing to command at another's."""
        if not self.route.roles.intersection(self.asking_roles):
            raise InvalidParameters(
                f"{self.route.sender} sends this; {self.module} are for {' and '.join(self.asking_roles)}"
            )

    def must_name_an_operator(self) -> None:
        """Only operators have what this is about; one that is merely invited is not connected yet."""
        party = self.route.party
        if party and party.roles and self.asked_role not in party.roles:
            raise InvalidParameters(
                f"OCPI-to names {party}, which is no {self.asked_role}; {self.module} go to one"
            )

    def ask_for_result(self, callback: Callback, question: Question) -> Response:
        """The direct answer as it came, noted beside the callback. Raises NotConnected, NotAnswered, HubError."""
        try:
            found = self.ask(question)
        except OCPIError as error:
            with self.noting(callback):
                callbacks.unanswered(callback, error)
            raise
        with self.noting(callback):
            callbacks.answered(callback, found, self.reply)
        return self.pass_back(found)

    @contextmanager
    def noting(self, callback: Callback) -> Iterator[None]:
        """By now the receiver may be doing what it was asked to, so whoever asked hears of it in any case."""
        try:
            yield
            self.noted(callback)
        except (OperationalError, InterfaceError) as error:
            logger.error("the answer to %s is not noted: the database does not answer: %s", callback, error)
            text = f"the answer to {callback} is not noted: {type(error).__name__}"
            note("hub.database", None, callback.module, text, ids=self.ids)

    def noted(self, callback: Callback) -> None:
        """The direct answer, or its absence, was written down."""


class ResultsView(RoutedView):
    """The Sender interface: results come to the addresses that the hub gave out."""

    role = Endpoint.Role.SENDER
    has_secret_addresses = True  # whoever knows one may send a result
    results: ClassVar[dict[str, Any]]  # the Struct of a result, by what was asked

    def routed_by(self, request: Request) -> Route | None:
        """The address says whom a result is for; routing headers are not asked for (interpretations, P51)."""
        if request.method != "POST":
            return super().routed_by(request)
        try:
            return super().routed_by(request)
        except (OCPIError, InvalidObject):
            return None

    def post(self, request: Request, **kwargs: Any) -> Response:
        segments = self.segments()
        if len(segments) != 2 or segments[0] not in self.results:
            raise NotFound("a result is POSTed to exactly the response_url that came with the request")
        kind, secret = segments
        arrived = callbacks.arrive(
            self.module, kind, secret, self.platform, request.body, self.results[kind], self.ids
        )
        self.route = Route(PartyRef.parse(arrived.callback.to_party))
        self.arrived(arrived)
        return answer(message=_note(arrived))

    def arrived(self, arrived: Arrived) -> None:
        """A result was taken."""


def _note(arrived: Arrived) -> str | None:
    if arrived.passed_on:
        return None
    if arrived.repeated:
        return "this result came before, and went on then"
    return "noted, and not passed on: the request was refused, or has had too many results"


# ---------------------------------------------------------------------- whose a request without OCPI-to is
def known(module: str, object_id: str, owner: PartyRef | None = None) -> list[OwnedObject]:
    """The objects with this id that the hub has, of one owner or of all."""
    model = owned_models().get(module)
    if model is None:
        return []
    # Some partners strip an id and some do not: with a blank at its end it may be the same one.
    found = model.objects.present().filter(key=object_id.strip().upper()).defer("document", "received")
    return list(found.filter(owner_key=owner.key) if owner else found)


def open_to(sender: PartyRef, module: str, rows: list[OwnedObject]) -> list[OwnedObject]:
    """Without the objects of those with whom the sender has no agreement on what it asks: to it there are none."""
    terms = Terms.of([sender.key])
    return [row for row in rows if terms.allow(sender.key, row.owner_key, module)]


def one_of(parties: dict[str, PartyRef], what: str) -> PartyRef | None:
    """The only party, or None when there is none. Raises UnknownReceiver when there are several (P127)."""
    if len(parties) > 1:
        names = ", ".join(str(party) for party in parties.values())
        raise UnknownReceiver(f"{names} each have {what}; name one of them in OCPI-to")
    party = next(iter(parties.values()), None)
    if party and not is_known(party.key):
        raise UnknownReceiver(f"{party} has {what}, and is no longer known to this hub")
    return party


def owner_of(rows: list[OwnedObject], what: str) -> PartyRef | None:
    """The party that all these objects belong to. Raises UnknownReceiver."""
    return one_of({row.owner_key: row.own_address.owner for row in rows}, what)

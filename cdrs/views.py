"""CDRs: pushed by POST to the endpoint itself, and read back at the address in Location (mod_cdrs.asciidoc)."""

import logging
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cdrs.models import CDR, ID_LENGTH
from ocpi_hub.exchange.calls.verdicts import says_it_is_there
from ocpi_hub.exchange.deliveries.receiverurls import at_its_endpoint, url_in
from ocpi_hub.exchange.exceptions import NOTHING_HERE, HubError, NotFound, Unanswered
from ocpi_hub.exchange.interfaces.renderers import answer
from ocpi_hub.exchange.interfaces.views import NO_METHODS, ReceiverView, SenderView, Write
from ocpi_hub.exchange.models import Delivery, Message
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject
from ocpi_hub.exchange.objects.store import Contradiction
from ocpi_hub.exchange.objects.upserts import Stored
from ocpi_hub.exchange.pulls import refusals
from ocpi_hub.exchange.relays import relay
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import join
from ocpi_hub.protocol.codec import InvalidObject, check
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.types import CdrID, PartyRef

logger = logging.getLogger(__name__)


class CDRsSender(SenderView):
    model = CDR


class CDRsReceiver(ReceiverView):
    model = CDR
    id_length = ID_LENGTH
    http_method_names = ["get", "post", *NO_METHODS]

    def get(self, request: Request, **kwargs: Any) -> Response:
        address = self.address()
        row = CDR.objects.at(address, self.route.to.key if self.route.to else None).present().first()
        if row is None:
            raise NotFound(f"cdrs/{'/'.join(address.segments)} is not known here", self.model.unknown)
        if self.route.to:
            return self.pass_back(self.ask(self.question(url=self.there(row), segments=())))
        return answer(row.document.encode())

    def post(self, request: Request, **kwargs: Any) -> Response:
        if self.segments():
            raise NotFound(NOTHING_HERE, StatusCode.CLIENT_ERROR)
        body = self.model.incoming(request.body, self.platform)
        address = self.address_of(body)
        if self.route.to:
            return self.pass_on(add, address, body)
        try:
            stored = self.keep(add, address, body)
        except Contradiction as fault:
            self.note(address, body, fault)
            raise
        return self.with_location(address, 201 if stored.created else 200, stored.note)

    def with_location(self, address: Address, http_status: int, message: str | None) -> Response:
        location = join(self.url, *address.segments)
        return answer(http_status=http_status, message=message, headers={"Location": location})

    # ------------------------------------------------------------------------------- to one party alone
    def pass_on(self, write: Write, address: Address, body: bytes) -> Response:
        """Relay it; where the receiver has it, the answer's Location is the hub's (interpretations, P49)."""
        try:
            found = self.ask(self.question())
        except Unanswered:
            self.keep_copy(write, address, body, reached=False)
            raise
        is_there = found.ok or (says_it_is_there(found) and self.is_in_doubt(address))
        stored = self.keep_copy(write, address, body, reached=True) if is_there else None
        if stored is None:
            return self.pass_back(found)
        self.cover(address)
        if url := url_in(found):
            with self.hearing_the_receiver(address):
                CDR.objects.filter(pk=stored.row_id).update(receiver_url=url)
        return self.with_location(address, found.http_status if found.ok else 200, found.status_message)

    def is_in_doubt(self, address: Address) -> bool:
        """Whether an earlier POST to this receiver got no answer, so that its refusal of another one is that answer."""
        assert self.route.to is not None
        rows = list(CDR.objects.at(address, self.route.to.key).values_list("pk", flat=True))
        its = {"module": CDR.module, "row_id__in": rows}
        open_ones = Delivery.objects.filter(**its, state__in=[Delivery.State.PENDING, Delivery.State.SENDING])
        return open_ones.exists() or Message.objects.filter(**its, expanded_at=None).exists()

    def there(self, row: OwnedObject) -> str:
        """Where the receiver keeps it. Its own server only: our token for it is sent along."""
        assert self.route.to is not None
        _, endpoint = relay.reached(self.route, self.module, self.role)
        if not row.receiver_url:
            raise HubError(
                f"{self.route.to} has not said where it keeps this CDR; without OCPI-to the hub shows it"
            )
        url = at_its_endpoint(endpoint, row.receiver_url)
        if not url:
            raise HubError(
                f"{self.route.to} keeps this CDR elsewhere than at its endpoint, where the hub does not go"
            )
        return url

    # ------------------------------------------------------------------------------- what contradicts
    def not_kept(self, address: Address, audience: str, body: bytes, fault: Exception) -> None:
        if isinstance(fault, Contradiction):
            self.note(address, body, fault)
            self.report(fault.kind, address, f"sent to {audience}: {fault.problem}", body)
        else:
            super().not_kept(address, audience, body, fault)

    def note(self, address: Address, body: bytes, fault: Contradiction) -> None:
        """Keep for the operator what came under the id of another CDR (interpretations, P92)."""
        name = f"{address.owner}/{address.object_id}, posted"
        logger.warning("cdrs/%s %s", address.path, fault.problem)
        refusals.note(self.platform, self.module, name, fault.problem, body)

    # ------------------------------------------------------------------------------- whose it is
    def address_of(self, body: bytes) -> Address:
        """The CDR's own, by the owner and id in its body. Raises InvalidObject, NotFound."""
        raw = store.as_object(store.parse(body))
        try:
            owner = PartyRef.parse(f"{raw.get('country_code')}*{raw.get('party_id')}")
            cdr_id = check(raw.get("id"), CdrID)
        except (ValueError, InvalidObject):
            check(raw, self.model.wire)  # says which field it is
            raise InvalidObject("$", "does not say whose CDR it is") from None
        self.must_own(owner)
        return Address(owner, cdr_id)


def add(
    model: type[OwnedObject], address: Address, body: bytes, source: Platform, audience: str | None
) -> Stored:
    """Write a CDR that is new, or find it. Raises Contradiction when another one has its id."""
    raw = store.as_object(store.parse(body))
    incoming = store.examine(model, raw, body)
    if address.object_id != address.object_id.strip():
        # As everywhere in a URL, which its Location is to be.
        raise InvalidObject("$.id", "begins or ends with a blank")
    return store.add(model, address, incoming, source, audience)

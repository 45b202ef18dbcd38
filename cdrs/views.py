"""CDRs: pushed by POST to the endpoint itself, and read back at the address in Location (mod_cdrs.asciidoc)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cdrs.models import CDR, ID_LENGTH
from ocpi_hub.exchange import store
from ocpi_hub.exchange.exceptions import NOTHING_HERE, NotFound
from ocpi_hub.exchange.ownedobject import Address, OwnedObject
from ocpi_hub.exchange.store import Stored
from ocpi_hub.exchange.views import NO_METHODS, ReceiverView, SenderView
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.codec import InvalidObject
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.types import PartyRef


class CDRsSender(SenderView):
    model = CDR


class CDRsReceiver(ReceiverView):
    model = CDR
    id_length = ID_LENGTH
    http_method_names = ["get", "post", *NO_METHODS]

    def post(self, request: Request, **kwargs: Any) -> Response:
        if self.segments():
            raise NotFound(NOTHING_HERE, StatusCode.CLIENT_ERROR)
        address = self.address_of(self.model.incoming(request.body, self.platform))
        response = self.accept(add, address)
        response["Location"] = f"{self.url}/{address.path}"
        return response

    def address_of(self, body: bytes) -> Address:
        """The CDR's own, by the owner and id in its body. Raises InvalidObject, NotFound."""
        raw = store.as_object(store.parse(body))
        country_code, party_id, cdr_id = (_text(raw, name) for name in ("country_code", "party_id", "id"))
        try:
            owner = PartyRef.parse(f"{country_code}*{party_id}")
        except ValueError:
            raise InvalidObject("$.party_id", "does not name a party such as NL and ABC") from None
        self.must_own(owner)
        return Address(owner, cdr_id)


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= ID_LENGTH
        or not value.isascii()
        or not value.isprintable()
    ):
        raise InvalidObject(f"$.{name}", f"required: 1 to {ID_LENGTH} printable ASCII characters")
    return value


def add(
    model: type[OwnedObject], address: Address, body: bytes, source: Platform, audience: str | None
) -> Stored:
    """Write a CDR that is new, or find it. Raises InvalidObject when another one has its id."""
    raw = store.as_object(store.parse(body))
    incoming = store.examine(model, raw, body)
    return store.add(model, address, incoming, source, audience)

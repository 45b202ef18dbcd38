"""Hub client info: a configuration module, so there is no routing; the hub is the owner of what it lists."""

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from hubclientinfo import listing
from hubclientinfo.models import NOBODY, ClientInfo
from ocpi_hub.exchange.exceptions import NOTHING_HERE, NotFound
from ocpi_hub.exchange.interfaces.renderers import answer
from ocpi_hub.exchange.interfaces.views import NO_METHODS, ReceiverView, SenderView
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.objects.ownedobject import Address
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.types import PartyRef


class ClientInfoSender(SenderView):
    model = ClientInfo

    def list(self) -> Response:
        listing.keep_true()
        return super().list()


class ClientInfoReceiver(ReceiverView):
    """For platforms that are hubs themselves: they tell us about their clients."""

    model = ClientInfo
    http_method_names = ["get", "put", *NO_METHODS]

    def get(self, request: Request, **kwargs: Any) -> Response:
        """What this hub told us about a party last; a party of several roles has one address."""
        hub, party = self.teller(), self.party()
        row = ClientInfo.objects.told_by(hub.key).filter(owner_key=party.key).order_by("-changed_at").first()
        if row is None:
            raise NotFound(f"hubclientinfo of {party} is not known here", StatusCode.INVALID_PARAMETERS)
        return answer(row.document.encode())

    def put(self, request: Request, **kwargs: Any) -> Response:
        hub, party = self.teller(), self.party()
        raw = store.as_object(store.parse(request.body))
        address = Address(party, hub.key, (), str(raw.get("role")))
        with transaction.atomic():
            stored = store.put(ClientInfo, address, request.body, self.platform, NOBODY)
        return answer(http_status=201 if stored.created else 200, message=stored.note)

    def teller(self) -> PartyRef:
        """The hub that calls. To all others this interface does not exist: this hub tells them, not they it."""
        party = self.platform.party_with(["HUB"])
        if party is None:
            raise NotFound(
                "only a platform in the role HUB tells this hub about its clients",
                StatusCode.INVALID_PARAMETERS,
            )
        return party.ref

    def party(self) -> PartyRef:
        """Whom the URL names."""
        segments = self.segments()
        if len(segments) != 2:
            raise NotFound(NOTHING_HERE, StatusCode.CLIENT_ERROR)
        return PartyRef(*self.checked(segments))

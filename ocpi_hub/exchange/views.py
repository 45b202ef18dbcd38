"""The Sender and Receiver interfaces of a Client Owned Object: decode, call one thing, answer."""

from typing import Any, ClassVar
from urllib.parse import unquote

from django.conf import settings
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ocpi_hub.exchange import outbox, store
from ocpi_hub.exchange.exceptions import NOTHING_HERE, InvalidParameters, MethodUnavailable, NotFound
from ocpi_hub.exchange.ownedobject import Address, OwnedObject
from ocpi_hub.exchange.pagination import Query, page
from ocpi_hub.exchange.renderers import answer
from ocpi_hub.exchange.routing import Route, route
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.throttling import bulkhead
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import MessageIDs, Routing
from ocpi_hub.protocol.types import PartyRef

ID_LENGTH = 36
OLDER_THAN_OURS = "accepted, but not stored: last_updated is older than that of what the hub has"


class OCPIView(APIView):
    """What every OCPI endpoint does alike: who calls, how often, and 405 in an envelope."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head", "options", "trace"]
    request: Request

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # A place is kept until the answer stands; dispatch() of the base class calls nothing after finalize.
        place = bulkhead.place(request.user.pk)
        place.__enter__()
        self._place = place

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        if place := self.__dict__.pop("_place", None):
            place.__exit__(None, None, None)
        return super().finalize_response(request, response, *args, **kwargs)

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise MethodUnavailable(f"{request.method} is not available here", self.methods())

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.http_method_not_allowed(request)

    head = options  # OCPI knows no HEAD, which Django would answer as a GET

    @property
    def default_response_headers(self) -> dict[str, str]:
        """None: the framework's own Allow would name HEAD and OPTIONS, and replace that of an error."""
        return {}

    def methods(self) -> list[str]:
        return [name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(self, name)]

    @property
    def platform(self) -> Platform:
        platform: Platform = self.request.user
        return platform

    @property
    def ids(self) -> MessageIDs:
        ids: MessageIDs = self.request._request.message_ids
        return ids


class RoutedView(OCPIView):
    """An endpoint of a functional module: it reads the routing headers and answers with them."""

    model: ClassVar[type[OwnedObject]]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in self.methods():
            self.route = route(Routing.from_headers(request.headers), self.platform)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        found: Route | None = getattr(self, "route", None)
        for name, value in (found.answer_headers() if found else {}).items():
            response[name] = value
        return response

    def segments(self) -> list[str]:
        """What follows the endpoint in the URL, split at slashes and only then decoded (interpretations, P16)."""
        raw = self.request.META.get("RAW_PATH")
        if not raw:
            rest = self.kwargs.get("rest", "").split("/")
            return rest[:-1] if rest[-1] == "" else rest
        path = raw.partition("?")[0].split("/")
        if path[1:5] != self.request.path_info.split("/")[1:5]:
            # An encoded slash before the object's address would shift what follows.
            raise NotFound(NOTHING_HERE, StatusCode.CLIENT_ERROR)
        rest = path[5:-1] if path[-1] == "" else path[5:]
        return [unquote(segment) for segment in rest]

    def variant(self) -> str:
        try:
            return self.model.variant_of(self.request.query_params.get("type"))
        except ValueError as error:
            raise InvalidParameters(str(error)) from error

    def checked(self, segments: list[str]) -> tuple[str, ...]:
        for segment in segments:
            if not 1 <= len(segment) <= ID_LENGTH or not segment.isascii() or not segment.isprintable():
                raise InvalidParameters(
                    f"{segment[:40]!r} in the URL is no id: 1 to 36 printable ASCII characters"
                )
        return tuple(segments)


class SenderView(RoutedView):
    """The hub as data sender: lists of what the caller may see, and single objects."""

    def get(self, request: Request, **kwargs: Any) -> Response:
        segments = self.segments()
        if not segments:
            return self.list(request)
        if len(segments) > 1 + len(self.model.children) or not self.model.children:
            raise NotFound(NOTHING_HERE, StatusCode.CLIENT_ERROR)
        return self.object(self.checked(segments))

    def list(self, request: Request) -> Response:
        query = Query.parse(request.query_params)
        url = f"{settings.HUB_BASE_URL}/ocpi/{self.platform.version}/sender/{self.model.module}"
        found = page(self.model.objects.visible_to(self.platform).settled(), query, url)
        return answer(found.documents, headers=found.headers)

    def object(self, segments: tuple[str, ...]) -> Response:
        found = self.model.objects.visible_to(self.platform).filter(key=segments[0].upper())[:2]
        if len(found) > 1:
            raise InvalidParameters("several parties have an object with this id; read the list instead")
        document = store.part_of(self.model, found[0].document, segments[1:]) if found else None
        if document is None:
            raise NotFound(f"{self.model.module}/{'/'.join(segments)} is not known here", self.model.unknown)
        return answer(store.parse(document))


class ReceiverView(RoutedView):
    """The hub as data receiver: an owner's objects, addressed by country code, party id and object id."""

    def get(self, request: Request, **kwargs: Any) -> Response:
        address = self.address()
        row = self.model.objects.at(address).first()
        document = store.part_of(self.model, row.document, address.children) if row else None
        if document is None:
            raise NotFound(
                f"{self.model.module}/{'/'.join(address.segments)} is not known here", self.model.unknown
            )
        return answer(store.parse(document))

    def put(self, request: Request, **kwargs: Any) -> Response:
        return self.accept(store.put)

    def patch(self, request: Request, **kwargs: Any) -> Response:
        return self.accept(store.patch)

    def accept(self, write: Any) -> Response:
        """Store what came in and publish it, in one transaction (a push in six hops, docs/architecture.md)."""
        address, body = self.address(), self.request.body
        with transaction.atomic():
            stored = write(self.model, address, body, self.platform)
            if not stored.stale:
                outbox.publish(
                    self.model,
                    address,
                    stored,
                    self.platform,
                    self.ids,
                    method=self.request.method,
                    body=body,
                )
        return answer(
            http_status=201 if stored.created else 200, message=OLDER_THAN_OURS if stored.stale else None
        )

    def address(self) -> Address:
        segments = self.segments()
        if not 3 <= len(segments) <= 3 + len(self.model.children):
            raise NotFound(
                "an object's address is the endpoint, country code, party id and object id",
                StatusCode.CLIENT_ERROR,
            )
        country_code, party_id, object_id, *children = self.checked(segments)
        owner = PartyRef(country_code, party_id)
        self.must_own(owner)
        return Address(owner, object_id, tuple(children), self.variant())

    def must_own(self, owner: PartyRef) -> None:
        """Only the owner reads and writes here; to all others these objects do not exist (MET-07, P61)."""
        parties = self.platform.parties.filter(key=owner.key, roles__contains=[self.model.owner_role])
        if self.route.sender.key != owner.key or not parties.exists():
            raise NotFound(
                f"{self.route.sender} sends this, and {self.model.module} of {owner} are pushed and read here"
                f" by {owner} only, as {self.model.owner_role}",
                StatusCode.INVALID_PARAMETERS,
            )

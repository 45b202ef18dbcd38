"""The Sender and Receiver interfaces of a Client Owned Object: decode, call one thing, answer."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar
from urllib.parse import unquote

from django.conf import settings
from django.db import DatabaseError, transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ocpi_hub.errorreports.occurrences import Evidence, note
from ocpi_hub.exchange.calls import presence
from ocpi_hub.exchange.exceptions import (
    NOTHING_HERE,
    HubError,
    InvalidParameters,
    MethodUnavailable,
    NotFound,
    OCPIError,
    Unanswered,
)
from ocpi_hub.exchange.interfaces.pagination import Query, page
from ocpi_hub.exchange.interfaces.renderers import Documents, answer
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.objects import store, upserts
from ocpi_hub.exchange.objects.ownedobject import Address, OwnedObject
from ocpi_hub.exchange.objects.upserts import Stored
from ocpi_hub.exchange.relays import relay, relayfailures
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.exchange.routing import Route, from_whom, must_exchange, to_whom, towards
from ocpi_hub.partners.authentication import RememberedToken
from ocpi_hub.partners.models import Endpoint, Platform
from ocpi_hub.partners.throttling import bulkhead
from ocpi_hub.protocol.client import MEGABYTE, Answer, CallFailed
from ocpi_hub.protocol.codec import InvalidObject
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import MessageIDs, Routing
from ocpi_hub.protocol.masking import masked, private_values
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)

ID_LENGTH = 36
NO_METHODS = ["head", "options", "trace"]  # answered with 405 in an envelope

Write = Callable[[type[OwnedObject], Address, bytes, Platform, str | None], Stored]


class OCPIView(APIView):
    """What every OCPI endpoint does alike: who calls, how often, and 405 in an envelope."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head", "options", "trace"]
    request: Request

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # A place is kept until the answer stands; dispatch() of the base class calls nothing after finalize.
        presence.heard(request.user.pk)
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
        names = [name for name in ("get", "post", "put", "patch", "delete") if hasattr(self, name)]
        return [name.upper() for name in names if name in self.http_method_names]

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

    authentication_classes = [RememberedToken]
    module: ClassVar[str] = ""
    role: ClassVar[str]  # which interface it is
    routed: ClassVar[bool] = True
    area = "relay"  # of the catalogue of failures: what it means that nobody answers
    route: Route
    relayed = False  # whether the answer is the receiver's

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.routed and request.method in self.methods():
            self.route = self.routed_by(request)

    def routed_by(self, request: Request) -> Route:
        routing = Routing.from_headers(request.headers)
        # In two steps, so that the answer to whoever names an unknown receiver has its headers, too.
        self.route = from_whom(routing, self.platform)
        return to_whom(self.route, routing, self.module, self.role)

    def send_to(self, to: PartyRef) -> None:
        """Make a party the addressee of a request that named none. Raises UnknownReceiver."""
        if self.route.to is None:
            self.route = towards(self.route, to, self.module, self.role)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        found: Route | None = getattr(self, "route", None)
        if found:
            headers = found.answer_headers() if self.relayed else found.own_headers()
            for name, value in headers.items():
                response[name] = value
        return response

    @property
    def url(self) -> str:
        """The endpoint's own address."""
        return f"{settings.HUB_BASE_URL}/ocpi/{self.platform.version}/{self.role.lower()}/{self.module}"

    def question(self, **changes: Any) -> Question:
        """The request as it came, for the receiver."""
        asked = Question(
            self.module,
            self.role,
            self.request.method or "",
            tuple(self.segments()),
            self.request.META.get("QUERY_STRING", ""),
            self.request.body or None,
            area=self.area,
        )
        return asked._replace(**changes)

    def ask(self, question: Question, *, timeout: float | None = None, limit: int = MEGABYTE) -> Answer:
        """What the addressee answers. Raises NotConnected, NotAnswered, HubError."""
        found = relay.ask(self.route, question, self.ids, timeout=timeout, limit=limit)
        self.relayed = True
        return found

    def pass_back(self, found: Answer, headers: dict[str, str] | None = None) -> Response:
        """The receiver's answer: its codes, message and data."""
        message = found.status_message
        if message and not found.ok and self.route.party:
            # Some partners repeat our token in their complaint, and that is nothing for whoever asked.
            message = masked(message, relayfailures.tokens_of(self.route.party.platform))
        return answer(
            found.data or None,
            http_status=found.http_status,
            status_code=found.status_code or StatusCode.HUB_ERROR,
            message=message,
            headers=headers,
        )

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

    id_length: ClassVar[int] = ID_LENGTH

    def checked(self, segments: list[str]) -> tuple[str, ...]:
        for segment in segments:
            if not 1 <= len(segment) <= self.id_length or not segment.isascii() or not segment.isprintable():
                raise InvalidParameters(
                    f"{segment[:40]!r} in the URL is no id: 1 to {self.id_length} printable ASCII characters"
                )
            if segment != segment.strip():
                # Whoever strips it would mean another object than we do.
                raise InvalidParameters(f"{segment!r} in the URL has a blank at its end or beginning")
        return tuple(segments)


class ObjectView(RoutedView):
    """One of the two interfaces of a Client Owned Object."""

    model: ClassVar[type[OwnedObject]]

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "model"):
            cls.module, cls.routed = cls.model.module, cls.model.routed

    def variant(self) -> str:
        try:
            return self.model.variant_of(self.request.query_params.get("type"))
        except ValueError as error:
            raise InvalidParameters(str(error)) from error


class SenderView(ObjectView):
    """The hub as data sender: lists of what the caller may see, and single objects."""

    role = Endpoint.Role.SENDER
    http_method_names = ["get", *NO_METHODS]

    def get(self, request: Request, **kwargs: Any) -> Response:
        segments = self.segments()
        if self.routed and self.route.to:
            self.must_be_for_the_sender()
            return self.relayed_object() if segments else self.relayed_list()
        if not segments:
            return self.list()
        if len(segments) > 1 + len(self.model.children) or not self.model.children:
            raise NotFound(NOTHING_HERE, StatusCode.CLIENT_ERROR)
        return self.object(self.checked(segments))

    @property
    def asking(self) -> str:
        """The key of the party that asks, where the module's requests name one."""
        return self.route.sender.key if self.routed else ""

    def query(self) -> Query:
        return Query.parse(self.request.query_params)

    def list(self) -> Response:
        if relay.VIA in self.request.query_params:
            raise InvalidParameters(
                f"{relay.VIA}: that Link is of another party; repeat OCPI-to of the page before"
            )
        found = page(self.model, self.model.visible_to(self.platform, self.asking), self.query(), self.url)
        return answer(found.documents, headers=found.headers)

    def object(self, segments: tuple[str, ...]) -> Response:
        found = self.model.objects.visible_to(self.platform, self.asking).filter(key=segments[0].upper())[:2]
        if len(found) > 1:
            raise InvalidParameters("several parties have an object with this id; read the list instead")
        document = store.part_of(self.model, found[0].document, segments[1:]) if found else None
        if document is None:
            raise NotFound(f"{self.model.module}/{'/'.join(segments)} is not known here", self.model.unknown)
        return answer(store.parse(document))

    def must_be_for_the_sender(self) -> None:
        """What a party may not see in the hub's lists it does not get by asking the owner through the hub."""
        if not self.model.is_for(set(self.route.roles)):
            raise InvalidParameters(
                f"{self.module} are for {', '.join(self.model.audience_roles)}, and {self.route.sender} is none"
            )

    def relayed_object(self) -> Response:
        if self.model.addressed:
            raise NotFound(NOTHING_HERE, StatusCode.CLIENT_ERROR)
        return self.pass_back(self.ask(self.question()))

    def relayed_list(self) -> Response:
        """A page of the addressee's own list; its Link leads through the hub (interpretations, P44, P48)."""
        assert self.route.to is not None
        platform, endpoint = relay.reached(self.route, self.module, self.role)
        mark = self.request.query_params.get(relay.VIA)
        asked = relay.onward(mark, platform, self.module) if mark else relay.below(endpoint, self.question())
        found = self.ask(self.question(url=asked), limit=relay.LIST_LIMIT)
        headers = {
            name: found.headers[name]
            for name in ("X-Total-Count", "X-Limit")
            if found.headers.get(name, "").isdecimal()
        }
        if link := relay.link_back(found, asked, endpoint, self.url, platform, self.module):
            headers["Link"] = link
        if self.model.addressed and found.ok:
            return self.for_the_sender_alone(found, headers)
        return self.pass_back(found, headers)

    def for_the_sender_alone(self, found: Answer, headers: dict[str, str]) -> Response:
        """A page without what is another's: not every owner looks at OCPI-from before it answers the hub."""
        try:
            listed = found.documents()
        except CallFailed as error:
            raise HubError(f"{self.route.to} answered what cannot be read") from error
        kept = Documents(
            document.decode()
            for document in listed
            if self.model.named_audience(document) == self.route.sender.key
        )
        if len(kept) < len(listed):
            logger.warning("%s listed %s of others to %s", self.route.to, self.module, self.route.sender)
            relayfailures.others_listed(self.route, self.question(), self.ids, len(listed) - len(kept))
            headers.pop("X-Total-Count", None)
        return answer(kept, http_status=found.http_status, message=found.status_message, headers=headers)


class ReceiverView(ObjectView):
    """The hub as data receiver: an owner's objects, addressed by country code, party id and object id."""

    role = Endpoint.Role.RECEIVER
    http_method_names = ["get", "put", "patch", *NO_METHODS]

    def get(self, request: Request, **kwargs: Any) -> Response:
        address = self.address()
        if self.route.to:
            return self.pass_back(self.ask(self.question()))
        row = self.model.objects.at(address).present().first()
        document = store.part_of(self.model, row.document, address.children) if row else None
        if document is None:
            raise NotFound(
                f"{self.model.module}/{'/'.join(address.segments)} is not known here", self.model.unknown
            )
        return answer(store.parse(document))

    def put(self, request: Request, **kwargs: Any) -> Response:
        return self.accept(store.put, self.address())

    def patch(self, request: Request, **kwargs: Any) -> Response:
        return self.accept(store.patch, self.address())

    def accept(self, write: Write, address: Address) -> Response:
        """Store what came in and publish it, or pass it on to the one party that it is for."""
        body = self.model.incoming(self.request.body, self.platform)
        if self.route.to:
            return self.pass_on(write, address, body)
        stored = self.keep(write, address, body)
        return answer(http_status=201 if stored.created else 200, message=stored.note)

    def keep(self, write: Write, address: Address, body: bytes) -> Stored:
        """Store and publish, both or neither (a push in six hops, docs/architecture.md)."""
        if self.route.from_hub and not self.model.addressed:
            # Each hub brings what is for everybody to its own clients, and to no hub (P39).
            raise HubError("what a hub sends to everybody goes no further here; name a party in OCPI-to")
        if write is store.put and not address.children and self.model.is_one_row():
            return self.keep_at_once(address, body)
        with transaction.atomic():
            stored = write(self.model, address, body, self.platform, None)
            self.must_reach(address, stored.audience)
            if not stored.stale:
                self.publish(address, stored, body)
        return stored

    def keep_at_once(self, address: Address, body: bytes) -> Stored:
        """The same by one statement, which needs no transaction around it: a Session has little time."""

        def noted(audience: str) -> upserts.Sequel:
            self.must_reach(address, audience)
            to_be = Stored(0, created=False, audience=audience)
            return outbox.as_sequel(
                outbox.message(self.model, address, to_be, self.platform, self.ids, method="PUT", body=body)
            )

        stored = store.put(self.model, address, body, self.platform, then=noted)
        if not stored.stale:
            outbox.ring()
        return stored

    def must_reach(self, address: Address, audience: str) -> None:
        """What is for one party alone must be able to get there. Raises UnknownReceiver."""
        if audience:
            must_exchange(self.route._replace(sender=address.owner), audience, self.module)

    def publish(self, address: Address, stored: Stored, body: bytes | None) -> None:
        method = self.request.method or ""
        outbox.publish(self.model, address, stored, self.platform, self.ids, method=method, body=body or None)

    # ----------------------------------------------------------------------------------- to one party alone
    def pass_on(self, write: Write, address: Address, body: bytes) -> Response:
        """Relay a push, and keep what the receiver accepted, as a copy for it alone (interpretations, P33).

        What could not reach it is kept as well, when it is sound: its state is delivered when the receiver is
        back, and the sender is told that it was not reached.
        """
        assert self.route.to is not None
        self.must_be_json(body)
        try:
            found = self.ask(self.question())
        except Unanswered:
            self.keep_copy(write, address, body, reached=False)
            raise
        if found.ok:
            if self.request.method != "PATCH":
                self.cover(address)
            self.keep_copy(write, address, body, reached=True)
        return self.pass_back(found)

    def cover(self, address: Address) -> None:
        """What waits for the receiver and has just reached it."""
        assert self.route.to is not None
        with self.hearing_the_receiver(address):
            outbox.cover(self.model, address, self.route.to.key)

    @contextmanager
    def hearing_the_receiver(self, address: Address) -> Iterator[None]:
        """By now the receiver has it, so whoever sent it hears what the receiver said, and not of our database."""
        try:
            yield
        except DatabaseError as error:
            what = f"what {address.owner} sent to {self.route.to} is not kept as it should be"
            logger.exception("%s: %s: a fault of the hub", self.module, what)
            text = f"{what}: {type(error).__name__}"
            note("hub.fault", self.platform.pk, self.module, text, party=address.owner.key, ids=self.ids)

    def must_be_json(self, body: bytes) -> None:
        """What is no JSON goes no further; our other findings are for our own copy only."""
        if self.request.method != "DELETE":
            with suppress(InvalidObject):
                store.parse(body)

    def keep_copy(self, write: Write, address: Address, body: bytes, *, reached: bool) -> Stored | None:
        """Our copy of what went to one party, where our check passes; it never changes what the sender hears."""
        assert self.route.to is not None
        audience = self.route.to.key
        try:
            with self.hearing_the_receiver(address), transaction.atomic():
                stored = write(self.model, address, body, self.platform, audience)
                if not reached and not stored.stale:
                    # Whatever comes in until then, the receiver gets the state of that moment.
                    self.publish(address, stored, None)
                return stored
        except (InvalidObject, OCPIError) as fault:
            self.not_kept(address, audience, body, fault)
        return None

    def not_kept(self, address: Address, audience: str, body: bytes, fault: Exception) -> None:
        """What went to one party is something that the hub itself would refuse."""
        # Not by its id: that of a token says who charges where.
        said = masked(str(fault), private_values(body, path=f"/{self.module}/{address.path}"))
        logger.info("%s of %s for %s is not kept: %s", self.module, address.owner, audience, said)
        if isinstance(fault, InvalidObject):
            self.report("object.not_kept", address, f"sent to {audience}: {fault}", body)

    def report(self, kind: str, address: Address, text: str, body: bytes = b"") -> None:
        """A failure that whoever sent the object does not hear of, for the error reports."""
        evidence = Evidence(self.request.method or "", request=body)
        owner = address.owner.key
        note(
            kind, self.platform.pk, self.module, text,
            party=owner, subject=address.path, evidence=evidence, ids=self.ids,
        )  # fmt: skip

    # --------------------------------------------------------------------------------------- whose it is
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
        is_owner = self.route.sender.key == owner.key and self.model.owner_role in self.route.roles
        if not is_owner and not self.is_hub_of(owner):
            raise NotFound(
                f"{self.route.sender} sends this, and {self.model.module} of {owner} are pushed and read here"
                f" by {owner} only, as {self.model.owner_role}",
                StatusCode.INVALID_PARAMETERS,
            )

    def is_hub_of(self, owner: PartyRef) -> bool:
        """Another hub may send in its own name what a party behind it owns (P38), whose agreements count then."""
        if "HUB" not in self.route.roles:
            return False
        behind = self.platform.parties.filter(key=owner.key, behind_hub=True)
        if not behind.filter(roles__contains=[self.model.owner_role]).exists():
            return False
        if self.route.to:
            must_exchange(self.route._replace(sender=owner), self.route.to.key, self.module)
        return True

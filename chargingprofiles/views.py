"""Charging profiles: to operators; results and updates back to whoever set one (mod_charging_profiles.asciidoc)."""

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from chargingprofiles.models import ProfileRequest
from chargingprofiles.queries import must_have_duration, take_response_url, with_response_url
from ocpi_hub.exchange.exceptions import InvalidParameters, NotFound
from ocpi_hub.exchange.interfaces.asking import AskingView, ResultsView, known, one_of, open_to, owner_of
from ocpi_hub.exchange.interfaces.renderers import answer
from ocpi_hub.exchange.interfaces.views import NO_METHODS
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.exchange.relays.callbacks import in_place
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.protocol import charging_profiles as chapter
from ocpi_hub.protocol.codec import check, parse
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.types import PartyRef

ANY_SESSION = "SCSP"  # the role of who may steer the Sessions of all providers


class ProfilesReceiver(AskingView):
    module = "chargingprofiles"
    http_method_names = ["get", "put", "delete", *NO_METHODS]
    reply = chapter.ChargingProfileResponse
    asking_roles = ("EMSP", "SCSP", "OTHER")

    def get(self, request: Request, **kwargs: object) -> Response:
        return self.ask_by_query()

    def delete(self, request: Request, **kwargs: object) -> Response:
        return self.ask_by_query()

    def put(self, request: Request, **kwargs: object) -> Response:
        body = request.body
        wire = check(store.as_object(parse(body)), chapter.SetChargingProfile)
        callback, question = self.request_for(wire.response_url, body.decode())
        changed = callbacks.readdressed(body, callbacks.address(callback))
        return self.ask_for_result(callback, question._replace(body=changed))

    def ask_by_query(self) -> Response:
        """GET and DELETE have no body, and their response_url in the query."""
        query = self.request.META.get("QUERY_STRING", "")
        response_url, rest = take_response_url(query)
        if self.request.method == "GET":
            must_have_duration(rest)
        callback, question = self.request_for(response_url, query)
        changed = with_response_url(rest, callbacks.address(callback))
        return self.ask_for_result(callback, question._replace(query=changed, body=None))

    def request_for(self, response_url: str, request: str) -> tuple[Callback, Question]:
        """Find out whom it is for, and note it."""
        session_id = session_in(self.segments(), self)
        self.must_be_a_provider()
        self.must_name_an_operator()
        self.send_to(self.operator_of(session_id))
        question, method = self.question(), self.request.method or ""
        with transaction.atomic():
            callback = callbacks.expect(
                self.route, self.platform, self.module, method, response_url, self.ids, request=request
            )
            ProfileRequest.objects.create(
                callback=callback,
                method=method,
                session_id=session_id,
                from_party=callback.from_party,
                to_party=callback.to_party,
                requested_at=callback.created_at,
            )
        return callback, question

    def operator_of(self, session_id: str) -> PartyRef:
        """The addressee; without one whose Session it is, of those that the caller may see."""
        found = open_to(self.route.sender, self.module, known("sessions", session_id, self.route.to))
        any_will_do = self.may_steer_any()
        seen = [row for row in found if any_will_do or row.audience == self.route.sender.key]
        if found and not seen:
            raise in_place("UNKNOWN_SESSION", f"{self.route.sender} has no session {session_id}")
        operator = self.route.to or owner_of(seen, f"a session {session_id}")
        if operator is None:
            message = f"this hub knows no session {session_id}; if there is one, name its operator in OCPI-to"
            raise in_place("UNKNOWN_SESSION", message)
        return operator

    def may_steer_any(self) -> bool:
        return ANY_SESSION in self.route.roles


class ProfilesSender(ResultsView):
    module = "chargingprofiles"
    http_method_names = ["post", "put", *NO_METHODS]
    results = {
        "GET": chapter.ActiveChargingProfileResult,
        "PUT": chapter.ChargingProfileResult,
        "DELETE": chapter.ClearProfileResult,
    }

    def put(self, request: Request, **kwargs: object) -> Response:
        """An update of an active profile: to its addressee, or to who set it (interpretations, P53)."""
        session_id = session_in(self.segments(), self)
        self.must_be_an_operator()
        raw = store.as_object(parse(request.body))
        setter = ProfileRequest.setter_of(self.route.sender, session_id)
        if setter is None:
            self.must_not_be_of_another_operator(session_id)
        if self.route.to is None:
            check(raw, chapter.ActiveChargingProfile)
            self.send_to(self.known_setter(setter, session_id))
        found = self.ask(self.question())
        # Without data, whatever the receiver says (CHP-06).
        code = found.status_code or StatusCode.HUB_ERROR
        return answer(http_status=found.http_status, status_code=code, message=found.status_message)

    def must_be_an_operator(self) -> None:
        if "CPO" not in self.route.roles:
            raise InvalidParameters(
                f"{self.route.sender} sends this, and is no CPO: operators tell of active profiles"
            )

    def must_not_be_of_another_operator(self, session_id: str) -> None:
        """A provider that goes by the session id alone would take it for the profile of its own customer."""
        rows = known("sessions", session_id)
        if rows and self.route.sender.key not in {row.owner_key for row in rows}:
            raise InvalidParameters(f"session {session_id} is not one of {self.route.sender}'s")

    def known_setter(self, setter: PartyRef | None, session_id: str) -> PartyRef:
        party = one_of({setter.key: setter} if setter else {}, f"set a profile of session {session_id}")
        if party is None:
            raise InvalidParameters(
                f"nobody has set a charging profile of {self.route.sender}'s session {session_id} through this hub"
                " successfully; name in OCPI-to whom this is for"
            )
        return party


def session_in(segments: list[str], view: AskingView | ResultsView) -> str:
    if len(segments) != 1:
        raise NotFound("the address is the endpoint, a slash and the id of a Session")
    return view.checked(segments)[0]

"""Sessions: who may see one and what a PATCH appends, the model declares. Preferences go to its operator."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from ocpi_hub.exchange.exceptions import InvalidParameters, NotFound, UnknownReceiver
from ocpi_hub.exchange.interfaces.pagination import Query
from ocpi_hub.exchange.interfaces.views import NO_METHODS, ReceiverView, SenderView
from ocpi_hub.exchange.objects.ownedobject import owned_models
from ocpi_hub.exchange.routing import is_known
from ocpi_hub.partners.agreements import Terms
from ocpi_hub.protocol.codec import parse, read
from ocpi_hub.protocol.envelope import StatusCode, format_time
from ocpi_hub.protocol.sessions import ChargingPreferences
from sessions.models import LISTED_BACK_TO, Session

PREFERENCES = "charging_preferences"
CAPABLE = "CHARGING_PREFERENCES_CAPABLE"


class SessionsReceiver(ReceiverView):
    model = Session


class SessionsSender(SenderView):
    model = Session
    http_method_names = ["get", "put", *NO_METHODS]

    def query(self) -> Query:
        """Without date_from the list begins thirty days back, and its Link says so (interpretations, P68)."""
        query = super().query()
        if query.date_from:
            return query
        return query._replace(date_from=format_time(timezone.now() - LISTED_BACK_TO))

    def methods(self) -> list[str]:
        return ["PUT"] if self.is_for_preferences() else ["GET"]

    def is_for_preferences(self) -> bool:
        return self.segments()[1:] == [PREFERENCES]

    def get(self, request: Request, **kwargs: Any) -> Response:
        if self.is_for_preferences():
            return self.http_method_not_allowed(request)
        return super().get(request, **kwargs)

    # ------------------------------------------------------------------------------- charging preferences
    def put(self, request: Request, **kwargs: Any) -> Response:
        """Preferences of a driver go to the operator of the Session, whose answer comes back."""
        if not self.is_for_preferences():
            return self.http_method_not_allowed(request)
        session_id = self.checked(self.segments())[0]
        read(request.body, ChargingPreferences)
        self.must_be_a_provider_that_asks_an_operator()
        session = self.session(session_id)
        if session is not None:
            must_be_capable(session)
            self.send_to(session.own_address.owner)
        return self.pass_back(self.ask(self.question()))

    def must_be_a_provider_that_asks_an_operator(self) -> None:
        """The operator sees the hub's token, and many do not look whose driver OCPI-from speaks for."""
        sender, party = self.route.sender, self.route.party
        if not self.route.roles.intersection(Session.audience_roles):
            roles = ", ".join(Session.audience_roles)
            raise InvalidParameters(f"preferences are those of drivers of {roles}, and {sender} is none")
        if party and Session.owner_role not in party.roles:
            raise NotFound(f"{party} is no {Session.owner_role}, and has no Sessions", self.model.unknown)

    def session(self, session_id: str) -> Session | None:
        """The caller's Session of this id; None when the operator that OCPI-to names has to know.

        Raises NotFound when it is no Session of the caller, UnknownReceiver when it may be one of several.
        """
        found = Session.objects.present().filter(key=session_id.upper())
        if self.route.to:
            found = found.filter(owner_key=self.route.to.key)
        terms = Terms.of([self.route.sender.key])
        its_own = [
            row
            for row in found.filter(audience=self.route.sender.key)
            if terms.allow(row.owner_key, self.route.sender.key, self.module)
        ]
        if len(its_own) > 1:
            raise UnknownReceiver(f"several operators have a Session {session_id}: name yours in OCPI-to")
        if not its_own and self.route.to and not found.exists():
            return None
        if not its_own:
            raise NotFound(f"sessions/{session_id} is not known here", self.model.unknown)
        if not is_known(its_own[0].owner_key):
            raise UnknownReceiver(
                f"this hub no longer knows {its_own[0].own_address.owner}, whose Session it is"
            )
        return its_own[0]


def must_be_capable(session: Session) -> None:
    """Raise NotFound when the hub knows of the EVSE that it takes no preferences (interpretations, P89)."""
    for evse in evses(session):
        if CAPABLE not in (evse.get("capabilities") or []):
            raise NotFound(
                f"EVSE {session.evse_uid}, where this Session is, takes no charging preferences",
                StatusCode.INVALID_PARAMETERS,
            )


def evses(session: Session) -> list[dict[str, Any]]:
    """Its EVSE as its Location has it for the Session's provider; empty when the hub does not know it."""
    locations = owned_models().get("locations")
    if locations is None:
        return []
    places = locations.objects.present().filter(
        owner_key=session.owner_key, key=session.location_id.upper(), audience__in=["", session.audience]
    )
    # What was sent to this provider alone tells it more than what is for everybody.
    place = places.order_by("-audience").first()
    document = parse(place.document.encode()) if place else {}
    return [evse for evse in document.get("evses") or [] if evse["uid"].upper() == session.evse_uid.upper()]

"""From whom, to whom (transport_and_format.asciidoc, Message Routing; interpretations, P32 to P63).

Headers and the calling Platform give a Route: to the hub, or to another party, to which relay.py takes it.
A module, and an owner, give the receivers of what is pushed for everybody.
"""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

from django.conf import settings
from django.db.models import Prefetch

from ocpi_hub.exchange.exceptions import HubError, InvalidParameters, UnknownReceiver
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.objects.ownedobject import OwnedObject
from ocpi_hub.partners import lookup
from ocpi_hub.partners.agreements import Terms, decided
from ocpi_hub.partners.directory import directory
from ocpi_hub.partners.models import Endpoint, Party, Platform
from ocpi_hub.protocol.headers import Routing
from ocpi_hub.protocol.types import PartyRef


class Route(NamedTuple):
    """Who asks whom; without an addressee it is the hub that is asked."""

    sender: PartyRef
    to: PartyRef | None = None
    party: Party | None = None  # the addressee's row with platform and endpoint, see towards()
    roles: frozenset[str] = frozenset()  # of the sender
    from_hub: bool = False  # whether another hub sends it, for itself or for a party behind it

    def leading_to(self, to: PartyRef, party: Party) -> "Route":
        """Raises HubError when it would go from hub to hub: that is how a request goes round for ever."""
        if self.from_hub and party.behind_hub:
            raise HubError(f"{to} is behind another hub, and what a hub sends goes to parties connected here")
        return self._replace(to=to, party=party)

    def answer_headers(self) -> dict[str, str]:
        """Of what the addressee answers."""
        return Routing(to=self.sender, sender=self.to or hub_party()).as_headers()

    def own_headers(self) -> dict[str, str]:
        """Of what the hub answers by itself."""
        return Routing(to=self.sender, sender=hub_party()).as_headers()


class Receiver(NamedTuple):
    """A platform that is to have an object, and the party there that it is addressed to."""

    platform_id: int
    party: str  # its key
    parties: list[str]  # the keys of the parties there that it may be for


def hub_party() -> PartyRef:
    return PartyRef(settings.HUB_COUNTRY_CODE, settings.HUB_PARTY_ID)


def from_whom(routing: Routing, platform: Platform) -> Route:
    """Who asks, as if it were the hub that is asked. Raises InvalidParameters."""
    party = _sender(routing.sender, platform)
    roles = frozenset(party.roles)
    return Route(routing.sender or party.ref, roles=roles, from_hub=party.behind_hub or "HUB" in roles)


def to_whom(asked: Route, routing: Routing, module: str, role: str) -> Route:
    """Where a request goes. Raises UnknownReceiver."""
    if routing.to is None or routing.to.key == hub_party().key:
        return asked
    return towards(asked, routing.to, module, role, says="OCPI-to names")


def towards(asked: Route, to: PartyRef, module: str, role: str, *, says: str = "it is for") -> Route:
    """A request on its way to another party, with all that is needed to get there. Raises UnknownReceiver."""
    wanted = (to.key, asked.sender.key, module, role)
    party = directory.get(("party", *wanted), lambda: lookup.addressee(*wanted))
    if party is None:
        raise UnknownReceiver(f"{says} {to}, and this hub knows no such party")
    if not decided(party.agreement):
        raise closed(asked.sender, to, module)
    return asked.leading_to(to, party)


def must_exchange(asked: Route, audience: str, module: str) -> None:
    """Raise UnknownReceiver or HubError when an object for one party alone cannot go there."""
    to = PartyRef.parse(audience)
    towards(asked, to, module, Endpoint.Role.RECEIVER, says="it belongs to")


def owner_in(key: str) -> PartyRef:
    """The party whose object has this key (ownedobject.Address)."""
    return PartyRef(*(unquote(segment) for segment in key.partition("?")[0].split("/")[:2]))


def closed(first: PartyRef, second: PartyRef, module: str) -> UnknownReceiver:
    return UnknownReceiver(
        f"{first} and {second} have no agreement on {module} at this hub; its operator makes one"
    )


def is_known(key: str) -> bool:
    """Whether there is such a party, connected or at least invited."""
    return Party.objects.known().filter(key=key).exists()


def _sender(named: PartyRef | None, platform: Platform) -> Party:
    """The party in OCPI-from, one of the platform's; its only party when none is named (P57)."""
    own = [party for party in platform.speaks_for if party.roles]
    if named is None:
        if len(own) == 1:
            return own[0]
        raise InvalidParameters("OCPI-from is missing, and your platform speaks for more than one party")
    for party in own:
        if party.key == named.key:
            return party
    behind = platform.parties.filter(key=named.key, behind_hub=True).first()
    if behind is None:
        raise InvalidParameters(f"OCPI-from names {named}, which is no party of your platform")
    return behind


def receivers(
    model: type[OwnedObject], variant: str = "", owner: str = "", terms: Terms | None = None
) -> Iterable[Receiver]:
    """Every platform that takes pushes of this module and has a party in a role that may see it.

    With an owner's key and his terms it is such a party that he has an agreement with.
    """
    withheld = model.withheld_from(owner) if owner else set()
    platforms = Platform.objects.reachable_for_push(model.module).exclude(pk__in=withheld)
    # What is for everybody is for whoever is connected here: each hub serves its own clients (P39).
    for platform in platforms.prefetch_related(Prefetch("parties", Party.objects.own())):
        if receiver := reader_at(platform, model, variant, owner, terms):
            yield receiver


def reader_at(
    platform: Platform, model: type[OwnedObject], variant: str, owner: str, terms: Terms | None
) -> Receiver | None:
    """The platform's first party that may see such an object of the owner."""
    parties = [party for party in platform.parties.all() if not party.behind_hub]
    for party in parties:
        is_open = terms is None or not model.routed or terms.allow(owner, party.key, model.module)
        if is_open and model.is_for(set(party.roles), variant):
            return Receiver(platform.pk, party.key, [party.key for party in parties])
    return None


def addressees(module: str, keys: set[str]) -> Iterable[Receiver]:
    """The platforms of these parties, as far as they take pushes of this module; results go to all of them."""
    platforms = Platform.objects.filter(parties__key__in=keys).distinct()
    is_result = module == Callback.MODULE
    reachable = platforms.registered() if is_result else platforms.reachable_for_push(module)
    named = Prefetch("parties", Party.objects.filter(key__in=keys))
    for platform in reachable.prefetch_related(named):
        parties = [party.key for party in platform.parties.all()]
        yield Receiver(platform.pk, parties[0], parties)


def interfaces() -> list[tuple[str, str]]:
    """(module, role) of every interface that the hub offers, as its version details list them."""
    return [
        ("credentials", Endpoint.Role.SENDER),
        *((module, role) for module in settings.OCPI_MODULES for role in Endpoint.Role.values),
    ]

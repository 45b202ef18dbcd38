"""Every request that any party could send to the hub, module by module; a new one adds its row to REQUESTS."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.conf import settings

from ocpi_hub.exchange.routing import interfaces
from ocpi_hub.partners.models import Endpoint, Party
from tests import examples
from tests.conformance.calls import METHODS, to
from tests.conformance.modules import MODULES, Module
from tests.conformance.planted import LATER, MODULE, NOBODY, OPERATORS, PLANTED, SECRET, Planted, document
from tests.partners import Partner


class Spot(NamedTuple):
    """A place at an interface of the hub."""

    role: str
    path: str  # below the endpoint, with its query
    body: Any = None
    may_write: frozenset[str] = NOBODY  # whose business it is, so that it is not tried in their name
    owner: str = "cpo"
    only_for: str = ""  # who tries it, where it is of no use to others
    get_asks: bool = False  # a GET sets something in motion, as a PUT does


class Request(NamedTuple):
    method: str
    url: str
    body: bytes
    variant: str
    headers: dict[str, str]
    may_be_relayed: bool

    def __str__(self) -> str:
        return f"{self.method} {self.url} ({self.variant})"


Spots = Callable[[dict[str, Partner]], Iterator[Spot]]


def of_client_owned(module: Module) -> Spots:
    """The list, each single object and the parts of one, and every object's own address."""

    def spots(cast: dict[str, Partner]) -> Iterator[Spot]:
        yield Spot(
            "SENDER", module.list().removeprefix(module.endpoint("sender")), module.make(last_updated=LATER)
        )
        for planted in PLANTED:
            if planted.module != module.name:
                continue
            stolen = document(planted, cast, last_updated=LATER, x_mark="stolen")
            owner, own = cast[planted.owner].party, frozenset({planted.owner})
            address = f"/{owner.replace('*', '/')}/{planted.id}"
            parts = ["", "/EVSE1", "/EVSE1/1"] if module.model.children else [""]
            for part in parts:
                yield Spot("SENDER", f"/{planted.id}{part}", stolen, owner=planted.owner)
                yield Spot("RECEIVER", address + part, stolen, own, planted.owner)
            if module.push_method == "POST":
                yield Spot("RECEIVER", "", stolen, own, planted.owner)
        yield from of_the_wrong_role(module, cast)

    return spots


def of_the_wrong_role(module: Module, cast: dict[str, Partner]) -> Iterator[Spot]:
    """An object of one's own, at one's own address, by whoever may own none in this module."""
    for who, partner in cast.items():
        country_code, party_id = partner.party.split("*")
        [party] = Party.objects.filter(country_code=country_code, party_id=party_id)
        if module.model.owner_role not in party.roles:
            made = module.make(country_code=country_code, party_id=party_id)
            target = module.target(module.push_method, owner=partner.party)
            path = target.removeprefix(module.endpoint("receiver"))
            yield Spot("RECEIVER", path, made, owner=who, only_for=who)


def of_sessions(cast: dict[str, Partner]) -> Iterator[Spot]:
    """Besides the objects themselves, their charging preferences; who has a Session of that id may send its own."""
    yield from of_client_owned(MODULE["sessions"])(cast)
    for planted in sessions():
        path = f"/{planted.id}/charging_preferences"
        yield Spot("SENDER", path, examples.charging_preferences(), customers_of(planted.id), planted.owner)


def sessions() -> list[Planted]:
    return [planted for planted in PLANTED if planted.module == "sessions"]


def customers_of(session_id: str) -> frozenset[str]:
    """The providers that have a Session of this id, each with an operator of its own."""
    return NOBODY.union(*(planted.seen_by for planted in sessions() if planted.id == session_id))


def of_tokens(cast: dict[str, Partner]) -> Iterator[Spot]:
    """Besides the objects themselves, what authorizes one: a question of operators to the provider."""
    yield from of_client_owned(MODULE["tokens"])(cast)
    yield Spot("SENDER", "/OBJECT1/authorize", {"location_id": "LOC1"}, OPERATORS, "emsp")


def of_commands(cast: dict[str, Partner]) -> Iterator[Spot]:
    """The result of a command, which its receiver alone may bring; orders to another one's session, by its token."""
    result = examples.command_result()
    yield Spot("SENDER", f"/START_SESSION/{SECRET}", result, frozenset({"cpo", "sister"}))
    for planted in sessions():
        stop = examples.stop_session(session_id=planted.id)
        yield Spot("RECEIVER", "/STOP_SESSION", stop, customers_of(planted.id), owner=planted.owner)
    for name, order in (("START_SESSION", examples.start_session()), ("RESERVE_NOW", examples.reserve_now())):
        yield Spot("RECEIVER", f"/{name}", order | {"location_id": "OBJECT2"}, frozenset({"emsp"}))


def of_charging_profiles(cast: dict[str, Partner]) -> Iterator[Spot]:
    """The profile of another one's session, which its customer and whoever steers all sessions may ask for."""
    query = "?duration=900&response_url=https%3A%2F%2Fxyz.example%2Fresults%2F1"
    for planted in sessions():
        whose = customers_of(planted.id) | {"scsp"}
        profile = examples.set_charging_profile()
        yield Spot("RECEIVER", f"/{planted.id}{query}", profile, whose, get_asks=True, owner=planted.owner)
    yield Spot("SENDER", "/OBJECT1", examples.active_charging_profile(), OPERATORS)
    result = {"result": "ACCEPTED"}
    yield Spot("SENDER", f"/PUT/{SECRET}", result)  # the secret of a command is none here


def of_hub_client_info(cast: dict[str, Partner]) -> Iterator[Spot]:
    """What the hub alone tells of its parties, and another hub of its own."""
    yield Spot("SENDER", "")
    told = examples.client_info(country_code="NL", party_id="ABC", role="CPO")
    yield Spot("RECEIVER", "/NL/ABC", told, frozenset({"hub"}))


REQUESTS: dict[str, Spots] = {
    **{module.name: of_client_owned(module) for module in MODULES},
    "sessions": of_sessions,
    "tokens": of_tokens,
    "commands": of_commands,
    "chargingprofiles": of_charging_profiles,
    "hubclientinfo": of_hub_client_info,
}


def requests(module: str, who: str, cast: dict[str, Partner]) -> Iterator[Request]:
    """Everything that this party could send to the module's interfaces and should get nothing foreign from."""
    offered = {role for name, role in interfaces() if name == module}
    for spot in REQUESTS[module](cast):
        if spot.role not in offered or spot.only_for not in ("", who):
            continue
        for method in METHODS:
            if who in spot.may_write and (method != "GET" or spot.get_asks):
                continue
            for variant, headers in variants(who, spot, cast).items():
                yield Request(
                    method,
                    f"/ocpi/2.2.1/{spot.role.lower()}/{module}{spot.path}",
                    b"" if spot.body is None else json.dumps(spot.body).encode(),
                    variant,
                    headers,
                    # Whoever asks another party itself is answered by that one.
                    method == "GET" and (spot.role == Endpoint.Role.SENDER or who == spot.owner)
                    and variant in ("to its owner", "to another party"),
                )  # fmt: skip


def variants(who: str, spot: Spot, cast: dict[str, Partner]) -> dict[str, dict[str, str]]:
    another = "other_emsp" if who == "emsp" else "emsp"
    owner, me = cast[spot.owner], cast[who]
    country_code, party_id = owner.party.split("*")
    in_its_name = {"OCPI-from-country-code": country_code, "OCPI-from-party-id": party_id}
    told = {
        "to nobody": {},
        "to the hub": to(f"{settings.HUB_COUNTRY_CODE}*{settings.HUB_PARTY_ID}"),
        "to its owner": to(owner.party),
        "to another party": to(cast[another].party),
    }
    if me.platform == owner.platform:
        return told
    return told | {
        "in its owner's name": in_its_name,
        "in its owner's name to another party": in_its_name | to(cast[another].party),
    }

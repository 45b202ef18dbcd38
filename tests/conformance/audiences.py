"""A hub full of marked objects, a cast of every role, and every request that any of them could send.

Each object carries a mark that occurs nowhere else, so that whoever sees a mark has seen that object. PLANTED
says who may see what; for the requests, each module has a row in REQUESTS.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.routing import interfaces
from ocpi_hub.partners.models import Endpoint, IssuedToken, Party, Platform, Status
from tests import examples
from tests.conformance.calls import METHODS, to
from tests.conformance.modules import MODULES, Module
from tests.partners import Network, Partner, register

LATER = "2026-03-02T08:00:00Z"
NOBODY: frozenset[str] = frozenset()
OPERATORS = frozenset({"cpo", "sister", "rival", "stranger"})
CUSTOMERS = frozenset({"emsp", "other_emsp", "stranger", "nsp", "other", "nap"})
SECRET = "end-of-the-url-that-the-operator-got"
MODULE = {module.name: module for module in MODULES}

# Besides cpo, rival, emsp, other_emsp and stranger, who have fixtures.
MORE = {
    "nsp": "SE-NSP-NSP",
    "other": "PL-OTH-OTHER",
    "nap": "ES-NAP-NAP",
    "scsp": "IT-SCS-SCSP",
    "hub": "CH-HU2-HUB",
}
CAST = ("cpo", "sister", "rival", "emsp", "other_emsp", "stranger", *MORE, "suspended", "invited")


def join_cast(network: Network, cast: dict[str, Partner]) -> dict[str, Partner]:
    """The whole cast: those given, one platform of each other role, and some who should hear nothing at all."""
    cast |= {who: register(network, who.upper(), party) for who, party in MORE.items()}
    cast["suspended"] = register(network, "SUS", "FI-SUS-CPO", "FI-SUS-EMSP")
    Platform.objects.filter(pk=cast["suspended"].platform.pk).update(status=Status.SUSPENDED)
    cast["invited"] = invite(network)
    # Another operator on the platform of NL*ABC: what one of them owns is not the other's.
    cast["cpo"].platform.parties.create(country_code="LU", party_id="TWO", roles=["CPO"])
    cast["sister"] = replace(cast["cpo"], party="LU*TWO")
    assert set(cast) == set(CAST)
    return cast


def invite(network: Network) -> Partner:
    """A platform that has its invitation and never registered."""
    platform = Platform.objects.create(name="INV", status=Status.PLANNED)
    Party.objects.create(platform=platform, country_code="DK", party_id="INV", invited_roles=["CPO", "EMSP"])
    token = IssuedToken.issue(platform, IssuedToken.Kind.INVITATION)
    partner = Partner(platform, token, "inv.example", party="DK*INV")
    network.hosts[partner.host] = partner.answer
    return partner


# ------------------------------------------------------------------------------------------ what is planted
class Planted(NamedTuple):
    """An object in the hub, and who may see it there."""

    module: str
    owner: str
    seen_by: frozenset[str]  # in lists; and to whom the hub sends it
    token_of: str = ""  # whose token was used, where there is one
    sent_to: str = ""  # the one party that it was addressed to, past everybody else
    id: str = "OBJECT1"
    deleted: bool = False

    @property
    def mark(self) -> str:
        """Ends with what is nowhere inside, so that none begins like another."""
        return "-".join(filter(None, ["mark", *self[:2], self.token_of, self.sent_to, self.id])).lower() + "!"

    @property
    def is_read_back(self) -> bool:
        """Whether its owner finds it at its own address: a copy for one party is not there."""
        return not self.deleted and (not self.sent_to or MODULE[self.module].addressed)


PLANTED = [
    # What is for everybody in a fitting role, never for its own platform.
    *(Planted(module, "cpo", CUSTOMERS) for module in ("locations", "tariffs")),
    *(Planted(module, "rival", CUSTOMERS) for module in ("locations", "tariffs")),
    *(Planted(module, "stranger", CUSTOMERS - {"stranger"}) for module in ("locations", "tariffs")),
    *(Planted("tokens", owner, OPERATORS) for owner in ("emsp", "other_emsp")),
    Planted("tokens", "stranger", OPERATORS - {"stranger"}),
    # A copy for one party is between those two, and no list has it (interpretations, P33).
    *(Planted(module, "cpo", NOBODY, sent_to="emsp") for module in ("locations", "tariffs")),
    Planted("tokens", "emsp", NOBODY, sent_to="cpo"),
    # Ids that one operator alone uses: these a Sender's single object could find.
    Planted("locations", "cpo", CUSTOMERS, id="OBJECT2"),
    Planted("locations", "cpo", NOBODY, sent_to="emsp", id="OBJECT3"),
    # What its owner deleted.
    Planted("tariffs", "cpo", NOBODY, id="OBJECT2", deleted=True),
    # What is for the provider of its token, or for the one that it was addressed to.
    *(
        planted
        for module in ("sessions", "cdrs")
        for planted in (
            Planted(module, "cpo", frozenset({"emsp"}), token_of="emsp"),
            Planted(module, "rival", frozenset({"emsp"}), token_of="emsp"),
            Planted(module, "stranger", frozenset({"other_emsp"}), token_of="other_emsp"),
            Planted(module, "cpo", frozenset({"other_emsp"}), token_of="other_emsp", id="OBJECT2"),
            Planted(module, "cpo", frozenset({"stranger"}), token_of="stranger", id="OBJECT3"),
            Planted(module, "cpo", frozenset({"other_emsp"}), token_of="emsp", sent_to="other_emsp", id="OBJECT4"),
        )
    ),
]  # fmt: skip


def plant(cast: dict[str, Partner]) -> None:
    """Push them all, as their owners would."""
    for planted in PLANTED:
        owner, module = cast[planted.owner], MODULE[planted.module]
        headers = to(cast[planted.sent_to].party) if planted.sent_to else {}
        assert module.push(owner, document(planted, cast), **headers).status_code == 1000, planted.mark
        if planted.deleted:
            assert owner.delete(module.path(planted.id)).codes == (200, 1000)
    expect_result(cast["emsp"], cast["cpo"])


def expect_result(requester: Partner, receiver: Partner) -> None:
    """A command of the one to the other, whose result is still to come."""
    Callback.objects.create(
        module="commands",
        kind="START_SESSION",
        secret=SECRET,
        requester=requester.platform,
        from_party=requester.party,
        receiver=receiver.platform,
        to_party=receiver.party,
        response_url=f"https://{requester.host}/results/1",
        correlation_id="correlation",
        answer="ACCEPTED",
        expires_at=timezone.now() + timedelta(days=1),
    )


def document(planted: Planted, cast: dict[str, Partner], **changes: Any) -> dict[str, Any]:
    country_code, party_id = cast[planted.owner].party.split("*")
    mark = {"x_mark": planted.mark}
    made = MODULE[planted.module].named(planted.id, country_code=country_code, party_id=party_id, **mark)
    if planted.token_of:
        country_code, party_id = cast[planted.token_of].party.split("*")
        made["cdr_token"] = {**made["cdr_token"], "country_code": country_code, "party_id": party_id}
    if planted.module == "locations":
        made["evses"] = [examples.evse(**mark, connectors=[examples.connector(**mark)])]
    return {**made, **changes}


def may_see(who: str) -> set[str]:
    """The marks that a party reads in lists, and of its own objects where they are pushed to."""
    return {
        planted.mark
        for planted in PLANTED
        if who in planted.seen_by or (who == planted.owner and planted.is_read_back)
    }


def is_sent(who: str) -> set[str]:
    """The marks that the hub sends to a party by itself."""
    return {planted.mark for planted in PLANTED if who in (planted.sent_to, *planted.seen_by)} - {
        planted.mark for planted in PLANTED if planted.sent_to not in ("", who)
    }


def marks(text: bytes | str) -> set[str]:
    said = text if isinstance(text, str) else text.decode()
    return {planted.mark for planted in PLANTED if planted.mark in said}


# ------------------------------------------------------------------------------------------------ requests
class Spot(NamedTuple):
    """A place at an interface of the hub."""

    role: str
    path: str  # below the endpoint, with its query
    body: Any = None
    may_write: frozenset[str] = NOBODY  # whose business it is, so that it is not tried in their name
    owner: str = "cpo"


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

    return spots


def of_sessions(cast: dict[str, Partner]) -> Iterator[Spot]:
    """Besides the objects themselves, their charging preferences."""
    yield from of_client_owned(MODULE["sessions"])(cast)
    for planted in PLANTED:
        if planted.module == "sessions":
            path = f"/{planted.id}/charging_preferences"
            yield Spot("SENDER", path, examples.charging_preferences(), planted.seen_by, planted.owner)


def of_tokens(cast: dict[str, Partner]) -> Iterator[Spot]:
    """Besides the objects themselves, what authorizes one: a question of operators to the provider."""
    yield from of_client_owned(MODULE["tokens"])(cast)
    yield Spot("SENDER", "/OBJECT1/authorize", {"location_id": "LOC1"}, OPERATORS, "emsp")


def of_commands(cast: dict[str, Partner]) -> Iterator[Spot]:
    """The result of a command, which its receiver alone may bring; and an order to another one's session."""
    result = examples.command_result()
    yield Spot("SENDER", f"/START_SESSION/{SECRET}", result, frozenset({"cpo", "sister"}))
    stop = examples.stop_session(session_id="OBJECT1")
    yield Spot("RECEIVER", "/STOP_SESSION", stop, frozenset({"emsp"}))


def of_charging_profiles(cast: dict[str, Partner]) -> Iterator[Spot]:
    """The profile of another one's session."""
    query = "?duration=900&response_url=https%3A%2F%2Fxyz.example%2Fresults%2F1"
    yield Spot("RECEIVER", f"/OBJECT1{query}", examples.set_charging_profile(), frozenset({"emsp", "scsp"}))
    yield Spot("SENDER", "/OBJECT1", examples.active_charging_profile(), frozenset({"cpo"}))


def of_hub_client_info(cast: dict[str, Partner]) -> Iterator[Spot]:
    """What the hub alone tells of its parties."""
    yield Spot("SENDER", "")
    yield Spot("RECEIVER", "/NL/ABC", examples.client_info(country_code="NL", party_id="ABC", role="CPO"))


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
        if spot.role not in offered:
            continue
        for method in METHODS:
            if method != "GET" and who in spot.may_write:
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
                    and variant not in ("to nobody", "to the hub"),
                )  # fmt: skip


def variants(who: str, spot: Spot, cast: dict[str, Partner]) -> dict[str, dict[str, str]]:
    another = "other_emsp" if who == "emsp" else "emsp"
    owner, me = cast[spot.owner], cast[who]
    country_code, party_id = owner.party.split("*")
    in_its_name = {"OCPI-from-country-code": country_code, "OCPI-from-party-id": party_id}
    return {
        "to nobody": {},
        "to the hub": to(f"{settings.HUB_COUNTRY_CODE}*{settings.HUB_PARTY_ID}"),
        "to its owner": to(owner.party),
        "to another party": to(cast[another].party),
        **({} if me.platform == owner.platform else {"in its owner's name": in_its_name}),
    }

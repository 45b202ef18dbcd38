"""A hub full of marked objects, and a cast of every role.

Each object carries a mark that occurs nowhere else, so that whoever sees a mark has seen that object. PLANTED
says who may see what.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from ocpi_hub.exchange.models import Callback
from ocpi_hub.partners.models import IssuedToken, Party, Platform, Status
from tests import examples
from tests.conformance.calls import to
from tests.conformance.modules import MODULES
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


# Whom a party of a role is told of as a client of the hub (interpretations, P134); of the hub itself nobody.
MEETS = {
    "CPO": {"EMSP", "NAP", "NSP", "OTHER", "SCSP"},
    "EMSP": {"CPO", "SCSP"},
    "SCSP": {"CPO", "EMSP"},
    "NSP": {"CPO"},
    "NAP": {"CPO"},
    "OTHER": {"CPO"},
    "HUB": {"CPO", "EMSP", "NAP", "NSP", "OTHER", "SCSP"},
}


def clients_of(partner: Partner) -> set[tuple[str, str]]:
    """(party, role) of everybody elsewhere that a platform is told of, connected or only invited."""
    own = [party.key for party in partner.platform.parties.all()]
    roles = {role for party in partner.platform.parties.all() for role in party.roles}
    met = {role for mine in roles for role in MEETS[mine]}
    others = Party.objects.exclude(key__in=own)
    return {
        (party.key, role) for party in others for role in {*party.roles, *party.invited_roles} if role in met
    }


def marks(text: bytes | str) -> set[str]:
    said = text if isinstance(text, str) else text.decode()
    return {planted.mark for planted in PLANTED if planted.mark in said}

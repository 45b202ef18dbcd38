"""A hub with everybody: its platforms, what the hub asks of each, and what each may hold.

What a platform may hold is worked out here from what the owners have and from what the story sent, and from
nothing of the hub's.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx

from simulator import ocpi
from simulator.ocpi import Party
from tests import examples
from tests.journeys.hub import Hub, Simulated, accepted
from tests.journeys.processes import wait_until

Objects = dict[str, Any]  # by key, such as NL/ABC/LOC1
Asked = tuple[str, str, str, str]  # method, path below the version, FROM, TO


class Member(NamedTuple):
    kind: str  # of the simulator
    parties: tuple[str, ...]
    options: tuple[str, ...]
    announce: tuple[str, ...] = ()


CAST = {
    "abc": Member("cpo", ("NL-ABC",), ("--count", "4", "--speed", "60")),
    "one": Member("cpo", ("BE-ONE", "BE-TWO"), ("--count", "4")),
    "ops": Member("cpo", ("FR-OPS",), ("--count", "4")),
    "msp": Member("emsp", ("DE-MSP",), ("--tokens", "4", "--seed", "msp")),
    "pro": Member("emsp", ("AT-PRO",), ("--tokens", "4", "--seed", "pro")),
    "duo": Member("emsp", ("IT-AAA", "IT-BBB"), ("--tokens", "4", "--seed", "duo")),
    "nsp": Member("emsp", ("SE-NSP",), ("--tokens", "0"), ("NSP",)),
    "oth": Member("emsp", ("PL-OTH",), ("--tokens", "0"), ("OTHER",)),
}
FIRST = {who: member.parties[0].replace("-", "*") for who, member in CAST.items()}
OPERATORS, PROVIDERS = ("abc", "one", "ops"), ("msp", "pro", "duo")
READERS = (*PROVIDERS, "nsp", "oth")
# Of what is for everybody: who owns it, and who may have it. Sessions and CDRs are the token owner's alone.
FOR_ALL = {
    "locations": (OPERATORS, READERS),
    "tariffs": (OPERATORS, READERS),
    "tokens": (PROVIDERS, OPERATORS),
}
FOR_ONE = ("sessions", "cdrs")


def home_of(party: str) -> str:
    """Whose platform a party such as IT-BBB or IT*BBB is on."""
    return next(who for who, member in CAST.items() if party.replace("*", "-") in member.parties)


def to(party: str) -> dict[str, str]:
    """Routing headers that address a party such as NL-HUB."""
    return ocpi.routing(Party.parse(party), None)


def by(party: str) -> dict[str, str]:
    return ocpi.routing(None, Party.parse(party))


def ends(headers: Any) -> tuple[str, str]:
    """FROM and TO of an answer."""
    return str(ocpi.routed(headers, "from")), str(ocpi.routed(headers, "to"))


def key_of(document: dict[str, Any]) -> str:
    """As the simulator files it."""
    parts = [document["country_code"], document["party_id"], document.get("uid") or document["id"]]
    parts += [document["type"]] if "uid" in document else []
    return "/".join(parts).upper()


def location(party: str, object_id: str, **changes: Any) -> dict[str, Any]:
    country_code, party_id = party.split("-")
    return examples.location(country_code=country_code, party_id=party_id, id=object_id, **changes)


def card_of(party: str, **changes: Any) -> dict[str, Any]:
    """What a Session or CDR says of a card of this provider."""
    country_code, party_id = party.split("-")
    return {**examples.session()["cdr_token"], "country_code": country_code, "party_id": party_id, **changes}


class Roaming:
    """Everybody at one hub, after each has read what there was."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        # A process ends with the thread that started it, so these threads stay until the end.
        self.pool = ThreadPoolExecutor(4)
        started = {who: self.pool.submit(self._start, member) for who, member in CAST.items()}
        self.cast: dict[str, Simulated] = {who: one.result() for who, one in started.items()}
        # What the story sent and is not an owner's own: to everybody, and to one platform.
        self.sent: dict[str, Objects] = {module: {} for module in FOR_ALL}
        self.told: dict[str, dict[str, Objects]] = {
            who: {module: {} for module in (*FOR_ALL, *FOR_ONE)} for who in CAST
        }
        self.missed: set[tuple[str, str]] = set()  # a platform and the key of what it was not sent
        wait_until(self._all_is_in_the_hub, 60, "the hub has read what everybody has")
        hub.settle()
        for who, one in self.cast.items():
            for module in self._taken(who):
                read = one.control.post("pull", json={"module": module})
                assert read.status_code == 200, read.text
        hub.settle()
        self.mark()

    def _start(self, member: Member) -> Simulated:
        first, *more = member.parties
        options = (*member.options, *(part for party in more for part in ("--party", party)))
        return self.hub.simulated(member.kind, first, *options, more=tuple(more), announce=member.announce)

    def _all_is_in_the_hub(self) -> bool:
        # A list shows nothing of the reader's own, so one of each side sees all that there is.
        listed = {
            module: self[reader].list(module) for module, reader in (("locations", "nsp"), ("tokens", "abc"))
        }
        return [len(listed["locations"]), len(listed["tokens"])] == [12, 12] and len(
            self["nsp"].list("tariffs")
        ) == 12

    def __getitem__(self, who: str) -> Simulated:
        return self.cast[who]

    @staticmethod
    def _taken(who: str) -> tuple[str, ...]:
        """The modules that its software receives, whether it may have any of it or not."""
        return ("tokens",) if who in OPERATORS else ("locations", "tariffs", "sessions", "cdrs")

    # ------------------------------------------------------------------------------------------- sending
    def call(
        self, party: str, method: str, path: str, body: Any = None, *, towards: str = "NL-HUB", **headers: str
    ) -> httpx.Response:
        """As one party, to another or to the hub."""
        addressed = to(towards) if towards else {}
        return self[home_of(party)].call(method, path, body, **{**by(party), **addressed, **headers})

    def broadcast(self, module: str, document: dict[str, Any]) -> httpx.Response:
        """PUT by its owner, for everybody."""
        party = f"{document['country_code']}-{document['party_id']}"
        query = f"?type={document['type']}" if module == "tokens" else ""
        path = f"receiver/{module}/{party.replace('-', '/')}/{document.get('uid') or document['id']}{query}"
        answer = self.call(party, "PUT", path, document)
        accepted(answer)
        self.sent[module][key_of(document)] = document
        return answer

    # --------------------------------------------------------------------------------- what the hub asked
    def mark(self) -> None:
        """From here on `asked` counts."""
        self.seen = {who: one.status()["requests"] for who, one in self.cast.items()}

    def requests(self) -> dict[str, list[dict[str, Any]]]:
        """What everybody was asked since the mark, but for what is between platform and hub; not who was not."""
        found = {
            who: [request for request in one.requests(self.seen[who]) if is_functional(request)]
            for who, one in self.cast.items()
        }
        return {who: requests for who, requests in found.items() if requests}

    def asked(self) -> dict[str, list[Asked]]:
        self.hub.settle()
        return {who: [told(request) for request in requests] for who, requests in self.requests().items()}

    # -------------------------------------------------------------------------------- what each may hold
    def may_hold(self, who: str) -> dict[str, Objects]:
        return {
            module: {**(self.of_all(module, who) if module in FOR_ALL else self.of_its_customers(module, who)),
                     **self.told[who][module]}
            for module in self._taken(who)
        }  # fmt: skip

    def of_all(self, module: str, who: str) -> Objects:
        owners, readers = FOR_ALL[module]
        if who not in readers:
            return {}
        owned = {key: made for owner in owners for key, made in self[owner].objects(module).items()}
        found = {**owned, **self.sent[module]}
        return {key: made for key, made in found.items() if (who, key) not in self.missed}

    def of_its_customers(self, module: str, who: str) -> Objects:
        """By whose token was used, whoever the operator is."""
        return {
            key: made
            for operator in OPERATORS
            for key, made in self[operator].objects(module).items()
            if home_of(f"{made['cdr_token']['country_code']}-{made['cdr_token']['party_id']}") == who
        }

    def holds(self, who: str) -> dict[str, Objects]:
        return {module: self[who].objects(module) for module in self._taken(who)}

    def must_hold_exactly_what_they_may(self) -> None:
        self.hub.settle()
        for who in CAST:
            holds, may = self.holds(who), self.may_hold(who)
            for module in may:
                odd = {key for key in holds[module].keys() | may[module].keys()
                       if holds[module].get(key) != may[module].get(key)}  # fmt: skip
                assert odd == set(), f"{who} holds {module} otherwise than it may: {sorted(odd)[:5]}"


HUBS = ("NL*HUB", "CH*HU2")


def is_functional(request: dict[str, Any]) -> bool:
    """Without what a hub reads for itself, by its schedule: a list that is not there at once is read again later."""
    path = request["path"].partition("/2.2.1/")[2]
    if not path.startswith(("sender/", "receiver/")) or "/hubclientinfo" in path:
        return False
    return not (request["method"] == "GET" and told(request)[2] in HUBS)


def told(request: dict[str, Any]) -> Asked:
    """One request of the hub, as it says whom it is from and for."""
    routing = request["routing"]
    sender, receiver = (
        f"{routing[f'{end}-country-code']}*{routing[f'{end}-party-id']}" for end in ("from", "to")
    )
    return request["method"], request["path"].partition("/2.2.1/")[2], sender, receiver

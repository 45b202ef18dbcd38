"""Many platforms at one hub, of which some may not see some things, and what each must hold in the end.

That is worked out from what was acknowledged to those who pushed and from the agreements below, and from nothing of
the hub's.
"""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from simulator.ocpi import Party
from tests.journeys.changing import Changing, ChangingLocation, ChangingTariff, ChangingToken, Charging
from tests.journeys.hub import Hub, Simulated
from tests.journeys.processes import wait_until
from tests.journeys.pushing import Pusher
from tests.journeys.roaming import Member, Objects

Held = dict[str, Objects]  # by module

OPERATOR = ("--count", "0")
PROVIDER = ("--tokens", "0")
CAST = {
    "abc": Member("cpo", ("NL-ABC",), OPERATOR),
    "msp": Member("emsp", ("DE-MSP",), (*PROVIDER, "--strict-cdrs")),
    "duo": Member("emsp", ("IT-AAA", "IT-BBB"), (*PROVIDER, "--strict-cdrs")),
    "pul": Member("emsp", ("ES-PUL",), PROVIDER),
    "one": Member("cpo", ("BE-ONE", "BE-TWO"), OPERATOR),
    "ops": Member("cpo", ("FR-OPS",), OPERATOR),
    "pro": Member("emsp", ("AT-PRO",), PROVIDER),
    "mix": Member("emsp", ("LU-DRV", "LU-NAV"), PROVIDER, ("EMSP", "NSP")),
    "nsp": Member("emsp", ("SE-NSP",), PROVIDER, ("NSP",)),
    "oth": Member("emsp", ("PL-OTH",), PROVIDER, ("OTHER",)),
}
SMALL = ("abc", "msp", "duo", "pul")
PULL_ONLY = "pul"


class Closed(NamedTuple):
    """Two parties that do not exchange a module; empty: nothing at all."""

    operator: str
    reader: str
    module: str = ""


CLOSED = (
    Closed("NL-ABC", "IT-AAA"),  # IT-BBB of the same platform may
    Closed("NL-ABC", "IT-BBB", "tariffs"),  # so that nobody there may
    Closed("NL-ABC", "AT-PRO"),
    Closed("BE-TWO", "DE-MSP", "locations"),
    Closed("BE-TWO", "DE-MSP", "tokens"),
    Closed("FR-OPS", "SE-NSP", "locations"),
    Closed("FR-OPS", "LU-DRV", "cdrs"),
)
SEES = {
    "CPO": ("tokens",),
    "EMSP": ("locations", "tariffs", "sessions", "cdrs"),
    "NSP": ("locations", "tariffs"),
    "OTHER": ("locations", "tariffs"),
}
MODULES = ("locations", "tariffs", "sessions", "cdrs", "tokens")


def roles(who: str) -> dict[str, str]:
    """The role of each party of a platform."""
    member = CAST[who]
    given = member.announce or (member.kind.upper(),)
    return {party: given[min(n, len(given) - 1)] for n, party in enumerate(member.parties)}


def are_open(one: str, other: str, module: str) -> bool:
    pairs = ({one, other} == {closed.operator, closed.reader} for closed in CLOSED)
    return not any(
        is_pair and closed.module in ("", module) for is_pair, closed in zip(pairs, CLOSED, strict=True)
    )


class Crowd:
    """Everybody of the cast at one hub, with the agreements, and an owner's hand for each that has something."""

    def __init__(self, hub: Hub, cast: tuple[str, ...], seed: object) -> None:
        self.hub, self.names, self.seed = hub, cast, seed
        self._close_pairs()
        # A process ends with the thread that started it, so these threads stay until the end.
        self.pool = ThreadPoolExecutor(3)
        started = {who: self.pool.submit(self._start, CAST[who]) for who in cast}
        self.cast: dict[str, Simulated] = {who: one.result() for who, one in started.items()}
        hub.sql(
            "UPDATE partners_platform SET pull_only = true WHERE id = %s", self.cast[PULL_ONLY].platform_id
        )
        wait_until(self._is_read, 90, "the hub has read what everybody has")
        hub.settle(60)
        for who in cast:
            self._read(who)  # whoever comes later is not pushed what was there before
        self.seen = {who: self.cast[who].status()["requests"] for who in cast}
        self.pushers = [self._pusher(who) for who in cast if roles_of(who) & {"CPO", "EMSP"}]

    def _start(self, member: Member) -> Simulated:
        first, *more = member.parties
        options = (*member.options, *(part for party in more for part in ("--party", party)))
        return self.hub.simulated(member.kind, first, *options, more=tuple(more), announce=member.announce)

    def _close_pairs(self) -> None:
        """Before anybody is there, so that nothing goes where it may not."""
        roles_here = {party: role for who in self.names for party, role in roles(who).items()}
        for closed in CLOSED:
            if {closed.operator, closed.reader} <= roles_here.keys():
                pair = [f"{party}-{roles_here[party]}" for party in (closed.operator, closed.reader)]
                module = ("--module", closed.module) if closed.module else ()
                self.hub.manage("agree", "--deny", "--new", "--between", *pair, *module)

    def _is_read(self) -> bool:
        """The first pull of every list is over."""
        unread = self.hub.sql(
            "SELECT count(*) FROM partners_endpoint e WHERE role = 'SENDER' AND module = ANY(%s) AND EXISTS ("
            " SELECT FROM partners_party p WHERE p.platform_id = e.platform_id AND p.roles && CASE module"
            "  WHEN 'tokens' THEN ARRAY['EMSP'] ELSE ARRAY['CPO'] END::varchar[])"
            " AND NOT EXISTS (SELECT FROM exchange_pull d WHERE d.platform_id = e.platform_id"
            "  AND d.module = e.module AND d.state = 'DONE')",
            list(MODULES),
        )
        return unread == [(0,)]

    def _read(self, who: str) -> None:
        """It reads everything that the hub has for it."""
        for module in self._taken(who):
            answer = self.cast[who].control.post("pull", json={"module": module})
            assert answer.status_code == 200, answer.text

    @staticmethod
    def _taken(who: str) -> list[str]:
        return [module for module in MODULES if any(module in SEES[role] for role in roles(who).values())]

    # ------------------------------------------------------------------------------------------- pushing
    def _pusher(self, who: str) -> Pusher:
        owners = [Party.parse(party) for party, role in roles(who).items() if role in ("CPO", "EMSP")]
        make = self._of_operator if CAST[who].kind == "cpo" else self._of_provider
        objects = [one for owner in owners for one in make(owner)]
        return Pusher(self.cast[who], objects, threads=3, seed=self.seed)

    def _of_operator(self, owner: Party) -> Iterator[Changing]:
        chance = random.Random(f"{self.seed}/{owner}")
        customers = [
            Party.parse(party)
            for who in self.names
            for party, role in roles(who).items()
            if role == "EMSP" and all(are_open(named(owner), party, one) for one in ("sessions", "cdrs"))
        ]
        for number in range(8):
            yield ChangingTariff(owner, f"TARIFF{number}")
        for number in range(24):
            yield ChangingLocation(owner, f"LOC{number}")
            yield Charging(owner, f"S{number}", customers, chance)

    def _of_provider(self, owner: Party) -> Iterator[Changing]:
        for number in range(24):
            yield ChangingToken(owner, f"CARD{number}", "RFID" if number % 2 else "APP_USER")

    def release(self, pushes: int) -> None:
        """Share so many pushes among those who push, more to operators."""
        weights = [6 if pusher.sender.role == "cpo" else 1 for pusher in self.pushers]
        given = [pushes * weight // sum(weights) for weight in weights]
        given[0] += pushes - sum(given)
        for pusher, share in zip(self.pushers, given, strict=True):
            pusher.release(share)

    @property
    def acknowledged(self) -> int:
        return sum(pusher.acknowledged for pusher in self.pushers)

    @property
    def done(self) -> bool:
        return all(pusher.done for pusher in self.pushers)

    def told(self, what: str) -> Counter[str]:
        """Of all who push together: `answers` or `pushed`."""
        total: Counter[str] = Counter()
        for pusher in self.pushers:
            total += getattr(pusher, what)
        return total

    # -------------------------------------------------------------------------------- what each may hold
    def may_hold(self, who: str) -> Held:
        held: Held = {module: {} for module in self._taken(who)}
        for pusher in self.pushers:
            for module in held:
                held[module] |= {
                    key: state
                    for key, state in pusher.expected(module).items()
                    if self._may_see(who, module, key, pusher.readers.get((module, key), ""))
                }
        for other in self.names:
            if CAST[other].kind == "cpo" and "tariffs" in held:
                own = self.cast[other].objects("tariffs")
                held["tariffs"] |= {
                    key: one for key, one in own.items() if self._may_see(who, "tariffs", key)
                }
        return held

    def _may_see(self, who: str, module: str, key: str, reader: str = "") -> bool:
        owner = "-".join(key.split("/")[:2])
        if owner in CAST[who].parties:
            return False
        return any(
            module in SEES[role] and are_open(owner, party, module)
            for party, role in roles(who).items()
            if not reader or party == reader.replace("*", "-")
        )

    def holds(self, who: str) -> Held:
        return {module: self.cast[who].objects(module) for module in self.may_hold(who)}

    # ------------------------------------------------------------------------------------------- verdict
    def faults(self) -> list[str]:
        """Everything that is not as it should be in the end, in words."""
        return [
            said
            for who in self.names
            for said in (*self._other_than_it_may(who), *self._sent_wrongly(who), *self._cdrs(who))
        ]

    def _other_than_it_may(self, who: str) -> Iterator[str]:
        if who == PULL_ONLY:
            self._read(who)
        holds, may = self.holds(who), self.may_hold(who)
        for module, objects in may.items():
            for key in sorted(holds[module].keys() | objects.keys()):
                held, right = holds[module].get(key), objects.get(key)
                if held != right:
                    yield f"{who}: {module} {key} is {difference(held, right)}"

    def _sent_wrongly(self, who: str) -> Iterator[str]:
        """What was sent to it and is not there any more counts as well."""
        for module, key, request in self._sent(who):
            what = f"{who} was sent {request['method']} {request['path']}"
            if who == PULL_ONLY:
                yield f"{what}, and is pull only"
            elif not self._may_see(who, module, key, self._reader(module, key)):
                yield f"{what}, which it may not see"

    def _cdrs(self, who: str) -> Iterator[str]:
        """One that comes again, because nobody knows what became of it, is the very same."""
        truth = self.may_hold(who).get("cdrs", {})
        for module, key, request in self._sent(who):
            if module == "cdrs" and request["body"] != truth.get(key):
                yield f"{who} was sent the CDR {key} with other content"

    def repeated_cdrs(self) -> int:
        """POSTs of CDRs that were sent to the same platform before."""
        posted = [
            Counter(key for module, key, _ in self._sent(who) if module == "cdrs") for who in self.names
        ]
        return sum(one.total() - len(one) for one in posted)

    def _sent(self, who: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """The pushes to its Receivers, each with module and key of its object."""
        for request in self.cast[who].requests(self.seen[who]):
            _, _, path = request["path"].partition("/receiver/")
            module, *parts = path.partition("?")[0].split("/")[:4]
            if module in MODULES and request["method"] != "GET":
                if module == "cdrs":
                    parts = [request["body"][name] for name in ("country_code", "party_id", "id")]
                yield module, "/".join(parts).upper(), request

    def _reader(self, module: str, key: str) -> str:
        return next(filter(None, (one.readers.get((module, key)) for one in self.pushers)), "")


def named(party: Party) -> str:
    return f"{party.country_code}-{party.party_id}"


def roles_of(who: str) -> set[str]:
    return set(roles(who).values())


def difference(held: Any, right: Any) -> str:
    """In a few words: what is missing, what should not be there, or which fields differ."""
    if held is None or right is None:
        return "missing" if held is None else "there, and may not be"
    fields = sorted(name for name in held.keys() | right.keys() if held.get(name) != right.get(name))
    return (
        f"otherwise in {fields}, last updated {held.get('last_updated')} and not {right.get('last_updated')}"
    )

"""Objects that change, and the pushes by which their owner tells of it; what was acknowledged is the truth."""

import random
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple, Protocol

from simulator import ocpi
from simulator.ocpi import Party
from tests import examples

Document = dict[str, Any]
# Before now, so that no clock finds it ahead, and late enough for lists that go back some days only.
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED")
CHANGES_OF_A_SESSION = 3  # then its CDR follows


class Change(NamedTuple):
    """A push, and what its object is for everybody once that is acknowledged."""

    sender: Party
    module: str
    method: str
    path: str  # below the owner's endpoint: country code, party id, id and so on; empty for a POST
    body: Document | None
    key: str  # as partners file the object
    state: Document | None  # None: there is none any more
    reader: str = ""  # the party that it is for, such as DE*MSP; empty: every fitting role


class Changing(Protocol):
    """Something of one owner. `whole` asks for a change that tells all, because of the last one nobody knows."""

    def change(self, number: int, *, whole: bool = False) -> Change: ...


def stamp(number: int) -> str:
    return ocpi.format_time(BEGIN + timedelta(milliseconds=number))


class ChangingLocation:
    """By turns the whole Location, an EVSE, a Connector, and statuses by PATCH; it comes whole at first."""

    def __init__(self, owner: Party, object_id: str) -> None:
        self.owner, self.is_there = owner, False
        evses = [examples.evse(uid="1"), examples.evse(uid="2")]
        self.document = examples.location(**owner._asdict(), id=object_id, evses=evses)

    def change(self, number: int, *, whole: bool = False) -> Change:
        at, turn = stamp(number), number % 7
        evse = self.document["evses"][number % 2]
        connector = evse["connectors"][0]
        self.document["last_updated"] = at
        if whole or turn == 0 or not self.is_there:
            self.is_there = True
            self.document["name"] = f"Change {number}"
            return self._push("PUT", self.document)
        evse["last_updated"] = at
        if turn == 1:
            evse["physical_reference"] = str(number)
            return self._push("PUT", evse, evse["uid"])
        if turn in (2, 3):
            connector |= {"max_amperage": number % 60 + 6, "last_updated": at}
            changed = {"max_amperage": connector["max_amperage"], "last_updated": at}
            body = connector if turn == 2 else changed
            return self._push("PUT" if turn == 2 else "PATCH", body, evse["uid"], connector["id"])
        evse["status"] = STATUSES[number % 3]
        return self._push("PATCH", {"status": evse["status"], "last_updated": at}, evse["uid"])

    def _push(self, method: str, body: Document, *part: str) -> Change:
        return pushed(self.owner, "locations", method, self.document, body, *part)


class ChangingTariff:
    """PUT, and now and then DELETE; what was deleted comes again. It ends with a state that `number` says."""

    def __init__(self, owner: Party, object_id: str) -> None:
        self.owner, self.is_there = owner, False
        self.document = examples.tariff(**owner._asdict(), id=object_id)

    def change(self, number: int, *, whole: bool = False) -> Change:
        if self.is_there and not whole and number % 4 == 0:
            self.is_there = False
            return pushed(self.owner, "tariffs", "DELETE", self.document, None)._replace(state=None)
        self.is_there = True
        text = [{"language": "en", "text": f"Change {number}"}]
        self.document |= {"tariff_alt_text": text, "last_updated": stamp(number)}
        return pushed(self.owner, "tariffs", "PUT", self.document, self.document)


class ChangingToken:
    """Blocked and released by PATCH, otherwise PUT."""

    def __init__(self, owner: Party, uid: str, kind: str) -> None:
        self.owner, self.is_there = owner, False
        self.document = examples.token(**owner._asdict(), uid=uid, type=kind)

    def change(self, number: int, *, whole: bool = False) -> Change:
        self.document |= {"valid": number % 2 == 0, "last_updated": stamp(number)}
        if whole or not self.is_there or number % 3 == 0:
            self.is_there = True
            self.document["visual_number"] = f"V{number}"
            body, method = self.document, "PUT"
        else:
            body, method = {name: self.document[name] for name in ("valid", "last_updated")}, "PATCH"
        return pushed(self.owner, "tokens", method, self.document, body)


class Charging:
    """A place where one Session follows another: PUT, PATCHes with a charging period each, COMPLETED, its CDR."""

    def __init__(self, owner: Party, name: str, readers: list[Party], chance: random.Random) -> None:
        self.owner, self.name, self.readers, self.chance = owner, name, readers, chance
        self.numbers = count(1)
        self._next()

    def _next(self) -> None:
        self.reader = self.chance.choice(self.readers)
        self.card = {**examples.session()["cdr_token"], **self.reader._asdict()}
        self.changes, self.over = 0, False
        self.session = examples.session(
            **self.owner._asdict(),
            id=f"{self.name}-{next(self.numbers)}",
            cdr_token=self.card,
            charging_periods=[],
            kwh=0,
        )

    def change(self, number: int, *, whole: bool = False) -> Change:
        if self.over and not whole:
            change = self._cdr(number)
            self._next()
            return change
        return self._session(number, whole)

    def _session(self, number: int, whole: bool) -> Change:
        self.changes += 1
        self.over = self.over or self.changes >= CHANGES_OF_A_SESSION
        begins = BEGIN + timedelta(milliseconds=number)
        period = {
            "start_date_time": ocpi.format_time(begins),
            "dimensions": [{"type": "ENERGY", "volume": self.changes}],
        }
        self.session["charging_periods"].append(period)
        status = "COMPLETED" if self.over else "ACTIVE"
        changed = {"kwh": self.changes, "status": status, "last_updated": stamp(number)}
        if self.over:
            changed["end_date_time"] = stamp(number)
        self.session |= changed
        if whole or self.changes == 1 or self.chance.random() < 0.2:
            return self._pushed("sessions", "PUT", self.session, self.session)
        return self._pushed("sessions", "PATCH", self.session, {**changed, "charging_periods": [period]})

    def _cdr(self, number: int) -> Change:
        cdr = examples.cdr(
            **self.owner._asdict(),
            id=f"C-{self.session['id']}",
            session_id=self.session["id"],
            cdr_token=self.card,
            last_updated=stamp(number),
        )
        return self._pushed("cdrs", "POST", cdr, cdr)._replace(path="")

    def _pushed(self, module: str, method: str, document: Document, body: Document) -> Change:
        change = pushed(self.owner, module, method, document, body)
        return change._replace(reader=str(self.reader))


def pushed(
    owner: Party, module: str, method: str, document: Document, body: Document | None, *part: str
) -> Change:
    object_id = document["uid"] if module == "tokens" else document["id"]
    kind = document["type"] if module == "tokens" else ""
    path = "/".join((*owner, object_id, *part)) + (f"?type={kind}" if kind else "")
    key = "/".join((*owner, object_id, *filter(None, [kind]))).upper()
    return Change(owner, module, method, path, deepcopy(body), key, deepcopy(document))


def locations_of(owner: Party, objects: int = 24) -> Iterator[Changing]:
    return (ChangingLocation(owner, f"LOC{number}") for number in range(objects))

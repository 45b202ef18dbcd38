"""Objects that a platform owns or has received, in the order in which they came, as the bytes that came."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

import msgspec

from simulator import ocpi
from simulator.ocpi import Party


class Head(msgspec.Struct):
    """The fields by which any object is filed; of any type, because live feeds have every type."""

    country_code: Any = None
    party_id: Any = None
    id: Any = None
    uid: Any = None
    type: Any = None
    last_updated: Any = None

    @property
    def owner(self) -> Party | None:
        country, party = self.country_code, self.party_id
        named = isinstance(country, str) and isinstance(party, str) and country and party
        return Party(country.upper(), party.upper()) if named else None


_head = msgspec.json.Decoder(Head)


def head(raw: bytes) -> Head:
    try:
        return _head.decode(raw)
    except msgspec.MsgspecError:
        return Head()


@dataclass(slots=True)
class Item:
    key: str
    raw: bytes
    owner: Party | None
    last_updated: datetime | None
    arrived: float

    @property
    def document(self) -> Any:
        return ocpi.decode(self.raw)


@dataclass(frozen=True, slots=True)
class Module:
    """One kind of object: how it is called in a path, and what may be done with it."""

    name: str
    id_field: str = "id"  # empty: nothing but its owner names it
    unknown: int = 2001  # the status code that goes with 404
    children: tuple[tuple[str, str], ...] = ()  # lists whose elements have a URL of their own
    typed: bool = False
    methods: tuple[str, ...] = ("GET", "PUT", "PATCH")  # of the Receiver
    appended: tuple[str, ...] = ()  # lists that a PATCH makes longer
    dated: bool = False  # its list wants a date_from
    lasting: bool = True  # stays when the hub's list no longer has it

    def key(self, owner: Party | None, object_id: Any, kind: Any = None) -> str:
        parts = list(owner or ("", ""))
        if self.id_field:
            parts.append(str(object_id))
        if self.typed:
            parts.append(str(kind or "RFID"))
        return "/".join(parts).upper()

    def path(self, document: dict[str, Any]) -> list[str]:
        """Where an object is put: its owner, and its id."""
        names = ("country_code", "party_id", *filter(None, [self.id_field]))
        return [str(document.get(name)) for name in names]


LOCATIONS = Module(
    "locations", unknown=2003, children=(("evses", "uid"), ("connectors", "id")), lasting=False
)
TARIFFS = Module("tariffs", methods=("GET", "PUT", "DELETE"), lasting=False)
SESSIONS = Module("sessions", appended=("charging_periods",), dated=True)
CDRS = Module("cdrs", methods=("GET", "POST"))
TOKENS = Module("tokens", "uid", 2004, typed=True, lasting=False)
CLIENTS = Module("hubclientinfo", "", methods=("GET", "PUT"))


class Objects:
    """All objects of one module. Safe to use from every thread."""

    def __init__(self, module: Module, default_owner: Party | None = None) -> None:
        self.module, self.default_owner = module, default_owner
        self.lock = threading.RLock()
        self._order: list[Item] = []
        self._by_key: dict[str, Item] = {}
        self._by_id: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._order)

    def load(self, raws: Iterable[bytes]) -> None:
        """File objects as they are: those without an id, or with one seen before, are kept as well."""
        for raw in raws:
            item = self._item(raw)
            with self.lock:
                taken = not item.key or item.key in self._by_key
                if taken:
                    item.key = f"{item.key}#{len(self._order)}"
                self._append(item)

    def put(self, raw: bytes) -> bool:
        """Store one object under its own key; says whether it is new."""
        item = self._item(raw)
        with self.lock:
            known = self._by_key.get(item.key)
            if known is None:
                self._append(item)
                return True
            known.raw, known.owner = item.raw, item.owner
            known.last_updated, known.arrived = item.last_updated, item.arrived
            return False

    def put_newer(self, raw: bytes) -> str:
        """Store an object from a list, unless what is here is newer; answers its key."""
        key = self.key_of(raw)
        with self.lock:
            known, moment = self.get(key), ocpi.parse_time(head(raw).last_updated)
            if known and known.last_updated and moment and known.last_updated > moment:
                return key
            self.put(raw)
            return key

    def key_of(self, raw: bytes) -> str:
        return self._item(raw).key

    def get(self, key: str) -> Item | None:
        return self._by_key.get(key.upper())

    def find(self, object_id: str) -> Item | None:
        """The first object with this id (UID/TYPE of a Token), whoever owns it."""
        return self._by_id.get(object_id.upper())

    def at(self, index: int) -> Item:
        return self._order[index]

    def items(self) -> list[Item]:
        with self.lock:
            return list(self._order)

    def remove(self, key: str) -> bool:
        """Forget one object; says whether it was here."""
        known = self.get(key)
        if known is None:
            return False
        self._forget({known.key})
        return True

    def drop_others(self, seen: set[str], before: float) -> int:
        """Forget what a complete pull did not name and what has not arrived since it began."""
        with self.lock:
            gone = [item for item in self._order if item.key not in seen and item.arrived < before]
            if gone:
                self._forget({item.key for item in gone})
            return len(gone)

    def _forget(self, lost: set[str]) -> None:
        with self.lock:
            kept = [item for item in self._order if item.key not in lost]
            self._order, self._by_key, self._by_id = [], {}, {}
            for item in kept:
                self._append(item)

    def page(
        self,
        offset: int,
        limit: int,
        owner: Party | None = None,
        date_from: datetime | None = None,
        date_to: datetime | None = None,
    ) -> tuple[int, list[bytes]]:
        """How many match, and one page of them. What has no readable last_updated matches every date."""
        with self.lock:
            found = self._order
            if owner or date_from or date_to:
                found = [item for item in found if matches(item, owner, date_from, date_to)]
            return len(found), [item.raw for item in found[offset : offset + limit]]

    def count_by_owner(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for item in self.items():
            counts[str(item.owner)] = counts.get(str(item.owner), 0) + 1
        return counts

    def _item(self, raw: bytes) -> Item:
        names = head(raw)
        owner = names.owner or self.default_owner
        object_id = getattr(names, self.module.id_field) if self.module.id_field else ""
        key = "" if object_id is None else self.module.key(owner, object_id, names.type)
        return Item(key, bytes(raw), owner, ocpi.parse_time(names.last_updated), monotonic())

    def _append(self, item: Item) -> None:
        self._order.append(item)
        self._by_key[item.key] = item
        self._by_id.setdefault(item.key.split("/", 2)[-1], item)


def matches(item: Item, owner: Party | None, date_from: datetime | None, date_to: datetime | None) -> bool:
    if owner and item.owner != owner:
        return False
    if item.last_updated is None:
        return True
    return (date_from is None or item.last_updated >= date_from) and (
        date_to is None or item.last_updated < date_to
    )

"""What a hop is about: the names that it is found by, out of its path and its bodies.

Each thing has its full name, such as session:NL/ABC/S1, or session:S1 where its owner is not known, and its bare id,
S1, for whoever was told no more. Ids and owners are in upper case, because they compare without it. What cannot be
read gives fewer names, never an error.
"""

import hashlib
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import msgspec

from ocpi_hub.journal.kinds import AUTHORIZATION, CONTRACT, EVSE, RESULT, THINGS, Thing

LONGEST_ID = 64
MOST_LISTED = 200  # objects of a list whose names are taken
MOST_EVSES = 50  # of one object
SHORTEST = 8  # of the end of a response_url
RESULTS = "callbacks"  # the module of what goes to a response_url, as exchange has it
ASKING = frozenset({"commands", "chargingprofiles", RESULTS})
LISTED = frozenset(
    {"sessions", "cdrs"}
)  # pages of the other lists are about everything, and so about nothing


class Place(NamedTuple):
    """Where a request goes: below which interface of which module."""

    module: str
    interface: str = ""
    segments: tuple[str, ...] = ()
    query: str = ""


class _Said(msgspec.Struct):
    """What of an OCPI object tells what it is about; nothing is checked, everything else is skipped."""

    id: Any = None
    uid: Any = None
    country_code: Any = None
    party_id: Any = None
    evse_id: Any = None
    evse_uid: Any = None
    evse_uids: Any = None
    location_id: Any = None
    session_id: Any = None
    contract_id: Any = None
    authorization_reference: Any = None
    response_url: Any = None
    cdr_token: Any = None
    cdr_location: Any = None
    token: Any = None
    location: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")


_OBJECT = msgspec.json.Decoder(_Said)
_LIST = msgspec.json.Decoder(list[_Said])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def names_of(place: Place, request: bytes, answer: bytes) -> list[str]:
    """Every name of what the hop is about, full ones and bare ids."""
    owner = _owner(place.segments[0], place.segments[1]) if len(place.segments) > 2 else ""
    found = _Names(place.module, owner)
    found.in_path(place, place.segments[2:] if owner else place.segments)
    if "response_url" in place.query:
        for url in parse_qs(place.query).get("response_url", ()):
            found.add_result(end_of(url))
    if request and (said := _read(request)):
        found.in_body(said)
    if answer:
        for said in _answered(place, answer):
            found.in_body(said)
    return list(found.names)


class _Names:
    """Gathers them, each once and in order."""

    def __init__(self, module: str, owner: str) -> None:
        self.module, self.owner = (
            module,
            owner,
        )  # whose the object in the path is; empty: it is not said there
        self.names: dict[str, None] = {}

    def add(self, thing: Thing, owner: str, object_id: Any) -> None:
        if not isinstance(object_id, str):
            return
        text = object_id.strip().upper()
        if text and len(text) <= LONGEST_ID and text.isprintable():
            self.names[full_name(thing, owner, text)] = None
            self.names[text] = None

    def add_result(self, end: str) -> None:
        # A shorter one may be that of two partners.
        if len(end) >= SHORTEST:
            self.names[result_name(end)] = None

    # -------------------------------------------------------------------------------------------- the path
    def in_path(self, place: Place, segments: tuple[str, ...]) -> None:
        if not segments:
            return
        if self.module in THINGS:
            self.add(THINGS[self.module], self.owner, segments[0])
            if self.module == "locations" and len(segments) > 1:
                self.add(EVSE, self.owner, segments[1])
        elif self.module in ASKING:
            self._asked_about(place, segments)

    def _asked_about(self, place: Place, segments: tuple[str, ...]) -> None:
        """A result comes to KIND/SECRET; a charging profile is below the id of its Session."""
        if self.module == RESULTS or (place.interface == "sender" and len(segments) == 2):
            self.add_result(segments[-1])
        elif self.module == "chargingprofiles":
            self.add(THINGS["sessions"], "", segments[0])

    # ------------------------------------------------------------------------------------------ the bodies
    def in_body(self, said: "_Said") -> None:
        owner = _owner(said.country_code, said.party_id) or self.owner
        if self.module == "tokens":
            self.add(THINGS["tokens"], owner, said.uid)
            self.add(CONTRACT, "", said.contract_id)
        elif self.module in THINGS:
            self.add(THINGS[self.module], owner, said.id)
        if self.module == "locations":
            self.add(EVSE, owner, said.uid)
        self.add(THINGS["sessions"], owner, said.session_id)
        self.add(AUTHORIZATION, "", said.authorization_reference)
        self._at(said.location_id, said.evse_uid, said.evse_id, owner)
        self._of_token(said.cdr_token)
        self._of_token(said.token)
        self._at_place(said.cdr_location, owner)
        self._at_place(said.location, owner)
        if isinstance(said.response_url, str):
            self.add_result(end_of(said.response_url))

    def _of_token(self, token: Any) -> None:
        if isinstance(token, dict):
            whose = _owner(token.get("country_code"), token.get("party_id"))
            self.add(THINGS["tokens"], whose, token.get("uid"))
            self.add(CONTRACT, "", token.get("contract_id"))

    def _at_place(self, place: Any, owner: str) -> None:
        """A cdr_location, or the LocationReferences of an authorization."""
        if isinstance(place, dict):
            location = place.get("location_id") or place.get("id")
            self._at(location, place.get("evse_uid"), place.get("evse_id"), owner)
            uids = place.get("evse_uids")
            # Each name is a row of an index: nobody may make thousands of them by one request.
            for uid in uids[:MOST_EVSES] if isinstance(uids, list) else ():
                self.add(EVSE, owner, uid)

    def _at(self, location_id: Any, evse_uid: Any, evse_id: Any, owner: str) -> None:
        self.add(THINGS["locations"], owner, location_id)
        self.add(EVSE, owner, evse_uid)
        # The number on the charger names its operator by itself.
        self.add(EVSE, "", evse_id)


def full_name(thing: Thing, owner: str, object_id: str) -> str:
    """Owner and id in upper case."""
    return f"{thing.word}:{owner}/{object_id}" if owner else f"{thing.word}:{object_id}"


def result_name(end: str) -> str:
    """The name of a request and its results, which shows nothing of the address that they go to."""
    return full_name(RESULT, "", hashlib.sha256(end.encode()).hexdigest()[:24].upper())


def end_of(url: str) -> str:
    """The last segment of a response_url, which makes it unique."""
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]


def _owner(country_code: Any, party_id: Any) -> str:
    """Such as NL/ABC; empty when this is none."""
    if not isinstance(country_code, str) or not isinstance(party_id, str):
        return ""
    both = len(country_code) == 2 and country_code.isalpha() and 1 <= len(party_id) <= 3
    return f"{country_code}/{party_id}".upper() if both else ""


def segments_of(path: str) -> tuple[str, ...]:
    """What is between the slashes, decoded; one at the end counts for nothing."""
    path = path.strip("/")
    if not path:
        return ()
    return tuple(map(unquote, path.split("/"))) if "%" in path else tuple(path.split("/"))


# -------------------------------------------------------------------------------------------------- reading
def _read(body: bytes) -> "_Said | None":
    try:
        return _OBJECT.decode(body)
    except _UNREADABLE:
        return None


def _answered(place: Place, body: bytes) -> "list[_Said]":
    """The data of an envelope: an object, or the objects of a list."""
    envelope = _read(body)
    data = bytes(envelope.data) if envelope else b""
    if data.startswith(b"{"):
        said = _read(data)
        return [said] if said else []
    if not data.startswith(b"[") or place.module not in LISTED:
        return []
    try:
        return _LIST.decode(data)[:MOST_LISTED]
    except _UNREADABLE:
        return []

"""May this card charge? The CPO asks the hub, and the eMSP that issued it answers (mod_tokens.asciidoc)."""

import uuid
from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from simulator import ocpi
from simulator.hub import Reply, Unreachable
from simulator.interfaces import Call, Sender, read_object, refuse_method
from simulator.objects import TOKENS, Item
from simulator.ocpi import OCPIError
from simulator.places import Place
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.cpo import CPO

LOCAL = ("ALLOWED", "ALLOWED_OFFLINE")  # whitelists by which we may decide when nobody answers


class Permit(msgspec.Struct):
    """What the CPO makes of a card: `allowed` is the eMSP's word, or why there is none."""

    allowed: str
    auth_method: str = "AUTH_REQUEST"
    token: dict[str, Any] | None = None
    authorization_reference: str | None = None
    ms: int | None = None  # that the question took
    unanswered: str | None = None  # why our own list had to decide


class Authorizing:
    """The CPO's side. `counts` are the answers by word, and WHITELIST where our list allowed it."""

    def __init__(self, platform: "CPO") -> None:
        self.platform = platform
        self.counts: Counter[str] = Counter()

    def permit(self, uid: str, place: Place) -> Permit:
        known = self.known(uid)
        token = known.document if known else None
        if token and token.get("whitelist") == "ALWAYS":
            found = Permit("ALLOWED" if token.get("valid") else "BLOCKED", "WHITELIST", token)
        else:
            found = self.ask(uid, place, known)
            if found.token is None and token and token.get("valid") and token.get("whitelist") in LOCAL:
                found = Permit("ALLOWED", "WHITELIST", token, ms=found.ms, unanswered=found.allowed)
        listed = found.auth_method == "WHITELIST" and found.allowed == "ALLOWED"
        self.counts["WHITELIST" if listed else found.allowed] += 1
        return found

    def known(self, uid: str) -> Item | None:
        """The Token of a card, of whichever eMSP."""
        return self.platform.received.find(f"{uid}/RFID")

    def ask(self, uid: str, place: Place, known: Item | None) -> Permit:
        routing = ocpi.routing(known.owner if known else None, place.owner)
        where = {"location_id": place.location["id"], "evse_uids": [place.evse["uid"]]}
        path, body, began = (uid, "authorize"), ocpi.encode(where), monotonic()
        try:
            reply = self.platform.call(
                TOKENS.name, "SENDER", "POST", path, body, routing, query={"type": "RFID"}
            )
        except Unreachable as error:
            self.platform.tell(f"Authorization of {uid}: {error}")
            return Permit("UNREACHABLE")
        return permit_of(reply, round(1000 * (monotonic() - began)))


def permit_of(reply: Reply, ms: int) -> Permit:
    if not reply.success:
        unknown = reply.status == 404 and reply.code == 2004
        return Permit("UNKNOWN" if unknown else f"HTTP {reply.status}, {reply.code} {reply.message}", ms=ms)
    answer = ocpi.decode(reply.data)
    reference = answer.get("authorization_reference")
    return Permit(answer["allowed"], token=answer["token"], authorization_reference=reference, ms=ms)


class TokensSender:
    """The eMSP's side: its list of Tokens, and below each the question whether it may charge."""

    def __init__(self, sender: Sender, needs_location: bool) -> None:
        self.sender, self.needs_location = sender, needs_location
        self.counts: Counter[str] = Counter()  # answers by word

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        if len(path) != 2 or path[1] != "authorize":
            return self.sender.answer(request, path, call)
        refuse_method(request, "POST")
        kind = request.query.get("type") or "RFID"
        body = read_object(request) if request.body.strip() not in (b"", b"null") else {}
        return Answer(body=ocpi.envelope(self.info(path[0], kind, body, call)))

    def info(self, uid: str, kind: str, where: dict[str, Any], call: Call) -> dict[str, Any]:
        tokens = self.sender.objects
        item = tokens.get(TOKENS.key(call.to, uid, kind)) if call.to else tokens.find(f"{uid}/{kind}")
        if item is None:
            self.counts["UNKNOWN"] += 1
            raise OCPIError(2004, f"There is no Token {uid} of type {kind} here", 404)
        if self.needs_location and not where.get("location_id"):
            self.counts["TOO LITTLE"] += 1
            raise OCPIError(2002, "Say where: LocationReferences are needed")
        token = item.document
        allowed = "ALLOWED" if token["valid"] else "BLOCKED"
        self.counts[allowed] += 1
        info = {"allowed": allowed, "token": token}
        if allowed == "ALLOWED":
            info["authorization_reference"] = str(uuid.uuid4())
            if where.get("location_id"):
                info["location"] = where
        return info

"""The story of two charges, as the demo tells it: by card, and from the eMSP's app. What it says it has seen."""

import time
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from simulator import tariffs
from simulator.ocpi import Party
from simulator.terminal import Failed

PATIENCE = 20.0  # seconds in which each thing must have come
PERIODS = 3  # charging periods that are awaited before somebody stops
BY_CARD = ("sessions RECEIVER", "cdrs RECEIVER", "tokens SENDER")
REMOTE = ("sessions RECEIVER", "cdrs RECEIVER", "commands RECEIVER")
FULL = "  The car is full before anybody stops it"
BEGUN = ("ACTIVE", "COMPLETED")
NOT_OFFERED = ("HTTP 404", "HTTP 405", "HTTP 501")
CARDS = 5  # that are tried, because the eMSP blocks one now and then


class Told(Protocol):
    """A platform, asked below /simulator."""

    def status(self) -> dict[str, Any]: ...
    def get(self, path: str) -> Any: ...
    def post(self, path: str, **order: Any) -> Any: ...
    def raw(self, module: str, key: str) -> bytes | None: ...
    def document(self, module: str, key: str) -> dict[str, Any] | None: ...


class Story:
    """`say` writes a line, `show` what is under way; `look` fails when a process has ended."""

    def __init__(
        self,
        cpo: Told,
        emsp: Told,
        say: Callable[[str], None],
        show: Callable[[str], None],
        look: Callable[[], None],
    ) -> None:
        self.cpo, self.emsp = cpo, emsp
        self.say, self.show, self.look = say, show, look
        self.before = 0  # requests that the eMSP had taken before this chapter

    def tell(self) -> None:
        place = self.place()
        if place is None:
            self.say(
                "No charge to tell of: no Location at the hub has a free EVSE that a car could charge at"
            )
            return
        owner = Party(*place["key"].split("/")[:2])
        if not self.lacks("A tariff", "tariffs RECEIVER"):
            self.tariff(owner, place["tariff"])
        if not self.lacks("A charge by card", *BY_CARD):
            self.by_card(place)
        if not self.lacks("A remote start", *REMOTE):
            self.remote(place)

    def lacks(self, what: str, *needed: str) -> bool:
        """Whether the hub is without a module; then that is said."""
        offers = self.cpo.status()["hub_offers"]
        missing = [name for name in needed if name not in offers]
        if missing:
            self.say(f"{what} is not told of: the hub has no {' and no '.join(missing)}")
        return bool(missing)

    def place(self) -> dict[str, Any] | None:
        """Where to charge: free, and known to the eMSP."""
        known = set(self.emsp.get("keys/locations"))
        return next((one for one in self.cpo.get("free") if one["key"] in known), None)

    # -- the chapters

    def tariff(self, owner: Party, name: str) -> None:
        key = "/".join((*owner, name)).upper()
        found = self.await_document("tariffs", key, f"the Tariff {name} is at the eMSP")
        self.say(f"Tariff {name} of {owner} at the eMSP: {tariffs.in_words(found)}")

    def by_card(self, place: dict[str, Any]) -> None:
        told = self.hold_card(place)
        if told is None:
            return
        self.say(
            f"A card is held to {told['location']}/{told['evse']}: {told['allowed']} by the eMSP through the hub, "
            f"reference {told['authorization_reference']}, {told['ms']} ms"
        )
        key = self.session_key(place, told["session"])
        self.charge(key)
        stopped = self.cpo.post("stop", session=told["session"])["stopped"]
        self.say("  The driver holds the card again and leaves" if stopped else FULL)
        self.end(key)

    def hold_card(self, place: dict[str, Any]) -> dict[str, Any] | None:
        where = {name: place[name] for name in ("location", "evse", "connector")}
        self.before = self.emsp.status()["requests"]
        cards = [token for token in self.emsp.get("objects/tokens").values() if asks(token)]
        for card in sorted(cards, key=trust)[:CARDS]:
            told: dict[str, Any] = self.cpo.post("charge", uid=card["uid"], minutes=60, **where)
            answer = str(told["unanswered"] or told["allowed"])
            if answer.startswith(NOT_OFFERED):
                self.say(f"A charge by card is not told of: the hub does not authorize ({answer})")
                return None
            if told["session"] and not told["unanswered"]:
                return told
            if answer != "BLOCKED":
                self.fail(f"The card {card['uid']} does not charge: {told['problem'] or answer}")
        self.say("A charge by card is not told of: the eMSP has no card that may charge")
        return None

    def remote(self, place: dict[str, Any]) -> None:
        where = {name: place[name] for name in ("location", "evse", "connector")}
        self.before = self.emsp.status()["requests"]
        to = "-".join(place["key"].split("/")[:2])
        order = self.emsp.post("command", command="start", to=to, wait=PATIENCE, **where)
        self.answered("Remote start from the eMSP", order)
        reference = order["asked"]["authorization_reference"]
        session = self.until(
            lambda: next((one for one in self.cpo.get("charges") if one["reference"] == reference), None),
            "the CPO has a Session with the eMSP's reference",
        )
        key = self.session_key(place, session["session"])
        self.charge(key)
        order = self.emsp.post("command", command="stop", session=session["session"], wait=PATIENCE)
        if order["state"] == "refused" and not self.charging(session["session"]):
            self.say(FULL)
        else:
            self.answered("  Remote stop", order)
        self.end(key)

    def charging(self, session_id: str) -> bool:
        charges = self.cpo.get("charges")
        return any(one["session"] == session_id and one["status"] != "COMPLETED" for one in charges)

    def answered(self, what: str, order: dict[str, Any]) -> None:
        direct = (order["response"] or {}).get("result") or f"HTTP {order['http_status']} {order['message']}"
        if order["state"] != "done":
            self.fail(f"{what.strip()}: direct answer {direct}, and no result after {PATIENCE:.0f} s")
        self.say(f"{what}: direct answer {direct}, result {order['result']} after {order['result_ms']} ms")
        if order["result"] != "ACCEPTED":
            self.fail(f"{what.strip()} was not accepted")

    def charge(self, key: str) -> None:
        """Until the eMSP knows the Session as ACTIVE, with some charging periods."""
        name = key.rpartition("/")[2]
        self.until(lambda: self.status_of(key) in BEGUN, f"the Session {name} is ACTIVE at the eMSP")
        self.say(f"  Session {name} is {self.status_of(key)} at the eMSP")

        def periods() -> bool:
            session = self.emsp.document("sessions", key) or {}
            self.show(f"  The car charges: {session.get('kwh')} kWh")
            return len(session.get("charging_periods") or ()) >= PERIODS

        self.until(periods, f"the Session {name} has {PERIODS} charging periods at the eMSP")
        session = self.emsp.document("sessions", key) or {}
        patches = [one for one in self.emsp.get(f"requests?since={self.before}") if one["method"] == "PATCH"]
        count = sum(one["path"].upper().endswith(f"/{name}") for one in patches)
        self.say(
            f"  {count} PATCHes came to the eMSP: {len(session['charging_periods'])} charging periods, "
            f"{session['kwh']} kWh, {money(session['total_cost'], session['currency'])}"
        )

    def status_of(self, key: str) -> str | None:
        session = self.emsp.document("sessions", key)
        return session["status"] if session else None

    def end(self, key: str) -> None:
        name = key.rpartition("/")[2]
        self.until(lambda: self.status_of(key) == "COMPLETED", f"the Session {name} is COMPLETED at the eMSP")
        began = time.monotonic()
        cdr_key = key[: -len(name)] + "C" + name[1:]
        cdr = self.await_document("cdrs", cdr_key, f"the CDR of {name} is at the eMSP")
        self.say(
            f"  The Session is COMPLETED, and {time.monotonic() - began:.1f} s later the CDR {cdr['id']} is there: "
            f"{cdr['total_energy']} kWh in {cdr['total_time']} h, {money(cdr['total_cost'], cdr['currency'])}"
        )
        self.compare(cdr_key)

    def compare(self, key: str) -> None:
        sent, received = self.cpo.raw("cdrs", key), self.emsp.raw("cdrs", key)
        if sent is None or sent != received:
            self.fail(
                f"The CDR at the eMSP is not the CDR the CPO sent:\n  sent     {sent!r}\n  received {received!r}"
            )
        self.say("  The CDR at the eMSP equals the CDR the CPO sent")

    # -- waiting

    def session_key(self, place: dict[str, Any], session_id: str) -> str:
        return "/".join((*place["key"].split("/")[:2], session_id)).upper()

    def await_document(self, module: str, key: str, what: str) -> dict[str, Any]:
        found: dict[str, Any] = self.until(lambda: self.emsp.document(module, key), what)
        return found

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (answer := condition()):
            self.look()
            if time.monotonic() > deadline:
                self.fail(f"After {PATIENCE:.0f} s it is still not so that {what}")
            time.sleep(0.1)
        return answer

    def fail(self, text: str) -> NoReturn:
        for name, platform in (("CPO", self.cpo), ("eMSP", self.emsp)):
            errors = platform.status()["errors"]
            if errors:
                text += f"\nThe {name} says: {errors[-1]['error']}"
        raise Failed(text)


def asks(token: dict[str, Any]) -> bool:
    """Whether this is a card about which the eMSP is to be asked, and will say yes."""
    return token["type"] == "RFID" and bool(token["valid"]) and token["whitelist"] != "ALWAYS"


def trust(token: dict[str, Any]) -> int:
    """How much a CPO may decide by itself; least where it must ask."""
    return ("NEVER", "ALLOWED_OFFLINE", "ALLOWED", "ALWAYS").index(token["whitelist"])


def money(price: dict[str, Any], currency: str) -> str:
    return f"{price['excl_vat']} {currency} ({price['incl_vat']} with VAT)"

"""The steps of a journey in words (journey.py)."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from ocpi_hub.exchange.models import Attempt, Callback, Delivery, Message
from ocpi_hub.exchange.routing import hub_party
from ocpi_hub.journal.differences import parsed
from ocpi_hub.journal.models import Hop
from ocpi_hub.logs import on_one_line

HUB = "hub"
WITH_RESULTS = ("commands", "chargingprofiles")
LONGEST_VERDICT = 40  # characters: those of the specification are words


class Tone(StrEnum):
    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    PLAIN = "plain"


class Said(NamedTuple):
    what: str  # in a word or two
    who: str  # from whom to whom
    text: str  # what it was
    outcome: str
    tone: Tone
    milliseconds: int | None = None


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


# ----------------------------------------------------------------------------------------------------- hops
def of_hop(hop: Hop, names: dict[int, str], attempt: Attempt | None = None) -> Said:
    good = is_good(hop)
    what = "came in" if hop.direction == Hop.Direction.IN else "went out"
    outcome = _what_was_decided(hop) if good else _what_is_wrong(hop, attempt)
    tone = Tone.GOOD if good else Tone.BAD
    return Said(what, who_of(hop, names), text_of(hop), outcome, tone, hop.milliseconds)


def text_of(hop: Hop) -> str:
    return f"{hop.method} {place_of(hop.url)}"


def _what_was_decided(hop: Hop) -> str:
    verdict = verdict_in(hop.answer_body) if hop.method == "POST" else ""
    return f"{outcome_of(hop)}: {verdict}" if verdict else outcome_of(hop)


def verdict_in(answer: str) -> str:
    """What a question was answered with, such as ALLOWED or ACCEPTED; empty where nothing was asked."""
    document = parsed(answer)
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        return ""
    verdict = data.get("allowed") or data.get("result")
    return on_one_line(verdict[:LONGEST_VERDICT]) if isinstance(verdict, str) else ""


def _what_is_wrong(hop: Hop, attempt: Attempt | None) -> str:
    """What the delivery made of it, else what the answer says."""
    if attempt and attempt.outcome != "accepted":
        return attempt.outcome if hop.http_status else f"no answer: {attempt.outcome}"
    answer = parsed(hop.answer_body)
    message = answer.get("status_message") if isinstance(answer, dict) else None
    return f"{outcome_of(hop)}: {message}" if isinstance(message, str) else outcome_of(hop)


def who_of(hop: Hop, names: dict[int, str]) -> str:
    """From whom to whom, by party where the headers name one, else by platform."""
    gone = (
        f"platform #{hop.platform_id}, which is gone" if hop.platform_id else "a caller without a valid token"
    )
    if hop.direction == Hop.Direction.OUT and hop.platform_id is None:
        gone = "a platform that registers"
    partner = names.get(hop.platform_id or 0, gone)
    us = ("", hub_party().key)
    if hop.direction == Hop.Direction.IN:
        for_whom = f", for {hop.to_party}" if hop.to_party not in us else ""
        return f"{hop.from_party or partner} → {HUB}{for_whom}"
    from_whom = f", from {hop.from_party}" if hop.from_party not in us else ""
    return f"{HUB} → {hop.to_party or partner}{from_whom}"


def place_of(url: str) -> str:
    """The part of an address that tells what it is: ours from the interface on, a partner's from the path on."""
    parts = urlsplit(url)
    path = parts.path if parts.netloc else "/".join(url.partition("?")[0].split("/")[3:]) or url
    return f"{path}?{parts.query}" if parts.query else path


def is_good(hop: Hop) -> bool:
    if hop.http_status is None or not 200 <= hop.http_status < 300:
        return False
    if hop.status_code is None:
        return went_to_response_url(hop)  # where many providers answer without an envelope
    return 1000 <= hop.status_code < 2000


def went_to_response_url(hop: Hop) -> bool:
    """A result; the response_urls of some partners are below their Sender interface."""
    is_result = hop.module in WITH_RESULTS and hop.interface == "sender" and hop.method == "POST"
    return hop.direction == Hop.Direction.OUT and (hop.module == Callback.MODULE or is_result)


def outcome_of(hop: Hop) -> str:
    """HTTP status and OCPI status code, or why there was no answer."""
    if hop.http_status is None:
        return f"no answer: {hop.failure}"
    return f"HTTP {hop.http_status}, {hop.status_code or 'no OCPI envelope'}"


def of_attempt(attempt: Attempt, names: dict[int, str]) -> Said:
    """One whose hop the journal has not, because it is switched off or the hop was dropped."""
    tone = Tone.GOOD if attempt.outcome == "accepted" else Tone.BAD
    who = f"{HUB} → {names.get(attempt.platform_id, f'platform #{attempt.platform_id}')}"
    text = f"{attempt.method} {place_of(attempt.url)} (not in the journal)"
    return Said("went out", who, text, attempt.outcome, tone, attempt.milliseconds)


# ------------------------------------------------------------------------------------------ of the exchange
def of_message(message: Message, deliveries: list[Delivery], carriers: int) -> Said:
    text = f"{message.method} {message.module}/{message.path}"
    if message.module == Callback.MODULE:
        text = "the result, for whoever asked"
    if message.expanded_at is None:
        return Said("stored", HUB, text, "waits for a worker to see whom it is for", Tone.WAITING)
    if deliveries:
        count = len(deliveries)
        outcome = f"for {deliveries[0].to_party}" if count == 1 else f"for {count} partners"
    elif carriers:
        outcome = "a newer change of the same object is delivered in its place"
    else:
        outcome = "nothing is left to deliver: it was for nobody, or its deliveries are past their time"
    return Said("stored", HUB, text, outcome, Tone.PLAIN)


def of_delivery(delivery: Delivery) -> Said:
    state = Delivery.State(delivery.state)
    outcome = _TOLD[state](delivery)
    return Said(
        "delivery", f"{HUB} → {delivery.to_party}", f"to {delivery.platform.name}", outcome, _TONES[state]
    )


def _waiting(delivery: Delivery) -> str:
    tried = f"{_tries(delivery)}; {delivery.reason}; " if delivery.tries else ""
    at = delivery.next_attempt_at
    return f"waiting: {tried}next try {f'at {moment(at)}' if at else 'at once'}"


def _tries(delivery: Delivery) -> str:
    return "1 try" if delivery.tries == 1 else f"{delivery.tries} tries"


def _when(delivery: Delivery) -> str:
    return f" at {moment(delivery.finished_at)}" if delivery.finished_at else ""


_TOLD = {
    Delivery.State.PENDING: _waiting,
    Delivery.State.SENDING: lambda delivery: "is being sent",
    Delivery.State.DELIVERED: lambda delivery: f"delivered{_when(delivery)}, {_tries(delivery)}",
    Delivery.State.ABSORBED: lambda delivery: f"not sent: {delivery.reason or 'covered by another delivery'}",
    Delivery.State.FAILED: lambda delivery: (
        f"given up{_when(delivery)}, {_tries(delivery)}: {delivery.reason}"
    ),
    Delivery.State.DISCARDED: lambda delivery: f"not sent{_when(delivery)}: {delivery.reason}",
}
_TONES = {
    Delivery.State.PENDING: Tone.WAITING,
    Delivery.State.SENDING: Tone.WAITING,
    Delivery.State.DELIVERED: Tone.GOOD,
    Delivery.State.ABSORBED: Tone.PLAIN,
    Delivery.State.FAILED: Tone.BAD,
    Delivery.State.DISCARDED: Tone.PLAIN,
}


def of_callback(callback: Callback) -> Said:
    """What was asked for, as it stands now."""
    told = []
    if callback.status_code is not None:
        told.append(f"answered {callback.answer or callback.status_code}")
    if callback.problem:
        told.append(callback.problem)
    if callback.result and callback.result_at:
        told.append(f"result {callback.result} at {moment(callback.result_at)}")
    elif callback.answer in ("", "ACCEPTED"):
        told.append(f"no result yet, one is taken until {moment(callback.expires_at)}")
    good = bool(callback.result) or callback.answer == "ACCEPTED"
    tone = Tone.GOOD if good else Tone.BAD
    who = f"{callback.from_party} → {callback.to_party}"
    return Said("asked", who, f"{callback.module} {callback.kind}", "; ".join(told), tone)

"""What a provider's answer to an authorize request says (mod_tokens.asciidoc; interpretations, P113, P114)."""

import logging
from dataclasses import replace
from enum import Enum
from typing import Any, NamedTuple, get_args

from ocpi_hub.exchange.exceptions import HubError
from ocpi_hub.protocol import tokens as chapter
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.codec import InvalidObject, check, dump, parse
from ocpi_hub.protocol.envelope import StatusCode, envelope
from ocpi_hub.protocol.types import AllowedType, PartyRef

logger = logging.getLogger(__name__)

LONGEST_REFERENCE = 36


class Meaning(Enum):
    """The most telling first."""

    ALLOWED = "it may charge"
    REFUSED = "it is known, and may not charge"
    TOO_LITTLE = "more has to be said before it can be decided"
    UNKNOWN = "it is not known there"
    FAILED = "the provider cannot tell"


class Info(NamedTuple):
    """An AuthorizationInfo, as far as the hub reads it."""

    allowed: str
    token: chapter.Token | None = None  # None: there is none, or one that is not sound
    reference: str = ""


class Remark(NamedTuple):
    """What is wrong with an answer that goes back all the same."""

    kind: str  # of the error reports
    text: str


class Reply(NamedTuple):
    """A provider's answer, as it goes back to whoever asked."""

    answer: Answer
    meaning: Meaning
    info: Info | None = None
    remarks: tuple[Remark, ...] = ()


def read(answer: Answer, provider: PartyRef, uid: str, document: str | None = None) -> Reply:
    """What the answer says; `document` is the token as the hub has it.

    Raises HubError for what says nothing, and for what is about another token than the one asked about.
    """
    if not answer.ok:
        return Reply(answer, _meaning(answer.status_code or 0))
    raw = _info(answer, provider)
    _must_be_its_own(raw.get("token"), provider, uid)
    remarks = []
    if raw.get("token") is None and document:
        logger.warning("%s authorized without the token, which the hub adds from its list", provider)
        remarks.append(Remark("authorization.without_token", "its answer does not name the token"))
        raw = {**raw, "token": parse(document.encode())}
        answer = _with_data(answer, raw)
    token, fault = _token(raw, provider)
    if fault:
        remarks.append(Remark("authorization.faulty", str(fault)))
    info = Info(raw["allowed"], token, _reference(raw))
    meaning = Meaning.ALLOWED if info.allowed == "ALLOWED" else Meaning.REFUSED
    return Reply(answer, meaning, info, tuple(remarks))


def _meaning(status_code: int) -> Meaning:
    if status_code == StatusCode.NOT_ENOUGH_INFORMATION:
        return Meaning.TOO_LITTLE
    return Meaning.FAILED if status_code >= StatusCode.SERVER_ERROR else Meaning.UNKNOWN


def _info(answer: Answer, provider: PartyRef) -> dict[str, Any]:
    """Its data, once they say whether the token may charge: without that word they are of no use to anybody."""
    raw = answer.envelope.data if answer.envelope else None
    allowed = raw.get("allowed") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or allowed not in get_args(AllowedType):
        told = (
            f"with allowed {str(allowed)[:40]!r}"
            if allowed is not None
            else "without saying whether it is allowed"
        )
        raise HubError(
            f"{provider} answered {told}; it is one of {', '.join(get_args(AllowedType))}",
            cause="authorization.undecided",
        )
    return raw


def _must_be_its_own(token: Any, provider: PartyRef, uid: str) -> None:
    """Whoever authorizes in another provider's name would have that one pay for the charge."""
    wanted = {"country_code": provider.country_code, "party_id": provider.party_id, "uid": uid}
    for name, value in wanted.items() if isinstance(token, dict) else ():
        told = token.get(name)
        if told is not None and str(told).upper() != value.upper():
            logger.error("%s authorized a token that is not the one asked about: another %s", provider, name)
            raise HubError(
                f"{provider} answered about another token than it was asked about: its {name} differs",
                cause="authorization.other_token",
            )


def _token(raw: dict[str, Any], provider: PartyRef) -> tuple[chapter.Token | None, InvalidObject | None]:
    """The token, and what is wrong with the answer, which is for the operator to judge."""
    try:
        return check(raw, chapter.AuthorizationInfo).token, None
    except InvalidObject as found:
        fault = found
    logger.warning("%s authorized with a fault at %s; it is relayed as it came", provider, fault.place)
    try:
        return check(raw.get("token"), chapter.Token), fault
    except InvalidObject:
        return None, fault


def _reference(raw: dict[str, Any]) -> str:
    """One that cannot come back in a Session is none."""
    text = raw.get("authorization_reference")
    fits = isinstance(text, str) and len(text) <= LONGEST_REFERENCE and text.isascii() and text.isprintable()
    return str(text) if fits else ""


def _with_data(answer: Answer, data: Any) -> Answer:
    assert answer.status_code is not None
    return replace(answer, body=envelope(answer.status_code, dump(data), answer.status_message))

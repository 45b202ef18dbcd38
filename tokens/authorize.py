"""Real-time authorization (mod_tokens.asciidoc, Sender POST; interpretations, P42 and P113 to P121).

references()     pure: what of a body goes on to the provider
choose()         pure: which of several tokens with one uid is meant
may_stand_in()   pure: whether the hub's list decides in place of the provider
most_telling()   pure: which of several answers goes back
decide()         the whole way, from a question to its outcome
note()           what stays of it
"""

import logging
from functools import partial
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q

from ocpi_hub.exchange.calls import transports
from ocpi_hub.exchange.exceptions import HubError, NotAnswered, NotConnected, NotFound, OCPIError
from ocpi_hub.exchange.objects import grants
from ocpi_hub.exchange.objects.store import as_object
from ocpi_hub.exchange.relays import relay, relayfailures
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.exchange.routing import Route
from ocpi_hub.protocol import tokens as chapter
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.codec import check, parse
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef
from tokens import failures, providers
from tokens.models import Authorization, Token, shortened
from tokens.providers import Provider
from tokens.replies import Info, Meaning, Reply, read
from tokens.together import at_once

logger = logging.getLogger(__name__)
Decided = Authorization.Decided


class Inquiry(NamedTuple):
    """Which operator asks about which token, and the request as it is to reach a provider."""

    route: Route
    uid: str
    type: str
    question: Question
    ids: MessageIDs


class Outcome(NamedTuple):
    """What the operator is told, and how it came about."""

    decided: str
    owner: str = ""  # the key of the party whose token it is, as far as that is known
    asked: PartyRef | None = None  # the provider that was asked; of several the one whose answer goes back
    answer: Answer | None = None  # its answer
    data: bytes = b""  # the hub's own
    info: Info | None = None  # what either of them says
    error: OCPIError | None = None  # in place of them
    problem: str = ""  # why the provider itself did not decide

    @property
    def status_code(self) -> int:
        if self.error:
            return int(self.error.status_code)
        return (self.answer.status_code if self.answer else None) or int(StatusCode.SUCCESS)


# ----------------------------------------------------------------------------------------------- pure decisions
def references(body: bytes) -> bytes | None:
    """The LocationReferences as they came; None where the body says nothing (P119). Raises InvalidObject."""
    raw = parse(body) if body.strip() else None
    if raw is None or raw == {}:
        return None
    check(as_object(raw), chapter.LocationReferences)
    return body


def newest(tokens: list[Token]) -> dict[str, Token]:
    """Of each owner the token that counts: what he last said, to everybody or to the asking operator alone."""
    return {
        token.owner_key: token for token in sorted(tokens, key=lambda row: (row.last_updated, row.audience))
    }


def choose(tokens: list[Token]) -> Token:
    """Of several owners' tokens with one uid a valid one, then the one that the hub has had longest (P121).

    Not the one that changed last: whoever pushed the uid of another's card would be asked in that one's place.
    """
    return min(newest(tokens).values(), key=lambda token: (not token.valid, token.created_at, token.pk))


def may_stand_in(whitelist: str, answered_for_offline: bool) -> bool:
    """Whether the hub's list decides when the provider cannot be asked, or does not decide (P115, P117)."""
    return whitelist in ("ALWAYS", "ALLOWED") or (whitelist == "ALLOWED_OFFLINE" and answered_for_offline)


def by_list(token: Token, decided: str = Decided.LIST) -> Outcome:
    """The hub's own answer (P116): without location and reference, which a provider alone can give."""
    allowed = "ALLOWED" if token.valid else "BLOCKED"
    data = b'{"allowed":"%b","token":%b}' % (allowed.encode(), token.document.encode())
    return Outcome(decided, token.owner_key, data=data, info=Info(allowed))


def most_telling(asked: list[PartyRef], replies: list[Reply | OCPIError | None]) -> Outcome:
    """The answer that goes back of several; nobody knows the token when one says so and nobody says more."""
    failures = {ref: reply for ref, reply in zip(asked, replies, strict=True) if isinstance(reply, OCPIError)}
    problem = "; ".join(f"{ref}: {error}" for ref, error in failures.items())
    for meaning in (Meaning.ALLOWED, Meaning.REFUSED, Meaning.TOO_LITTLE):
        for ref, reply in zip(asked, replies, strict=True):
            if isinstance(reply, Reply) and reply.meaning is meaning:
                return _told(Decided.BROADCAST, ref, reply)._replace(problem=problem)
    if any(isinstance(reply, Reply) and reply.meaning is Meaning.UNKNOWN for reply in replies):
        return nobody(problem)
    return Outcome(Decided.BROADCAST, error=_failure_of(list(failures.values())), problem=problem)


def _failure_of(failures: list[OCPIError]) -> OCPIError:
    """What stands for several failures: silence first, for whoever was silent may know the token."""
    if any(isinstance(failure, NotAnswered) for failure in failures):
        return NotAnswered("no provider that may know this token answered in time")
    if any(isinstance(failure, NotConnected) for failure in failures):
        return NotConnected("no provider that may know this token can be reached")
    return HubError("no provider that may know this token can tell for now")


def nobody(problem: str = "") -> Outcome:
    return Outcome(
        Decided.NOBODY, error=NotFound("no such token is known", StatusCode.UNKNOWN_TOKEN), problem=problem
    )


# --------------------------------------------------------------------------------------------------- the way
def decide(inquiry: Inquiry) -> Outcome:
    """Whether the token may charge; its provider is asked where the token says so. Raises nothing of OCPI's."""
    to, tokens = inquiry.route.to, known(inquiry)
    if to is None and not tokens:
        return ask_around(inquiry)
    owners = {to.key} if to else {token.owner_key for token in tokens}
    found = providers.by_key(owners, inquiry.route.sender.key)
    listed = [token for token in tokens if token.owner_key in found and found[token.owner_key].has_a_list]
    token = meant(inquiry, listed)
    provider = found.get(token.owner_key) if token else next(iter(found.values()), None)
    return (
        ask_owner(inquiry, provider, token)
        if provider
        else nobody("its provider has left the hub, or has no agreement with the operator")
    )


def meant(inquiry: Inquiry, listed: list[Token]) -> Token | None:
    """The token that is asked about; the log tells the operator of the hub when it could be several."""
    if not listed:
        return None
    token, owners = choose(listed), sorted(newest(listed))
    if len(owners) > 1:
        logger.warning(
            "token %s (%s) is of %s at once; that of %s is taken, and one of them should change its uid",
            *(shortened(inquiry.uid), inquiry.type, ", ".join(owners), token.owner_key),
        )
        failures.ambiguous(token, owners, inquiry.ids)
    return token


def known(inquiry: Inquiry) -> list[Token]:
    """Every token that may be meant: of the provider in OCPI-to, or of any."""
    sender, to = inquiry.route.sender, inquiry.route.to
    rows = Token.objects.present().filter(key=inquiry.uid.upper(), type=inquiry.type)
    rows = rows.filter(Q(audience="") | Q(audience=sender.key))
    return list(rows.filter(owner_key=to.key) if to else rows)


def ask_owner(inquiry: Inquiry, provider: Provider, token: Token | None) -> Outcome:
    """By the table of whitelist and provider (P115); the list decides only where the whitelist lets the hub."""
    offline_too = provider.platform.answered_for_offline
    stands_in = token if token and may_stand_in(token.whitelist, offline_too) else None
    if stands_in and (stands_in.whitelist == "ALWAYS" or provider.endpoint is None):
        return by_list(stands_in)
    told = _asked(inquiry, provider, token)
    if stands_in and told.problem:
        return by_list(stands_in, Decided.FALLBACK)._replace(asked=told.asked, problem=told.problem)
    return told


def _asked(inquiry: Inquiry, provider: Provider, token: Token | None) -> Outcome:
    """What comes of asking; there is a problem when the provider did not decide."""
    to, owner = inquiry.route.to or provider.ref, provider.party.key if token else ""
    try:
        reply = ask(inquiry, provider, token)
    except NotFound as error:
        return Outcome(Decided.NOBODY, owner, to, error=error, problem=str(error))
    except OCPIError as error:
        return Outcome(Decided.ASKED, owner, to, error=error, problem=str(error))
    told = _told(Decided.ASKED, to, reply)
    return told._replace(owner=told.owner or owner)


def ask_around(inquiry: Inquiry) -> Outcome:
    """Ask all who are to be asked about unknown tokens at once; who allows it first has it (P42)."""
    asked = providers.asked_about_unknown_tokens(inquiry.route.sender.key)
    if not asked:
        return nobody()
    with transports.waiting():
        replies = at_once(
            [partial(ask, inquiry, provider, None) for provider in asked],
            settings.HUB_AUTHORIZE_DEADLINE,
            enough=lambda reply: isinstance(reply, Reply) and reply.meaning is Meaning.ALLOWED,
        )
    return most_telling([provider.ref for provider in asked], replies)


def ask(inquiry: Inquiry, provider: Provider, token: Token | None, seconds: float | None = None) -> Reply:
    """The provider's own word, in at most so many seconds. Raises NotConnected, NotAnswered, HubError, NotFound."""
    to = inquiry.route.to or provider.ref
    if provider.endpoint is None:
        relay.connected(provider.party)
        raise NotFound(
            f"{to} authorizes by its list alone, and that has no such token which it lets the hub allow",
            StatusCode.UNKNOWN_TOKEN,
        )
    route = inquiry.route.leading_to(to, provider.party)
    question = inquiry.question._replace(url=relay.below(provider.endpoint, inquiry.question))
    timeout = provider.seconds if seconds is None else min(seconds, provider.seconds)
    answer = relay.ask(route, question, inquiry.ids, timeout=timeout)
    try:
        reply = read(answer, to, inquiry.uid, token.document if token else None)
    except HubError as error:
        error.answer = answer
        relayfailures.unanswered(route, question, inquiry.ids, error, question.url)
        raise
    failures.remarked(route, question, inquiry.ids, answer, reply.remarks)
    return reply


def _told(decided: str, provider: PartyRef, reply: Reply) -> Outcome:
    """A provider's answer, as it goes back."""
    named = reply.info.token if reply.info else None
    owner = PartyRef(named.country_code, named.party_id) if named else provider
    problem = f"{provider} answered {reply.answer.status_code}" if reply.meaning is Meaning.FAILED else ""
    return Outcome(
        decided, owner.key if reply.info else "", provider, reply.answer, info=reply.info, problem=problem
    )


# ------------------------------------------------------------------------------------------------ what stays
def note(inquiry: Inquiry, outcome: Outcome, seconds: float) -> None:
    """A row for the operator of the hub, and the reference that Session and CDR will have."""
    info = outcome.info or Info("")
    sender = inquiry.route.sender
    Authorization.objects.create(
        operator=sender.key,
        token_uid=inquiry.uid,
        token_type=inquiry.type,
        token_owner=outcome.owner,
        provider=outcome.asked.key if outcome.asked else "",
        decided=outcome.decided,
        allowed=info.allowed,
        status_code=outcome.status_code,
        problem=outcome.problem,
        reference=info.reference,
        milliseconds=round(seconds * 1000),
        correlation_id=inquiry.ids.correlation_id,
    )
    if info.allowed == "ALLOWED" and info.reference:
        owner = PartyRef.parse(outcome.owner)
        uid = info.token.uid if info.token else inquiry.uid
        grants.note(owner, uid, sender, info.reference, "authorize")

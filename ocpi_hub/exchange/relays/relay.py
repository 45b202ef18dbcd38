"""Ask the receiver now, and bring back what it answers (transport_and_format.asciidoc, Message Routing).

No database connection is held meanwhile. For one receiver so many requests wait at once (places.py), and for one
that does not answer a single one (breaker.py); all others are told 4003 at once, so that a partner that hangs costs
the others nothing. Findings of ours never change what is relayed.
"""

import logging
import time
from urllib.parse import parse_qs, quote, urlsplit

from django.core import signing

from ocpi_hub import metrics
from ocpi_hub.exchange.calls import causes, links, presence, transports
from ocpi_hub.exchange.calls.links import PRINTABLE
from ocpi_hub.exchange.calls.verdicts import describe
from ocpi_hub.exchange.exceptions import HubError, InvalidParameters, NotAnswered, NotConnected, OCPIError
from ocpi_hub.exchange.relays import relayfailures
from ocpi_hub.exchange.relays.breaker import Breakers
from ocpi_hub.exchange.relays.places import Places
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.models import Party, Platform, Status
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import MEGABYTE, Answer, CallFailed, PlatformClient, TimedOut, Unreachable, join
from ocpi_hub.protocol.headers import MessageIDs, Routing
from ocpi_hub.protocol.masking import masked
from ocpi_hub.protocol.types import PartyRef

logger = logging.getLogger(__name__)

LIST_LIMIT = 20 * MEGABYTE  # bytes of one page
VIA = (
    "via"  # the parameter of a Link of ours that leads on to a page elsewhere than at the partner's endpoint
)

AWAY = "not_connected"  # why a partner is not asked (errorreports/catalogue/calls.py)

places, breakers = Places(), Breakers()


def connected(party: Party) -> Platform:
    """The platform of a party that can be asked now. Raises NotConnected."""
    platform: Platform = party.platform
    if platform.status == Status.OFFLINE:
        raise NotConnected(f"{party} is offline: it does not answer this hub for now", cause=AWAY)
    if party.status != Status.CONNECTED and party.behind_hub:
        raise NotConnected(f"{party} is {party.status} at the hub that it is behind", cause=AWAY)
    if platform.status != Status.CONNECTED or not platform.registered or not party.roles:
        raise NotConnected(f"{party} is not connected to this hub", cause=AWAY)
    return platform


def reached(route: Route, module: str, role: str) -> tuple[Platform, str]:
    """The platform of the addressee, and its URL of the interface. Raises NotConnected, HubError."""
    assert route.party is not None
    return connected(route.party), endpoint_of(route.party, module, role)


def ask(
    route: Route,
    question: Question,
    ids: MessageIDs,
    *,
    timeout: float | None = None,
    limit: int = MEGABYTE,
) -> Answer:
    """The receiver's answer. Raises NotConnected, NotAnswered, HubError.

    It is one that may go back to whoever asked: an envelope, with HTTP 2xx, 400 or 404. The route is one of
    routing.towards(), for the module and role of the question.
    """
    assert route.party is not None
    try:
        answer = _ask(route, question, ids, timeout, limit)
    except OCPIError as error:
        relayfailures.unanswered(route, question, ids, error, _address(route.party, question))
        raise
    if not answer.ok:
        relayfailures.answered(route, question, ids, answer, _address(route.party, question))
    return answer


def _address(party: Party, question: Question) -> str:
    return question.url or (below(str(party.endpoint), question) if party.endpoint else "")


def _ask(route: Route, question: Question, ids: MessageIDs, timeout: float | None, limit: int) -> Answer:
    assert route.to is not None
    assert route.party is not None
    platform = connected(route.party)
    url = question.url or below(endpoint_of(route.party, question.module, question.role), question)
    try:
        client = transports.client_for(platform)
    except UnreadableSecret as error:
        logger.error("nothing can be relayed to %s: our token for it: %s", route.to, error)
        raise HubError(
            "the hub cannot call this party; its operator is told", cause=causes.SECRET_UNREADABLE
        ) from error
    answer = _call(client, platform, route, question, url, ids, timeout, limit)
    acceptable = _is_acceptable(answer)
    _measure(platform, question, "answered" if acceptable else "unusable", answer.duration)
    if not acceptable:
        presence.missed(platform.pk)
        raise _refused(route.to, answer, platform, question)
    presence.answered(platform.pk)
    return answer


def endpoint_of(party: Party, module: str, role: str) -> str:
    """Its URL of the interface. Raises HubError when it has no such (interpretations, P146)."""
    if party.endpoint is None:
        raise HubError(f"{party} is connected, but offers no {module} {role} interface", cause="no_interface")
    return str(party.endpoint)


def below(endpoint: str, question: Question) -> str:
    """The URL of what is asked for, below the receiver's endpoint."""
    url = join(endpoint, *question.segments)
    # Bytes outside ASCII, which no URL may have and some partners send, are characters of WSGI here, one for each.
    query = quote(question.query.encode("latin-1"), safe=PRINTABLE)
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def _call(
    client: PlatformClient,
    platform: Platform,
    route: Route,
    question: Question,
    url: str,
    ids: MessageIDs,
    timeout: float | None,
    limit: int,
) -> Answer:
    assert route.to is not None
    seconds = client.total_timeout if timeout is None else timeout
    began = time.monotonic()
    try:
        with (
            breakers.passing(platform, route, seconds),
            places.place(platform, route),
            transports.waiting(),
        ):
            return client.request(
                question.method,
                url,
                ids=ids.child(),
                routing=Routing(to=route.to, sender=route.sender),
                body=question.body,
                total_timeout=seconds,
                limit=limit,
            )
    except NotConnected:
        _measure(platform, question, "full", None)
        raise
    except CallFailed as failure:
        _measure(platform, question, "unanswered", time.monotonic() - began)
        logger.warning("%s %s at %s: %s", question.method, question.module, route.to, failure)
        presence.missed(platform.pk)
        raise _unanswered(route.to, failure) from failure


def _measure(platform: Platform, question: Question, result: str, seconds: float | None) -> None:
    partner = (str(platform.pk), platform.name)
    metrics.relays.labels(*partner, question.module, result).inc()
    if seconds is not None:
        metrics.relay_duration.labels(*partner).observe(seconds)


def _unanswered(to: PartyRef, failure: CallFailed) -> OCPIError:
    cause = causes.of_silence(failure)
    if isinstance(failure, TimedOut):
        return NotAnswered(
            f"{to} did not answer in time, which its operator has to mend if it lasts", cause=cause
        )
    if isinstance(failure, Unreachable):
        return NotConnected(f"{to} cannot be reached, which its operator has to mend", cause=cause)
    return HubError(f"{to} answered what cannot be read, which its operator has to mend", cause=cause)


def _is_acceptable(answer: Answer) -> bool:
    """Whether it may go back to whoever asked."""
    status_code = answer.status_code
    is_envelope = status_code is not None and 1000 <= status_code <= 4999 and _is_text(answer.data)
    return is_envelope and (200 <= answer.http_status < 300 or answer.http_status in (400, 404))


def _refused(to: PartyRef, answer: Answer, platform: Platform, question: Question) -> OCPIError:
    """The error that stands for an answer whose 401 or 5xx would mean another thing to the caller."""
    private = relayfailures.private_in(question)
    logger.warning(
        "a request to %s came to nothing: %s", to, masked(describe(answer, platform.token), private)
    )
    error = _standing_for(answer, to)
    # What reads as a good answer is one that does not hold text.
    error.cause, error.answer = causes.of_answer(answer) or "broken_answer", answer
    return error


def _standing_for(answer: Answer, to: PartyRef) -> OCPIError:
    if answer.http_status == 401:
        return NotConnected(f"{to} does not know this hub's token; its operator has to mend that")
    if not _is_text(answer.data):
        return HubError(f"{to} answered what is not UTF-8; its operator has to mend that")
    if answer.status_code is None:
        return HubError(f"{to} answered HTTP {answer.http_status} without an OCPI envelope")
    return HubError(f"{to} answered HTTP {answer.http_status} with status code {answer.status_code}")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# --------------------------------------------------------------------------------------------------- lists
def _salt(module: str) -> str:
    """A Link is of use in its own module only, for agreements may differ from one to the other."""
    return f"{VIA}:{module}"


def onward(link: str, platform: Platform, module: str) -> str:
    """The URL of a page of this module that our own Link stands for. Raises InvalidParameters."""
    try:
        meant = signing.loads(link, salt=_salt(module))
    except signing.BadSignature as error:
        raise InvalidParameters(f"{VIA}: follow the Link of the page before as it is") from error
    if meant["platform"] != platform.pk:
        raise InvalidParameters(f"{VIA}: that Link is of another party; repeat OCPI-to of the page before")
    url = str(meant["url"])
    if not links.is_of(platform, url):
        raise InvalidParameters(f"{VIA}: that party has moved since; begin its list anew")
    return url


def link_back(
    answer: Answer, asked: str, endpoint: str, here: str, platform: Platform, module: str
) -> str | None:
    """The Link of a relayed page, leading through the hub: `asked` is the page's URL, `here` the hub's (P48)."""
    header = answer.headers.get("Link", "")
    try:
        url = links.next_page(platform, asked, header)
    except links.NoPage as fault:
        logger.warning("%s of %s end early for whoever asked: %s", module, platform, fault)
        relayfailures.link_unreadable(platform, module, header, str(fault))
        return None
    if not url:
        return None
    parts, base = urlsplit(url), urlsplit(endpoint)
    query = parts.query
    # A partner that is a hub as well may have a parameter of that name in its own Link.
    if parts[:3] != base[:3] or base.query or VIA in parse_qs(query):
        meant = {"url": url, "platform": platform.pk}
        mark = signing.dumps(meant, salt=_salt(module), compress=True)
        query = f"{query}&{VIA}={mark}" if query else f"{VIA}={mark}"
    return f'<{here}?{query}>; rel="next"'

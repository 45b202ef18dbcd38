"""Failures of what the hub asks or sends: whatever is on its way (Area), a call can fail for these reasons (Cause).

The names are area.cause, such as delivery.timed_out.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ocpi_hub.errorreports.kind import Kind, Who


class Area(NamedTuple):
    """What the call was for, and what its failure means for those who wait for it."""

    name: str
    title: str
    tried: str
    consequence: str  # where the same may go through later
    for_good: str = ""  # where it will not; empty: the same as above


AREAS = (
    Area(
        "delivery",
        "Delivery failed",
        "The hub had something to deliver to this partner.",
        "Nothing is lost: the hub tries again by the retry schedule, and then sends the newest state.",
        "It is not tried again by itself: it waits under Dead letters, where it can be tried again.",
    ),
    Area(
        "relay",
        "Relay failed",
        "Another party sent this partner a request through the hub.",
        "That party was told so at once. The hub does not ask again by itself; an object that was sent to a partner"
        " which could not be reached is delivered when it is back.",
    ),
    Area(
        "authorization",
        "Authorization failed",
        "An operator asked whether a driver may charge, and the hub passed the question on to this provider.",
        "The driver stands at the charge point. Unless the hub's list of tokens may decide in the provider's place,"
        " the driver was turned away.",
    ),
    Area(
        "command",
        "Command failed",
        "A provider wanted something done at this operator's chargers, such as a session started, or its charging"
        " profile set.",
        "The provider was told that it did not work, and the driver has to try again.",
    ),
    Area(
        "pull",
        "Pull failed",
        "The hub was reading a list of this partner.",
        "What is new or changed in it is missing here until a later pull has read it; the hub pulls again by the"
        " partner's schedule.",
    ),
)


class Cause(NamedTuple):
    name: str
    title: str
    meaning: str
    who: Who
    action: str
    to_partner: str = ""
    for_good: bool = False
    areas: tuple[str, ...] = ("delivery", "relay", "authorization", "command", "pull")


_WAITING = ("relay", "authorization", "command")  # areas where somebody waits for the answer

CAUSES = (
    Cause(
        "unreachable",
        "the partner cannot be reached",
        "No connection to its server came about: it is down, its name cannot be resolved, or its TLS certificate is"
        " not accepted.",
        Who.PARTNER,
        "Tell the partner. When several partners cannot be reached at the same time, look at the hub's own network,"
        " DNS and firewall first.",
        "The hub could not connect to your system. Please check that your server is up and open to the hub, and that"
        " its host name and its TLS certificate are valid.",
    ),
    Cause(
        "timed_out",
        "the partner does not answer in time",
        "The hub asked, and no complete answer came within the time that the partner has.",
        Who.PARTNER,
        "Tell the partner when it happened. If its system is known to be slow, raise the timeout on its page.",
        "Your system took too long to answer. Please look at what kept it busy at the times given.",
    ),
    Cause(
        "broken_answer",
        "the partner's answer breaks off or cannot be read",
        "The connection was cut before the answer was whole, or what came is no HTTP, no list or badly compressed.",
        Who.PARTNER,
        "Tell the partner when it happened; often a proxy or load balancer in front of its system is the cause.",
        "Your system's answers broke off or could not be read. Please look at your server and at the proxies in"
        " front of it, and at the compression of answers.",
    ),
    Cause(
        "too_large",
        "the partner's answer is too large",
        "The answer is larger than the hub reads: 20 MB for a page of a list, 1 MB for all else.",
        Who.PARTNER,
        "Ask the partner to answer with smaller pages.",
        "Your system's answers are larger than the hub reads: 20 MB for a page of a list, 1 MB for all else. Please"
        " put fewer objects in a page.",
        for_good=True,
    ),
    Cause(
        "refused_address",
        "the partner's address leads into a private network",
        "The hub does not call addresses inside private networks, so that no partner can make it call machines that"
        " are not the partner's.",
        Who.BOTH,
        "Have the partner announce a public address by a PUT of its credentials. Only where you want partners inside"
        " your own network, set HUB_ALLOW_PRIVATE_URLS=1.",
        "The address of your system leads into a private network, where the hub does not call. Please announce a"
        " public address by a PUT of your credentials.",
        for_good=True,
    ),
    Cause(
        "bad_address",
        "the partner's address cannot be called",
        "What the partner gave as its address is no URL that a request can be sent to.",
        Who.PARTNER,
        "Have the partner correct its version details, and PUT its credentials.",
        "Your version details, or the response_url of a request, hold an address that cannot be called. Please"
        " correct it, and PUT your credentials.",
        for_good=True,
    ),
    Cause(
        "no_envelope",
        "something else than OCPI answers",
        "The answer is no OCPI envelope. Often it is the error page or login page of a proxy in front of the"
        " partner's system, or the address is a wrong one.",
        Who.PARTNER,
        "Show the partner the answer in the report, and have it check its addresses and proxies.",
        "At your address something answers that is no OCPI envelope, such as a proxy's error page. Please check"
        " your endpoints and what stands in front of them.",
    ),
    Cause(
        "token_unknown",
        "the partner does not take the hub's token",
        "It answered HTTP 401 or 403: it has lost or changed the registration, and takes nothing from the hub.",
        Who.BOTH,
        "Ask the partner to PUT its credentials. If it has lost its token as well, choose Start over on its page and"
        " hand it the new one. Once it takes our token all that waits is delivered by itself.",
        "Your system refuses the hub's credentials token with HTTP 401 or 403. Please PUT your credentials to the"
        " hub; if you have lost your own token, ask us for a new invitation.",
    ),
    Cause(
        "rate_limited",
        "the partner has had too many requests",
        "It answered HTTP 429. The hub waits at least as long as the partner asks for.",
        Who.NOBODY,
        "When it goes on, agree with the partner on how many requests it takes.",
    ),
    Cause(
        "server_error",
        "the partner's system fails",
        "It answered HTTP 5xx, or a status code that says that it failed by itself.",
        Who.PARTNER,
        "Tell the partner with the time and the ids in the report; its log says more. When it goes on for more than an"
        " hour, call.",
        "Your system answered with errors of its own (HTTP 5xx or status code 3xxx). Please look at your log at the"
        " times given.",
    ),
    Cause(
        "redirected",
        "the partner's address has moved",
        "It answered with a redirect, which the hub follows when it reads and never when it sends something.",
        Who.PARTNER,
        "Have the partner announce its new addresses in its version details, and PUT its credentials.",
        "Your system answers with redirects. Please announce your new addresses in your version details, and PUT"
        " your credentials.",
    ),
    Cause(
        "refused",
        "the partner refuses it",
        "The partner understood, and does not accept it: it answered HTTP 4xx, or a status code from 2000 to 2999.",
        Who.BOTH,
        "Read its answer in the report. Either what it was sent is wrong, or the partner is stricter than the"
        " specification: tell the one who has to change something.",
        "Your system refused what it was sent. Please look at your answers: if what came is sound, let your system"
        " take it and tell us to send it again; if not, tell us what is wrong with it.",
        for_good=True,
    ),
    Cause(
        "not_brought_on",
        "the other hub cannot bring it to the party",
        "This partner is a hub. It is well, and could not reach the party behind it that this was for.",
        Who.PARTNER,
        "Tell the operator of the other hub which party it is.",
        "Your hub answered that it could not bring requests on to a party behind it. Please look at the connection"
        " with that party.",
    ),
    Cause(
        "no_interface",
        "the partner does not offer this interface",
        "It is connected, and its version details have no endpoint for this module.",
        Who.PARTNER,
        "Have the partner add the endpoint to its version details and PUT its credentials, or make no agreement on"
        " this module with it.",
        "Others want to use a module with you that your version details do not list. Please add its endpoint and PUT"
        " your credentials, or tell us that you do not offer it.",
        for_good=True,
        areas=("delivery", "relay", "command"),
    ),
    Cause(
        "not_connected",
        "the partner is not connected",
        "The partner is offline, suspended or not registered yet, so the hub did not ask it.",
        Who.PARTNER,
        "The partner's page says since when it is away, and what its last answer was.",
        "Others wanted something of your system while it was not connected to the hub. Please check that it is up,"
        " or register.",
        areas=_WAITING,
    ),
    Cause(
        "held_back",
        "the partner left the last requests unanswered",
        "The hub asks it one request at a time until it answers again; all others are told at once that it cannot"
        " be reached, so that nobody waits in vain.",
        Who.PARTNER,
        "Tell the partner that its system hangs. When it answers again the hub goes on by itself.",
        "Your system left several requests in a row unanswered, so the hub asks it one at a time. Please look at"
        " what makes it hang.",
        areas=_WAITING,
    ),
    Cause(
        "crowded",
        "too many requests wait for the partner",
        "So many requests for this partner, or of one party, wait for answers that there was no place for another.",
        Who.HUB,
        "See whether the partner is slow: then it must get faster. If it is well and much asked, raise the concurrent"
        " relays on its page. The text says when it is one party that asks too much.",
        areas=_WAITING,
    ),
)


def _kinds() -> Iterator[Kind]:
    for area in AREAS:
        for cause in CAUSES:
            if area.name in cause.areas:
                yield _kind(area, cause)


def _kind(area: Area, cause: Cause) -> Kind:
    consequence = area.for_good if cause.for_good and area.for_good else area.consequence
    return Kind(
        f"{area.name}.{cause.name}",
        f"{area.title}: {cause.title}",
        f"{area.tried} {cause.meaning} {consequence}",
        cause.who,
        cause.action,
        cause.to_partner,
    )


KINDS = tuple(_kinds())

"""Requests for a partner that came to nothing, as error reports; whoever asked has been told already.

What is private in them is found in the bodies by the writer of the reports, and in the address here.
"""

from urllib.parse import parse_qsl, quote

from ocpi_hub.errorreports.occurrences import Evidence, note
from ocpi_hub.exchange.calls import causes
from ocpi_hub.exchange.calls.verdicts import describe
from ocpi_hub.exchange.exceptions import OCPIError
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.exchange.routing import Route
from ocpi_hub.logs import current_ids
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import MessageIDs, authorization
from ocpi_hub.protocol.masking import private_values

RESPONSE_URL = "response_url"  # in a query, where GET and DELETE of charging profiles have it
# What a partner says of an object that it has not, or of a question that needs more: an answer, and no failure.
SAYS_NO = (StatusCode.NOT_ENOUGH_INFORMATION, StatusCode.UNKNOWN_LOCATION, StatusCode.UNKNOWN_TOKEN)


def unanswered(route: Route, question: Question, ids: MessageIDs, error: OCPIError, url: str = "") -> None:
    """The partner could not be asked, or did not answer as it should; only where that is what the error says."""
    if error.cause and not error.reported:
        error.reported = True
        said = error.__cause__ or (describe(error.answer) if error.answer and not error.answer.ok else error)
        _note(route, question, ids, error.cause, str(said), url, error.answer)


def answered(route: Route, question: Question, ids: MessageIDs, answer: Answer, url: str) -> None:
    """An answer that goes back to whoever asked, and says that it did not work."""
    says_no = answer.http_status == 404 or answer.status_code in SAYS_NO
    if not says_no:
        _note(route, question, ids, causes.of_answer(answer), describe(answer), url, answer)


def _note(
    route: Route,
    question: Question,
    ids: MessageIDs,
    cause: str,
    said: str,
    url: str,
    answer: Answer | None,
) -> None:
    assert route.party is not None
    evidence = Evidence(
        question.method,
        without_response_url(url),
        question.body,
        answer.http_status if answer else None,
        answer.status_code if answer else None,
        answer.body if answer else None,
        (*private_in(question), *tokens_of(route.party.platform)),
    )
    note(
        causes.kind_of(question.area, cause),
        route.party.platform_id,
        question.module,
        f"{route.sender} asked {route.to or route.party} ({question.method} {question.module}): {said}",
        party=route.party.key,
        evidence=evidence,
        ids=ids,
    )


def others_listed(route: Route, question: Question, ids: MessageIDs, count: int) -> None:
    """Objects of others in a list that was read by one party."""
    assert route.party is not None
    text = f"{route.to} listed {count} {question.module} of others to {route.sender}, who did not get them"
    note(
        "relay.others_listed", route.party.platform_id, question.module, text, party=route.party.key, ids=ids
    )


def link_unreadable(platform: Platform, module: str, header: str, why: str) -> None:
    """A list that ends for whoever reads it, though it goes on."""
    text = f"its {module} end early: {why}: {header[:200]!r}"
    note("relay.link_unreadable", platform.pk, module, text, ids=current_ids.get())


def private_in(question: Question) -> set[str]:
    """What no log and no report may show, though the answer repeats it: of its address and of its body."""
    path = "/".join(("", question.module, *(quote(segment, safe="") for segment in question.segments)))
    urls = [value for name, value in parse_qsl(question.query) if name == RESPONSE_URL]
    return private_values(question.body, path=path) | {url.rstrip("/").rpartition("/")[2] for url in urls}


def without_response_url(url: str) -> str:
    """Who knows a response_url could send a result there. Many are not encoded, so all that follows goes."""
    before, found, _ = url.partition(f"{RESPONSE_URL}=")
    return f"{before}{found}…" if found else url


def tokens_of(platform: Platform) -> tuple[str, ...]:
    """Our token for it, as it is and as it is sent: some partners repeat it in their complaint about it."""
    try:
        token = platform.token if platform.registered else ""
    except UnreadableSecret:
        return ()
    return (token, authorization(token).partition(" ")[2]) if token else ()

"""What is wrong with a provider's answer to authorize, as error reports; it has been judged in replies.py."""

from ocpi_hub.errorreports.occurrences import Evidence, note
from ocpi_hub.exchange.relays import relayfailures
from ocpi_hub.exchange.relays.questions import Question
from ocpi_hub.exchange.routing import Route
from ocpi_hub.protocol.client import Answer
from ocpi_hub.protocol.headers import MessageIDs
from tokens.models import Token, shortened
from tokens.replies import Remark


def remarked(
    route: Route, question: Question, ids: MessageIDs, answer: Answer, remarks: tuple[Remark, ...]
) -> None:
    """The answer went to the operator all the same."""
    assert route.party is not None
    evidence = Evidence(
        question.method,
        question.url,
        question.body,
        answer.http_status,
        answer.status_code,
        answer.body,
        (*relayfailures.private_in(question), *relayfailures.tokens_of(route.party.platform)),
    )
    for remark in remarks:
        text = f"{route.sender} asked {route.to}: {remark.text}"
        note(
            remark.kind,
            route.party.platform_id,
            question.module,
            text,
            party=route.party.key,
            evidence=evidence,
            ids=ids,
        )


def ambiguous(token: Token, owners: list[str], ids: MessageIDs) -> None:
    """Of several owners' tokens with one uid this one was taken."""
    text = f"the token {shortened(token.object_id)} ({token.type}) is of {', '.join(owners)} at once"
    note(
        "authorization.ambiguous",
        token.source_id,
        token.module,
        f"{text}; that of {token.owner_key} is taken",
        party=token.owner_key,
        evidence=Evidence(secrets=(token.object_id,)),
        ids=ids,
    )

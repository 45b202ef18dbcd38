"""Pulls that failed, and objects in them that the hub could not take, as error reports."""

from collections.abc import Iterable

from ocpi_hub.errorreports.occurrences import Evidence, note
from ocpi_hub.exchange.calls import causes
from ocpi_hub.exchange.models import Pull
from ocpi_hub.exchange.pulls.partnerlists import PullFailed
from ocpi_hub.exchange.relays.relayfailures import tokens_of
from ocpi_hub.partners.models import Platform
from ocpi_hub.partners.secrets import UnreadableSecret
from ocpi_hub.protocol.client import CallFailed
from ocpi_hub.protocol.headers import MessageIDs


def stopped(platform: Platform, pull: Pull, failure: PullFailed, ids: MessageIDs) -> None:
    """The list was not read to its end."""
    note(
        causes.kind_of("pull", _cause(failure)),
        platform.pk,
        pull.module,
        f"{pull}: {failure}",
        party=pull.party,
        evidence=Evidence("GET", platform.endpoint(pull.module, "SENDER") or "", secrets=tokens_of(platform)),
        ids=ids,
    )


def _cause(failure: PullFailed) -> str:
    """Where it does not say it, what it was raised from does."""
    if failure.cause:
        return failure.cause
    if isinstance(failure.__cause__, UnreadableSecret):
        return causes.SECRET_UNREADABLE
    return (
        causes.of_silence(failure.__cause__) if isinstance(failure.__cause__, CallFailed) else "broken_list"
    )


def stopped_by_us(pull: Pull, error: Exception, ids: MessageIDs) -> None:
    text = f"{pull} stopped on {type(error).__name__}"
    note("hub.fault", pull.platform_id, pull.module, text, party=pull.party, ids=ids)


def interrupted(pulls: Iterable[Pull]) -> None:
    """Whoever ran them is gone, or lost them to another."""
    for pull in pulls:
        text = f"{pull} stood still after page {pull.pages}, and another one went on"
        note("pull.interrupted", pull.platform_id, pull.module, text, party=pull.party)


def not_believed(pull: Pull, owner: str, text: str) -> None:
    """Hardly anything of what an owner had was in its full list."""
    note("pull.not_believed", pull.platform_id, pull.module, text, party=owner)


def refused(
    kind: str,
    platform: Platform,
    module: str,
    reason: str,
    *,
    party: str,
    name: str,
    document: bytes = b"",
    ids: MessageIDs | None = None,
) -> None:
    """An object that the hub could not take."""
    evidence = Evidence(answer=document, secrets=tokens_of(platform))
    note(kind, platform.pk, module, reason, party=party, subject=name, evidence=evidence, ids=ids)

"""Deliveries that did not arrive, as error reports; they are written with what came of them (outcomes.py)."""

from collections.abc import Iterator
from datetime import datetime

from ocpi_hub.errorreports.occurrences import Evidence, Noted
from ocpi_hub.exchange.calls import causes, verdicts
from ocpi_hub.exchange.calls.verdicts import Result, Verdict
from ocpi_hub.exchange.models import Callback, Delivery

_AREA = "delivery"
# By what verdicts.py calls them, which tells more of them apart.
_CAUSES = {
    **{said: causes.of_silence(failure("")) for failure, said in verdicts.SILENCE.items()},
    verdicts.NO_ENDPOINT: "no_interface",
    verdicts.UNREADABLE: causes.SECRET_UNREADABLE,
    verdicts.HUB_FAULT: "hub.fault",
}


def kind_of(result: Result) -> str:
    """The kind of failure that a try came to; empty when nothing has failed."""
    if result.verdict in (Verdict.DELIVERED, Verdict.GONE):
        return ""
    if result.http_status is not None:
        return _of_answer(result, causes.of_codes(result.http_status, result.status_code))
    cause = _CAUSES.get(result.cause, "hub.fault")
    if cause == "unreachable" and result.verdict is Verdict.PERMANENT:
        cause = "bad_address"
    return causes.kind_of(_AREA, cause)


def _of_answer(result: Result, cause: str) -> str:
    """A refused change is no failure while the state, or the whole object, follows."""
    follows = cause == "refused" and result.verdict is Verdict.TEMPORARY
    return "" if follows else causes.kind_of(_AREA, cause)


def reported(delivery: Delivery, result: Result, at: datetime, *, given_up: bool) -> Iterator[Noted]:
    """As it goes into the error reports, once more when the last try of its schedule has failed."""
    if kind := kind_of(result):
        yield _noted(kind, delivery, result, at)
    if given_up and result.verdict is Verdict.TEMPORARY:
        yield _noted("delivery.given_up", delivery, result, at)


def _noted(kind: str, delivery: Delivery, result: Result, at: datetime) -> Noted:
    return Noted(
        kind,
        delivery.platform_id,
        delivery.module,
        f"attempt {delivery.tries + 1} to bring it to {delivery.to_party}: {result.outcome}",
        party=delivery.to_party,
        subject=delivery.path,
        evidence=Evidence(
            result.method,
            result.url,
            result.request,
            result.http_status,
            result.status_code,
            result.answer,
            # Whoever knows a response_url could send a result there.
            (result.url.rstrip("/").rpartition("/")[2],) if delivery.module == Callback.MODULE else (),
        ),
        ids=result.ids,
        at=at,
    )


def interrupted(delivery: Delivery) -> Noted:
    """What a worker was sending when it ended."""
    text = f"what was being sent to {delivery.to_party} is sent again"
    party, subject = delivery.to_party, delivery.path
    return Noted(
        "delivery.interrupted", delivery.platform_id, delivery.module, text, party=party, subject=subject
    )

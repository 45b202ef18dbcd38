"""Why a call came to nothing, by the names that the catalogue of failures has (errorreports/catalogue/calls.py)."""

from ocpi_hub.protocol.client import (
    Answer,
    AnswerTooLarge,
    CallFailed,
    RefusedAddress,
    TimedOut,
    Unreachable,
)

SECRET_UNREADABLE = "hub.secret_unreadable"  # noqa: S105  # a kind of its own: no partner can mend it


def kind_of(area: str, cause: str) -> str:
    """The kind of a failed call; some causes are a kind by themselves, whatever the call was for."""
    return cause if "." in cause else f"{area}.{cause}"


def of_silence(failure: CallFailed) -> str:
    """Why there is no answer."""
    if isinstance(failure, Unreachable):
        return "bad_address" if failure.permanent else "unreachable"
    if isinstance(failure, TimedOut):
        return "timed_out"
    if isinstance(failure, RefusedAddress):
        return "refused_address"
    return "too_large" if isinstance(failure, AnswerTooLarge) else "broken_answer"


def of_answer(answer: Answer) -> str:
    """What is wrong with an answer; empty when it is a good one."""
    return "" if answer.ok else of_codes(answer.http_status, answer.status_code)


def of_codes(http_status: int, status_code: int | None) -> str:
    """The same, by the codes of an answer that is not a good one."""
    if http_status in (401, 403):
        return "token_unknown"
    if http_status == 429:
        return "rate_limited"
    if http_status >= 500 or http_status in (408, 425):
        return "server_error"
    if http_status >= 300:
        return "redirected" if http_status < 400 else "refused"
    if status_code is None:
        return "no_envelope"
    if 4000 <= status_code < 5000:
        return "not_brought_on"
    return "refused" if 2000 <= status_code < 3000 else "server_error"

"""What a partner's answer means for what it was sent, and when that is tried again: pure decisions.

judge()         what an answer means
next_attempt()  when to try again, or that it is given up
"""

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple

from django.conf import settings

from ocpi_hub.logs import on_one_line
from ocpi_hub.protocol.client import (
    Answer,
    AnswerTooLarge,
    BrokenAnswer,
    CallFailed,
    CutOff,
    RefusedAddress,
    TimedOut,
    Unreachable,
)
from ocpi_hub.protocol.headers import MessageIDs, authorization


class Verdict(Enum):
    DELIVERED = "delivered"
    TEMPORARY = "temporary"  # the same may go through later
    PERMANENT = "permanent"  # the same will never go through
    GONE = "gone"  # there is nothing to send any more


class Result(NamedTuple):
    """What one try came to."""

    verdict: Verdict
    outcome: str  # in plain words, for the operator
    method: str = ""
    url: str = ""
    ids: MessageIDs | None = None
    http_status: int | None = None
    status_code: int | None = None
    seconds: float = 0.0
    retry_after: timedelta | None = None
    cause: str = ""  # in few words, the same for all of a kind
    request: str = ""  # what was sent and what came back, where it did not arrive; what is private is masked
    answer: str = ""
    refused: bool = False  # the partner is well, and refuses this: what it lacks follows
    widen: bool = False  # the partner lacks the parent: send the whole object
    receiver_url: str = ""  # where it says that it keeps what was posted
    requests: int = 1  # that were made of the partner

    @property
    def requests_made(self) -> bool:
        return bool(self.method)

    @property
    def asks_to_slow_down(self) -> bool:
        """The partner is well and gets too much; with 503 only when it says until when (RFC 9110, 15.6.4)."""
        return self.http_status == 429 or (self.http_status == 503 and self.retry_after is not None)


class Decision(NamedTuple):
    """Pending again at a time, or given up when there is none."""

    at: datetime | None


def next_attempt(
    result: Result, tries: int, schedule: list[int], now: datetime, jitter: float, *, endless: bool = False
) -> Decision:
    """When a delivery that failed is tried again. `tries` counts the failed one, `jitter` is from 0 to 1.

    An endless one goes on at the schedule's last interval.
    """
    if result.verdict is not Verdict.TEMPORARY or (tries > len(schedule) and not endless):
        return Decision(None)
    wait = timedelta(seconds=schedule[min(tries, len(schedule)) - 1])
    wait += wait * 0.1 * jitter
    if result.retry_after is not None:
        wait = max(wait, result.retry_after)
    return Decision(now + wait)


def judge(answer: Answer, now: datetime, token: str = "") -> Result:
    """What a partner's answer means: 2xxx is permanent; 3xxx, 5xx, 429, an unknown token are temporary."""
    if answer.ok:
        verdict = Verdict.DELIVERED
    elif answer.http_status in (401, 403, 408, 425, 429) or answer.http_status >= 500:
        verdict = Verdict.TEMPORARY
    elif answer.http_status >= 300:
        verdict = Verdict.TEMPORARY if answer.http_status < 400 else Verdict.PERMANENT
    elif answer.status_code is None:
        verdict = Verdict.TEMPORARY  # HTTP 2xx without an envelope: some proxy's page
    else:
        verdict = Verdict.PERMANENT if 2000 <= answer.status_code < 3000 else Verdict.TEMPORARY
    return Result(
        verdict,
        describe(answer, token),
        http_status=answer.http_status,
        status_code=_four_digits(answer.status_code),
        seconds=answer.duration,
        cause=cause(answer),
        refused=verdict is Verdict.TEMPORARY and _is_of_the_receiver(answer),
        retry_after=retry_after(answer.headers.get("Retry-After"), now),
    )


def _is_of_the_receiver(answer: Answer) -> bool:
    """A hub that is well, and cannot bring it to the party behind it."""
    return 200 <= answer.http_status < 300 and 4000 <= (answer.status_code or 0) < 5000


def _four_digits(status_code: int | None) -> int | None:
    """As OCPI has them; any other number is told in the outcome only, where it needs no column that holds it."""
    return status_code if status_code is not None and 0 <= status_code <= 9999 else None


def describe(answer: Answer, token: str = "") -> str:
    if answer.ok:
        return "accepted"
    if answer.http_status == 401:
        return "HTTP 401: the partner does not know our token; it must register again or give us a new one"
    if answer.envelope is None:
        return f"HTTP {answer.http_status} without an OCPI envelope"
    message = on_one_line(masked(answer.status_message or "no message", token))
    return f"HTTP {answer.http_status}, {answer.status_code}: {message[:500]}"


UNKNOWN_TO_IT = "token unknown"
NO_ENDPOINT = "no endpoint"
UNREADABLE = "our token unreadable"
HUB_FAULT = "fault of the hub"

SILENCE: dict[type[CallFailed], str] = {
    Unreachable: "unreachable",
    TimedOut: "timed out",
    RefusedAddress: "address refused",
    AnswerTooLarge: "answer too large",
    CutOff: "connection cut",
    BrokenAnswer: "answer unreadable",
}


def cause(answer: Answer) -> str:
    """What kind of no it is, for counting and for acting on all of a kind; empty when it is a yes."""
    status_code = _four_digits(answer.status_code)
    if answer.ok:
        return ""
    if answer.http_status == 401:
        return UNKNOWN_TO_IT
    if status_code is not None and 2000 <= status_code < 3000:
        return f"refused {status_code}"
    if answer.http_status >= 300:
        return f"HTTP {answer.http_status}"
    return "no OCPI envelope" if status_code is None else f"answered {status_code}"


def cause_of_silence(failure: CallFailed) -> str:
    return next((text for kind, text in SILENCE.items() if isinstance(failure, kind)), "no answer")


def masked(text: str, token: str) -> str:
    """Without the token that we sent, which some partners repeat in their complaint about it."""
    for secret in (token, authorization(token).partition(" ")[2]):
        text = text.replace(secret, "***") if secret else text
    return text.replace("\x00", "")


# Some count in parts of a second, and some below nothing, as of a time that has passed.
_SECONDS = re.compile(r"(-?)0*([0-9]+)(?:\.[0-9]*)?")


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The header as a time to wait; seconds or an HTTP date (RFC 9110, 10.2.3). What is past is no time."""
    if not header:
        return None
    longest = timedelta(seconds=settings.HUB_LONGEST_RETRY_AFTER)
    if seconds := _SECONDS.fullmatch(header.strip()):
        # No one waits longer than this anyway, and a timedelta does not hold every number.
        return timedelta() if seconds[1] else min(timedelta(seconds=int(seconds[2][:9])), longest)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta()), longest)


def jitter() -> float:
    return random.random()  # noqa: S311  # spreads retries; nothing to guess


_TAKEN = r"(?:exist|known|there|here|present|stor|sav|kept|record|receiv|process|import|regist|creat|sent|post|accept)"
# Not any "already": a tariff that is expired already is why the CDR is not there. What is not understood becomes a
# dead letter, which somebody sees.
_THERE_ALREADY = re.compile(
    rf"\balready (?:been |has |have )?{_TAKEN}|\b{_TAKEN}\w* already|\b(?:has|have|got) (?:\w+ ){{0,2}}cdr already"
    r"|\b(?:has|have|got) (?:it|this|that) already|\balready (?:has|have|had|got)\b|duplicate|twice",
    re.IGNORECASE,
)
_EXISTS = re.compile(r"exist", re.IGNORECASE)
# As in: the token does not exist.
_NO = re.compile(r"\b(no|not|cannot|unknown)\b|n't\b", re.IGNORECASE)


def says_it_is_there(answer: Answer) -> bool:
    """After a POST without an answer, the refusal to take the same again is the answer."""
    message = " ".join((answer.status_message or "").split())
    said = _THERE_ALREADY.search(message) or (_EXISTS.search(message) and not _NO.search(message))
    return answer.http_status == 409 or bool(said)

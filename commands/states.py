"""What became of a command, as people want to know it: pure, from what is known about it and the time.

Answers, results and Sessions come in any order, late or never, so a state is found anew from all that is known:

    SENT ── refused ── REFUSED                    ACCEPTED ── no result in time ── NO_RESULT
     │ ╲── cannot be reached ── UNREACHABLE          │ ╲── result TIMEOUT ── TIMED_OUT
     │  ╲── does not answer ── NO_ANSWER             │  ╲── any other result ── FAILED, CANCELED
     ╰── accepted ── ACCEPTED                        ╰── result ACCEPTED ── DONE ── no Session ── NO_SESSION

A Session that fits ends in SESSION from wherever it is not certain that nothing happened.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import models

from ocpi_hub.exchange.relays import deadlines
from ocpi_hub.exchange.relays.deadlines import ANSWER_WITHIN
from ocpi_hub.protocol.envelope import StatusCode

SESSION_BEFORE = timedelta(
    minutes=2
)  # a Session may begin so long before its command, by its operator's clock
SESSION_WITHIN = timedelta(minutes=15)  # and so long after it
EVERY = timedelta(seconds=4)  # how often an open command is looked at: less than a round of the sweeper
OFTEN_FOR = timedelta(minutes=20)  # afterwards seldom, because a Session may come late
SELDOM = timedelta(minutes=10)
LOOK_FOR = timedelta(days=1)


class State(models.TextChoices):
    SENT = "SENT", "sent, and not answered yet"
    ACCEPTED = "ACCEPTED", "accepted; its result is awaited"
    DONE = "DONE", "done, says the operator"
    SESSION = "SESSION", "seen in a Session"
    REFUSED = "REFUSED", "refused by the operator"
    FAILED = "FAILED", "tried without success"
    TIMED_OUT = "TIMED_OUT", "the charge point did not react in time"
    CANCELED = "CANCELED", "cancelled by the operator"
    UNREACHABLE = "UNREACHABLE", "the operator cannot be reached"
    NO_ANSWER = "NO_ANSWER", "the operator did not answer"
    NO_RESULT = "NO_RESULT", "accepted, and no result came"
    NO_SESSION = "NO_SESSION", "done, says the operator, and no Session came"


LEADS_TO_SESSION = ("START_SESSION", "RESERVE_NOW", "STOP_SESSION")
# Where a Session may still tell that it worked.
UNCERTAIN = (
    State.SENT, State.ACCEPTED, State.DONE, State.TIMED_OUT, State.NO_ANSWER, State.NO_RESULT, State.NO_SESSION,
)  # fmt: skip
NEVER_GOT_IT = (State.REFUSED, State.UNREACHABLE)  # the operator has nothing to do with it any more
LED_TO_NOTHING = (State.NO_RESULT, State.NO_SESSION)  # somebody has to look after it
NEEDS_ATTENTION = (*LED_TO_NOTHING, State.NO_ANSWER, State.UNREACHABLE)


class Facts(NamedTuple):
    """What is known about a command."""

    command: str
    requested_at: datetime
    status_code: int | None = None  # what whoever asked was told; None: nothing yet
    answered_at: datetime | None = None
    answer: str = ""  # the result in the direct answer, as far as it could be read
    timeout: int | None = None  # seconds
    result: str = ""  # the latest
    result_at: datetime | None = None
    in_session: bool = False  # there is a Session that it led to


def state_at(facts: Facts, now: datetime) -> State:
    if facts.in_session:
        return State.SESSION
    if _is_refused(facts):
        return State.REFUSED
    if facts.result:
        return _with_result(facts, now)
    if facts.status_code is None:
        return State.SENT if now < facts.requested_at + ANSWER_WITHIN else State.NO_ANSWER
    if facts.answer != "ACCEPTED" and facts.status_code >= StatusCode.HUB_ERROR:
        is_away = facts.status_code == StatusCode.CONNECTION_PROBLEM
        return State.UNREACHABLE if is_away else State.NO_ANSWER
    if now >= result_due(facts):
        return State.NO_RESULT
    return State.ACCEPTED if facts.answer == "ACCEPTED" else State.SENT


def _is_refused(facts: Facts) -> bool:
    """By its result; by its status code where no result can be read."""
    if facts.answer:
        return facts.answer != "ACCEPTED"
    return StatusCode.CLIENT_ERROR <= (facts.status_code or 0) < StatusCode.HUB_ERROR and not facts.result


def _with_result(facts: Facts, now: datetime) -> State:
    if facts.result == "ACCEPTED":
        since = facts.result_at or facts.requested_at
        waits = facts.command != "START_SESSION" or now < since + SESSION_WITHIN
        return State.DONE if waits else State.NO_SESSION
    if facts.result == "TIMEOUT":
        return State.TIMED_OUT
    return State.CANCELED if facts.result == "CANCELED_RESERVATION" else State.FAILED


def result_due(facts: Facts) -> datetime:
    """Until when a result can be expected."""
    return deadlines.result_due(facts.answered_at or facts.requested_at, facts.timeout)


def next_look(command: str, state: State, requested_at: datetime, now: datetime) -> datetime | None:
    """When to look whether time or a Session has changed it; None: only an answer or a result can."""
    if state in (State.SENT, State.ACCEPTED):
        return now + EVERY
    if state not in UNCERTAIN or command not in LEADS_TO_SESSION or now >= requested_at + LOOK_FOR:
        return None
    return now + (EVERY if now < requested_at + OFTEN_FOR else SELDOM)

"""What became of a command, from what is known about it and the time."""

from datetime import UTC, datetime, timedelta

import pytest

from commands import states
from commands.states import Facts, State, next_look, result_due, state_at

T = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seconds(number):
    return timedelta(seconds=number)


def facts(command="START_SESSION", **known):
    return Facts(command, T, **known)


SENT = {}
ACCEPTED = {"status_code": 1000, "answered_at": T + seconds(1), "answer": "ACCEPTED", "timeout": 60}
UNREADABLE = {"status_code": 1000, "answered_at": T + seconds(1)}
REJECTED = {"status_code": 1000, "answered_at": T + seconds(1), "answer": "REJECTED", "timeout": 0}
DONE = {**ACCEPTED, "result": "ACCEPTED", "result_at": T + seconds(10)}

TABLE = [
    # what is known, how many seconds after the request, the state
    ("nothing yet", SENT, 119, State.SENT),
    ("nothing for so long that nobody waits any more", SENT, 120, State.NO_ANSWER),
    ("it cannot be reached", {"status_code": 4003}, 0, State.UNREACHABLE),
    ("it does not answer", {"status_code": 4002}, 0, State.NO_ANSWER),
    ("it answers what cannot be read", {"status_code": 4000}, 0, State.NO_ANSWER),
    ("rejected", REJECTED, 0, State.REFUSED),
    ("not supported", {**REJECTED, "answer": "NOT_SUPPORTED"}, 0, State.REFUSED),
    ("unknown session", {**REJECTED, "answer": "UNKNOWN_SESSION"}, 0, State.REFUSED),
    ("rejected, and a result all the same", {**REJECTED, "result": "ACCEPTED", "result_at": T}, 0, State.REFUSED),
    ("an error without a result", {"status_code": 2003, "answered_at": T}, 0, State.REFUSED),
    ("a fault of the operator's", {"status_code": 3000, "answered_at": T}, 0, State.REFUSED),
    ("an error, and a result", {"status_code": 3000, "answered_at": T, "result": "FAILED"}, 0, State.FAILED),
    ("an error that says ACCEPTED", {**ACCEPTED, "status_code": 2000}, 0, State.ACCEPTED),
    ("4003 of a hub behind, that says ACCEPTED", {**ACCEPTED, "status_code": 4003}, 0, State.ACCEPTED),
    ("accepted", ACCEPTED, 90, State.ACCEPTED),
    ("accepted, and its time and the grace are over", ACCEPTED, 91, State.NO_RESULT),
    ("accepted without a timeout", {**ACCEPTED, "timeout": None}, 60, State.ACCEPTED),
    ("accepted without a timeout, long ago", {**ACCEPTED, "timeout": None}, 61, State.NO_RESULT),
    ("accepted with an absurd timeout", {**ACCEPTED, "timeout": 2**31 - 1}, 86_430, State.ACCEPTED),
    ("accepted with an absurd timeout, a day ago", {**ACCEPTED, "timeout": 2**31 - 1}, 86_431, State.NO_RESULT),
    ("an answer that cannot be read", UNREADABLE, 60, State.SENT),
    ("an answer that cannot be read, long ago", UNREADABLE, 61, State.NO_RESULT),
    ("done", DONE, 909, State.DONE),
    ("done, and no Session for a quarter of an hour", DONE, 910, State.NO_SESSION),
    ("done, it is not known when", {**DONE, "result_at": None}, 900, State.NO_SESSION),
    ("a late result", DONE, 100, State.DONE),
    ("a result without a direct answer", {"status_code": 4002, "result": "ACCEPTED", "result_at": T}, 0, State.DONE),
    ("a result before the direct answer", {"result": "ACCEPTED", "result_at": T}, 0, State.DONE),
    ("timed out", {**ACCEPTED, "result": "TIMEOUT"}, 5, State.TIMED_OUT),
    ("failed", {**ACCEPTED, "result": "FAILED"}, 5, State.FAILED),
    ("occupied", {**ACCEPTED, "result": "EVSE_OCCUPIED"}, 5, State.FAILED),
    ("cancelled", {**ACCEPTED, "result": "CANCELED_RESERVATION"}, 5, State.CANCELED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "after", "state"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_state_of_a_start(known, after, state):
    assert state_at(facts(**known), T + seconds(after)) == state


@pytest.mark.parametrize("known", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
def test_whatever_else_is_known_a_session_tells_that_it_worked(known):
    assert state_at(facts(**known, in_session=True), T + timedelta(days=1)) == State.SESSION


@pytest.mark.parametrize("command", ["STOP_SESSION", "RESERVE_NOW", "UNLOCK_CONNECTOR", "CANCEL_RESERVATION"])
def test_only_a_start_has_to_lead_to_a_session(command):
    assert state_at(facts(command, **DONE), T + timedelta(days=1)) == State.DONE


def test_a_result_is_due_when_its_time_and_the_grace_are_over():
    assert result_due(facts(**ACCEPTED)) == T + seconds(1 + 60 + 30)
    assert result_due(facts(timeout=5)) == T + seconds(5 + 30)


LOOKS = [
    # command, state, how many minutes after the request, and in how many seconds it is looked at again
    ("UNLOCK_CONNECTOR", State.SENT, 0, 4),
    ("UNLOCK_CONNECTOR", State.ACCEPTED, 60, 4),
    ("UNLOCK_CONNECTOR", State.DONE, 0, None),
    ("CANCEL_RESERVATION", State.NO_RESULT, 0, None),
    *(("START_SESSION", state, 19, 4) for state in states.UNCERTAIN),
    *(("START_SESSION", state, 20, 600) for state in states.UNCERTAIN[2:]),
    *(("START_SESSION", state, 1440, None) for state in states.UNCERTAIN[2:]),
    ("STOP_SESSION", State.DONE, 1, 4),
    ("RESERVE_NOW", State.DONE, 1, 4),
    *(("START_SESSION", state, 0, None) for state in State if state not in states.UNCERTAIN),
]


@pytest.mark.parametrize(("command", "state", "minutes", "wait"), LOOKS)
def test_it_is_looked_at_often_then_seldom_and_then_no_more(command, state, minutes, wait):
    now = T + timedelta(minutes=minutes)

    assert next_look(command, state, T, now) == (None if wait is None else now + seconds(wait))


def test_what_led_to_nothing_needs_attention():
    assert set(states.LED_TO_NOTHING) == {State.NO_RESULT, State.NO_SESSION}
    assert set(states.NEEDS_ATTENTION) == {*states.LED_TO_NOTHING, State.NO_ANSWER, State.UNREACHABLE}

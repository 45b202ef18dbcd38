"""The breaker of relays: when it opens, who may ask again, and what closes it."""

import logging

import httpx
import pytest

from ocpi_hub.exchange.exceptions import NotConnected
from ocpi_hub.exchange.relays import breaker, relay
from ocpi_hub.exchange.relays.breaker import Breakers, Seen, after_silence, heard, may_pass, refusal
from ocpi_hub.exchange.routing import Route
from ocpi_hub.partners.models import Platform
from ocpi_hub.protocol.client import (
    AnswerTooLarge,
    BrokenAnswer,
    CutOff,
    RefusedAddress,
    TimedOut,
    Unreachable,
)
from ocpi_hub.protocol.types import PartyRef
from tests import examples
from tests.conformance.calls import to
from tests.partners import enveloped

ABC, DEF, MSP = PartyRef("NL", "ABC"), PartyRef("BE", "DEF"), PartyRef("DE", "MSP")
ONE, BOTH = frozenset({ABC.key}), frozenset({ABC.key, DEF.key})
OPEN = Seen(unanswered=5, pause=5.0, again_at=105.0, senders=ONE)
PROBED = OPEN._replace(probing=True)


# ----------------------------------------------------------------------------------------------------- pure
@pytest.mark.parametrize(
    ("seen", "now", "may"),
    [
        (Seen(), 0.0, True),
        (Seen(unanswered=4), 0.0, True),
        (OPEN, 104.9, False),
        (OPEN, 105.0, True),
        (PROBED, 105.0, False),
        (PROBED, 9999.0, False),
    ],
    ids=[
        "nothing seen",
        "not yet open",
        "resting",
        "to be asked again",
        "being asked",
        "being asked for long",
    ],
)
def test_while_it_is_open_one_at_a_time_may_pass_after_the_pause(seen, now, may):
    assert may_pass(seen, now, ABC.key) is may


@pytest.mark.parametrize(
    ("senders", "sender", "may"),
    [(ONE, ABC, False), (ONE, DEF, True), (BOTH, ABC, False), (BOTH, DEF, False), (BOTH, MSP, False)],
)
def test_it_is_open_for_one_party_alone_until_a_second_one_is_left_without_an_answer(senders, sender, may):
    assert may_pass(OPEN._replace(senders=senders), 100.0, sender.key) is may


@pytest.mark.parametrize(
    ("before", "probe", "after"),
    [
        (Seen(), False, Seen(unanswered=1, senders=ONE)),
        (Seen(unanswered=3), False, Seen(unanswered=4, senders=ONE)),
        (Seen(unanswered=4), False, Seen(unanswered=5, pause=5.0, again_at=125.0, senders=ONE)),
        (OPEN._replace(senders=frozenset({DEF.key})), False, OPEN._replace(unanswered=6, senders=BOTH)),
        (OPEN, False, OPEN._replace(unanswered=6)),
        (PROBED, False, PROBED._replace(unanswered=6)),
        (PROBED, True, OPEN._replace(unanswered=6, pause=10.0, again_at=130.0)),
        (PROBED._replace(pause=40.0), True, OPEN._replace(unanswered=6, pause=60.0, again_at=180.0)),
        (PROBED._replace(pause=60.0), True, OPEN._replace(unanswered=6, pause=60.0, again_at=180.0)),
    ],
    ids=["first", "fourth", "fifth opens it", "one of a second party", "was under way when it opened",
         "was under way, and one asks again",
         "asked in vain", "the pause is bounded", "and stays so"],
)  # fmt: skip
def test_silence_after_silence_opens_it_and_only_asking_in_vain_lengthens_the_pause(before, probe, after):
    assert after_silence(before, 90.0, 120.0, ABC.key, probe=probe) == after


@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize("before", [Seen(answered_at=91.0, unanswered=4), PROBED._replace(answered_at=91.0)])
def test_who_has_answered_others_since_is_not_silent(before, probe):
    assert after_silence(before, 90.0, 120.0, ABC.key, probe=probe) == before


@pytest.mark.parametrize(
    ("failure", "seconds", "said"),
    [
        (TimedOut("late"), 30.0, False),
        (TimedOut("late"), 1.0, False),
        (TimedOut("late"), 0.9, None),
        (Unreachable("refused"), 30.0, False),
        (Unreachable("refused"), 0.1, False),
        (CutOff("cut"), 30.0, False),
        (BrokenAnswer("not gzip"), 30.0, True),
        (AnswerTooLarge("long"), 30.0, True),
        (RefusedAddress("private"), 30.0, None),
        (Unreachable("no URL", permanent=True), 30.0, None),
    ],
)
def test_an_answer_however_bad_is_no_silence_and_not_asking_is_neither(failure, seconds, said):
    assert heard(failure, seconds) is said


@pytest.mark.parametrize(
    ("seen", "now", "what"),
    [
        (OPEN, 100.0, "asks it again in 5 s"),
        (OPEN, 104.9, "asks it again in 1 s"),
        (PROBED, 100.0, "is asking it again now"),
        (PROBED, 200.0, "is asking it again now"),
    ],
)
def test_a_refusal_tells_who_must_act_and_when_the_hub_asks_again(seen, now, what):
    assert str(refusal(MSP, seen, now)) == (
        f"DE*MSP has not answered the last 5 requests, which its operator has to mend. The hub {what}"
    )


# --------------------------------------------------------------------------------------------------- memory
class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breakers(clock):
    return Breakers(clock)


PLATFORM, OTHER = Platform(pk=1, name="MSP"), Platform(pk=2, name="PRO")


def fails(breakers, failure, platform=PLATFORM, seconds=30.0, sender=ABC):
    with pytest.raises(type(failure)), breakers.passing(platform, Route(sender, MSP), seconds):
        raise failure


def opened(breakers):
    for _ in range(breaker.OPENS_AFTER):
        fails(breakers, TimedOut("late"))


def passes(breakers, platform=PLATFORM, sender=ABC):
    """Whether a relay may pass, of which nothing becomes known."""
    try:
        with pytest.raises(ZeroDivisionError), breakers.passing(platform, Route(sender, MSP), 30.0):
            1 / 0  # noqa: B018
    except NotConnected:
        return False
    return True


def test_it_is_open_for_that_partner_alone(breakers):
    opened(breakers)

    assert (passes(breakers), passes(breakers, OTHER)) == (False, True)


def test_slow_requests_of_one_party_do_not_shut_the_partner_to_others(breakers, clock):
    opened(breakers)
    for _ in range(3):
        clock.now += breaker.LONGEST_PAUSE
        fails(breakers, TimedOut("late"))

    assert (passes(breakers), passes(breakers, sender=DEF)) == (False, True)


def test_with_one_of_a_second_party_unanswered_it_is_open_for_all(breakers):
    opened(breakers)
    fails(breakers, TimedOut("late"), sender=DEF)

    assert [passes(breakers, sender=sender) for sender in (ABC, DEF, PartyRef("FR", "XYZ"))] == [False] * 3


def test_an_answer_to_another_party_closes_it(breakers):
    opened(breakers)

    with breakers.passing(PLATFORM, Route(DEF, MSP), 30.0):
        pass

    assert passes(breakers)


def test_while_one_asks_again_the_others_are_refused(breakers, clock):
    opened(breakers)
    clock.now += breaker.FIRST_PAUSE

    with breakers.passing(PLATFORM, Route(ABC, MSP), 30.0):
        assert not passes(breakers)
    assert passes(breakers)


def test_an_answer_of_any_relay_closes_it(breakers, clock):
    with breakers.passing(PLATFORM, Route(ABC, MSP), 30.0):  # is under way while the others fail
        opened(breakers)
        assert not passes(breakers)

    assert passes(breakers)


def test_one_that_ends_without_an_outcome_leaves_it_to_the_next_to_ask(breakers, clock):
    opened(breakers)
    clock.now += breaker.FIRST_PAUSE

    assert [passes(breakers) for _ in range(2)] == [True, True]
    fails(breakers, TimedOut("late"))
    assert not passes(breakers)


def test_those_under_way_when_it_opened_do_not_end_the_asking_of_another(breakers, clock):
    late = breakers.passing(PLATFORM, Route(ABC, MSP), 30.0)
    late.__enter__()
    opened(breakers)
    clock.now += breaker.FIRST_PAUSE

    with breakers.passing(PLATFORM, Route(ABC, MSP), 30.0):
        with pytest.raises(TimedOut):
            late.gen.throw(TimedOut("late"))
        assert not passes(breakers)

    assert passes(breakers)


def test_opening_and_closing_are_a_log_line_each(breakers, clock, caplog):
    caplog.set_level(logging.INFO)
    opened(breakers)
    clock.now += breaker.FIRST_PAUSE
    fails(breakers, TimedOut("late"))
    clock.now += 2 * breaker.FIRST_PAUSE
    for _ in range(2):
        with breakers.passing(PLATFORM, Route(ABC, MSP), 30.0):
            pass

    assert [record.getMessage() for record in caplog.records] == [
        "MSP (#1) has not answered 5 requests in a row, of NL*ABC: more of those are answered with 4003, and one at a"
        " time asks it again",
        "MSP (#1) answers again: requests of others reach it",
    ]


# ------------------------------------------------------------------------------------------ through the hub
def hang(request):
    raise httpx.ReadTimeout("late", request=request)


@pytest.fixture
def at_the_hub(cpo, emsp, monkeypatch, clock):
    monkeypatch.setattr(relay, "breakers", Breakers(clock))
    emsp.answers.append(hang)
    return [cpo.get("sender/tokens", **to("DE*MSP")) for _ in range(breaker.OPENS_AFTER)]


def test_who_leaves_five_unanswered_is_not_asked_until_the_pause_is_over(at_the_hub, cpo, emsp, clock):
    refused = [cpo.get("sender/tokens", **to("DE*MSP")), cpo.delete("sender/tokens/T", **to("DE*MSP"))]
    asked = len(emsp.calls)
    emsp.answers.clear()
    clock.now += breaker.FIRST_PAUSE
    again = [cpo.get("sender/tokens", **to("DE*MSP")).codes for _ in range(2)]

    assert [answered.codes for answered in at_the_hub] == [(200, 4002)] * 5
    assert refused[0].codes == (200, 4003)
    assert refused[0].message == (
        "DE*MSP has not answered the last 5 requests, which its operator has to mend."
        " The hub asks it again in 5 s"
    )
    assert asked == 5
    assert again == [(200, 1000)] * 2


def test_a_push_that_is_not_passed_on_is_kept_and_delivered_when_it_answers(at_the_hub, cpo, emsp, deliver):
    told = cpo.put("receiver/locations/NL/ABC/LOC1", examples.location(), **to("DE*MSP"))
    emsp.answers.clear()
    emsp.calls.clear()

    deliver()

    assert told.codes == (200, 4003)
    assert [(call.method, call.path) for call in emsp.calls] == [("PUT", "/receiver/locations/NL/ABC/LOC1")]


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: httpx.Response(500),
        lambda request: httpx.Response(401),
        lambda request: httpx.Response(200, text="<html>"),
        lambda request: httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b"no gzip"),
        lambda request: enveloped(status_code=3000),
    ],
    ids=["500", "401", "not JSON", "not gzip", "3000"],
)
def test_bad_answers_in_a_row_do_not_open_it(cpo, emsp, answer):
    emsp.answers.append(answer)

    for _ in range(breaker.OPENS_AFTER + 2):
        cpo.get("sender/tokens", **to("DE*MSP"))

    assert len(emsp.calls) == breaker.OPENS_AFTER + 2

"""Why a call came to nothing, as the error reports name it."""

import httpx
import pytest

from ocpi_hub.errorreports.kinds import KINDS
from ocpi_hub.exchange.calls import causes, verdicts
from ocpi_hub.exchange.calls.verdicts import Result, Verdict
from ocpi_hub.exchange.deliveries.deliveryfailures import kind_of
from ocpi_hub.protocol.client import (
    Answer,
    AnswerTooLarge,
    BrokenAnswer,
    CutOff,
    RefusedAddress,
    TimedOut,
    Unreachable,
)

NO, TEMPORARY, PERMANENT = "", Verdict.TEMPORARY, Verdict.PERMANENT


@pytest.mark.parametrize(
    ("http_status", "status_code", "cause"),
    [
        (401, None, "token_unknown"),
        (403, 2001, "token_unknown"),
        (429, 2000, "rate_limited"),
        (408, None, "server_error"),
        (425, None, "server_error"),
        (500, 2001, "server_error"),
        (503, None, "server_error"),
        (301, None, "redirected"),
        (307, 1000, "redirected"),
        (400, 1000, "refused"),
        (404, None, "refused"),
        (200, None, "no_envelope"),
        (204, None, "no_envelope"),
        (200, 2000, "refused"),
        (200, 2999, "refused"),
        (200, 3000, "server_error"),
        (200, 999, "server_error"),
        (200, 5000, "server_error"),
        (200, 4000, "not_brought_on"),
        (201, 4003, "not_brought_on"),
    ],
)
def test_an_answer_says_by_its_codes_what_is_wrong(http_status, status_code, cause):
    assert causes.of_codes(http_status, status_code) == cause
    for area in ("delivery", "relay", "authorization", "command", "pull"):
        assert causes.kind_of(area, cause) in KINDS


def test_nothing_is_wrong_with_a_good_answer():
    assert causes.of_answer(Answer(200, httpx.Headers(), b'{"status_code":1000}', 0.1)) == NO


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (Unreachable("x"), "unreachable"),
        (Unreachable("x", permanent=True), "bad_address"),
        (TimedOut("x"), "timed_out"),
        (RefusedAddress("x"), "refused_address"),
        (AnswerTooLarge("x"), "too_large"),
        (CutOff("x"), "broken_answer"),
        (BrokenAnswer("x"), "broken_answer"),
    ],
)
def test_silence_has_a_cause_for_relays_and_deliveries_alike(failure, cause):
    said = verdicts.cause_of_silence(failure)
    verdict = PERMANENT if failure.permanent else TEMPORARY

    assert causes.of_silence(failure) == cause
    assert kind_of(Result(verdict, "x", cause=said)) == f"delivery.{cause}"


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (Result(Verdict.DELIVERED, "accepted", http_status=200, status_code=1000), NO),
        (Result(Verdict.GONE, "the object is no longer in the hub"), NO),
        (Result(PERMANENT, "no", http_status=200, status_code=2001), "delivery.refused"),
        (Result(TEMPORARY, "its state follows", http_status=200, status_code=2001, refused=True), NO),
        (
            Result(TEMPORARY, "behind it", http_status=200, status_code=4003, refused=True),
            "delivery.not_brought_on",
        ),
        (Result(PERMANENT, "x", cause=verdicts.NO_ENDPOINT), "delivery.no_interface"),
        (Result(TEMPORARY, "x", cause=verdicts.UNREADABLE), "hub.secret_unreadable"),
        (Result(TEMPORARY, "x", cause=verdicts.HUB_FAULT, refused=True), "hub.fault"),
        (Result(TEMPORARY, "x"), "hub.fault"),
    ],
)
def test_a_try_that_came_to_nothing_has_a_kind(result, kind):
    assert kind_of(result) == kind

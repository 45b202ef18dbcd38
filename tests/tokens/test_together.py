"""Several providers asked at once: who is slow costs the common time, and nobody else anything."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from ocpi_hub.exchange.exceptions import HubError, NotAnswered, NotConnected
from ocpi_hub.logs import current_ids
from ocpi_hub.protocol.headers import MessageIDs
from tests import examples
from tests.conformance.test_authorize import answers, asked
from tests.exchange.relays.test_relay import Slow
from tokens import together
from tokens.models import Authorization
from tokens.together import at_once

OF_PRO = examples.token(country_code="AT", party_id="PRO")
ASK = "sender/tokens/04A1B2C3D4/authorize"
UNKNOWN = {"status_code": 2004, "http_status": 404}


@pytest.fixture(autouse=True)
def idle(monkeypatch):
    """A pool of the test's own, whose threads have ended when the test has."""
    pool = ThreadPoolExecutor(16)
    monkeypatch.setattr(together, "_pool", lambda: pool)
    yield pool
    pool.shutdown(wait=True)


# ------------------------------------------------------------------------------------------------ by itself
@pytest.fixture
def late():
    """What is only there after the test."""
    over = threading.Event()
    yield lambda left: over.wait(30)
    over.set()


def test_results_come_in_the_order_of_the_works(db):
    second = threading.Event()

    def first(left):
        return second.wait(30) and "first"

    def after_it(left):
        second.set()
        return "second"

    assert at_once([first, after_it], 30, enough=lambda result: False) == ["first", "second"]


def test_one_that_is_enough_is_not_kept_waiting(db, late):
    began = time.monotonic()

    results = at_once([late, lambda left: "enough"], 30, enough=lambda result: result == "enough")

    assert results == [None, "enough"]
    assert time.monotonic() - began < 5


def test_what_is_not_there_in_time_has_not_answered(db, late):
    result, other = at_once([late, lambda left: "there"], 0.1, enough=lambda result: False)

    assert isinstance(result, NotAnswered)
    assert other == "there"


def test_each_is_told_how_much_time_is_left(db):
    [left] = at_once([lambda left: left], 20, enough=lambda result: False)

    assert 15 < left <= 20


def test_what_has_not_begun_in_time_does_not_begin(db, idle, monkeypatch, late):
    monkeypatch.setattr(together, "_pool", lambda: narrow)
    begun, go_on = [], threading.Event()
    with ThreadPoolExecutor(1) as narrow:
        narrow.submit(go_on.wait, 30)
        [result] = at_once([begun.append], 0.05, enough=lambda result: False)
        go_on.set()

    assert isinstance(result, NotAnswered)
    assert begun == []


def test_errors_are_results(db, caplog):
    def refuse(left):
        raise NotConnected("away")

    def break_down(left):
        raise ZeroDivisionError

    away, broken, fine = at_once([refuse, break_down, lambda left: "fine"], 30, enough=lambda result: False)

    assert (str(away), str(broken), fine) == ("away", "the hub failed on asking this party", "fine")
    assert isinstance(broken, HubError)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_log_lines_of_each_name_the_message_that_they_belong_to(db):
    ids = MessageIDs("request-1", "correlation-1")
    mark = current_ids.set(ids)
    try:
        seen = at_once([lambda left: current_ids.get()] * 2, 30, enough=lambda result: False)
    finally:
        current_ids.reset(mark)

    assert seen == [ids, ids]


def test_no_thread_keeps_a_connection(transactional_db, idle):
    def look(left):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return connections["default"]

    used = at_once([look], 30, enough=lambda result: False)

    idle.shutdown(wait=True)
    assert [one.connection for one in used] == [None]


def test_the_pool_is_as_wide_as_relays_may_be_and_there_is_one(settings, monkeypatch):
    monkeypatch.undo()

    assert together._pool()._max_workers == settings.HUB_RELAYS_TOGETHER
    assert together._pool() is together._pool()


# -------------------------------------------------------------------------------------------- through the hub
def ask(partner, path=ASK):
    try:
        return partner.post(path, {"location_id": "LOC1"})
    finally:
        connection.close()


def test_providers_are_asked_at_the_same_time(transactional_db, cpo, flagged):
    slow = [Slow(provider) for provider in flagged]
    for provider in flagged:
        answers(provider, **UNKNOWN)
        provider.answers.append(provider.answers.pop(0))  # after Slow
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, cpo)
        for one in slow:
            one.arrived(1)  # while none has answered
        for one in slow:
            one.go_on.set()

    assert waiting.result().codes == (404, 2004)


def test_the_first_who_allows_it_is_heard_at_once(transactional_db, cpo, flagged):
    emsp, other_emsp = flagged
    slow = Slow(emsp)
    answers(other_emsp, examples.authorization_info(token=OF_PRO))
    began = time.monotonic()

    answered = ask(cpo)
    took = time.monotonic() - began
    slow.go_on.set()

    assert answered.data == examples.authorization_info(token=OF_PRO)
    assert took < 3


def test_one_who_hangs_costs_the_common_time_and_no_more(transactional_db, settings, cpo, flagged):
    settings.HUB_AUTHORIZE_DEADLINE = 0.2
    emsp, other_emsp = flagged
    slow = Slow(emsp)
    answers(other_emsp, examples.authorization_info(allowed="EXPIRED", token=OF_PRO))
    began = time.monotonic()

    answered = ask(cpo)
    took = time.monotonic() - began
    slow.go_on.set()

    assert answered.data["allowed"] == "EXPIRED"
    assert 0.2 <= took < 3
    assert Authorization.objects.get().problem == "DE*MSP: no answer in time"


def test_when_all_hang_it_is_4002_after_the_common_time(transactional_db, settings, cpo, flagged):
    settings.HUB_AUTHORIZE_DEADLINE = 0.1
    slow = [Slow(provider) for provider in flagged]

    answered = ask(cpo)
    for one in slow:
        one.go_on.set()

    assert answered.codes == (200, 4002)
    assert answered.message == "no provider that may know this token answered in time"


def test_one_who_hangs_takes_its_own_places_only(transactional_db, settings, cpo, flagged):
    settings.HUB_CONCURRENT_RELAYS = 2
    emsp, other_emsp = flagged
    slow = Slow(emsp)
    answers(emsp, **UNKNOWN)
    emsp.answers.append(emsp.answers.pop(0))
    answers(other_emsp, **UNKNOWN)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, cpo) for _ in range(2)]
        slow.arrived(2)
        began = time.monotonic()
        others = [ask(cpo) for _ in range(3)]  # for whom there is no place at the slow one
        took = time.monotonic() - began
        slow.go_on.set()
        slow_ones = [one.result() for one in waiting]

    assert [answered.codes for answered in others + slow_ones] == [(404, 2004)] * 5
    assert took < 3
    assert (len(asked(emsp)), len(asked(other_emsp))) == (2, 5)


def test_a_known_provider_who_hangs_leaves_the_others_alone(
    transactional_db, settings, cpo, emsp, other_emsp
):
    settings.HUB_CONCURRENT_RELAYS = 1
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token(whitelist="NEVER"))
    theirs = examples.token(uid="OTHER1", whitelist="NEVER", country_code="AT", party_id="PRO")
    other_emsp.put("receiver/tokens/AT/PRO/OTHER1", theirs)
    answers(other_emsp, examples.authorization_info(token=theirs))
    slow = Slow(emsp)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, cpo)
        slow.arrived(1)
        same, other = ask(cpo), ask(cpo, "sender/tokens/OTHER1/authorize")
        slow.go_on.set()

    assert same.codes == (200, 4003)
    assert other.data["allowed"] == "ALLOWED"
    assert waiting.result().codes == (200, 4000)  # its answer was none to this question


def test_who_waits_for_providers_is_served_meanwhile(transactional_db, settings, cpo, flagged):
    settings.HUB_CONCURRENT_REQUESTS = 1
    slow = [Slow(provider) for provider in flagged]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, cpo)
        for one in slow:
            one.arrived(1)
        meanwhile = cpo.get("sender/tokens")
        for one in slow:
            one.go_on.set()
        waiting.result()

    assert meanwhile.codes == (200, 1000)


@pytest.mark.parametrize("pushed", [True, False], ids=["its provider is known", "it is asked around"])
def test_no_connection_is_held_while_providers_answer(transactional_db, cpo, flagged, pushed):
    """Neither by the thread of the request nor by those that ask."""
    emsp, _ = flagged
    if pushed:
        emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())
    requests, held = connection, []
    for provider in flagged:
        provider.answers.append(
            lambda request: held.append((requests.connection is not None, connection.connection is not None))
        )

    cpo.post(ASK)

    assert held == [(False, False)] * (1 if pushed else 2)


def test_the_token_and_its_provider_are_one_query_each(cpo, emsp, django_assert_max_num_queries):
    emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())
    answers(emsp, examples.authorization_info())

    with django_assert_max_num_queries(30) as asking:
        assert cpo.post(ASK).data["allowed"] == "ALLOWED"

    asked_for = [query["sql"] for query in asking.captured_queries]
    assert sum('FROM "tokens_token"' in sql for sql in asked_for) == 1
    assert sum('"partners_endpoint"' in sql for sql in asked_for) == 1
    assert len(asked_for) <= 12

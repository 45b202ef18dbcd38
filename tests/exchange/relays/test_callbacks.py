"""response_url out and back: what the modules have in common, shown with commands."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ocpi_hub.exchange.exceptions import NotAnswered, NotFound, UnknownReceiver
from ocpi_hub.exchange.housekeeping import partitions
from ocpi_hub.exchange.interfaces.asking import one_of
from ocpi_hub.exchange.models import Callback, Grant, Message
from ocpi_hub.exchange.objects import grants
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.exchange.relays.callbacks import Reply, read_reply, readdressed, unwrapped
from ocpi_hub.exchange.routing import Route, towards
from ocpi_hub.protocol.charging_profiles import ActiveChargingProfileResult
from ocpi_hub.protocol.commands import CommandResponse, CommandResult
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.types import PartyRef
from tests import examples

CPO, EMSP = PartyRef("NL", "ABC"), PartyRef("DE", "MSP")
IDS = MessageIDs("request", "correlation")


def on_the_way():
    return towards(Route(EMSP), CPO, "commands", "RECEIVER")


@pytest.fixture
def expected(cpo, emsp):
    """A command whose result is awaited."""
    url = "https://msp.example/ocpi/results/1"
    return callbacks.expect(on_the_way(), emsp.platform, "commands", "STOP_SESSION", url, IDS)


def arrive(callback, platform, result, struct=CommandResult, **changes):
    body = result if isinstance(result, bytes) else json.dumps(result).encode()
    place = {"module": callback.module, "kind": callback.kind, "secret": callback.secret, **changes}
    return callbacks.arrive(**place, platform=platform, body=body, struct=struct, ids=IDS)


# --------------------------------------------------------------------------------------------- on the way out
def test_an_address_is_the_hubs_own_and_cannot_be_guessed(expected, emsp, settings):
    settings.HUB_BASE_URL = "https://hub.example"
    second = callbacks.expect(
        on_the_way(), emsp.platform, "commands", "STOP_SESSION", expected.response_url, IDS
    )

    urls = [callbacks.address(callback) for callback in (expected, second)]

    assert [url.rpartition("/")[0] for url in urls] == [
        "https://hub.example/ocpi/2.2.1/sender/commands/STOP_SESSION"
    ] * 2
    assert [len(url.rpartition("/")[2]) for url in urls] == [43, 43]
    assert urls[0] != urls[1]


@pytest.mark.parametrize(
    ("until", "days"),
    [(None, 7), (timedelta(days=-3), 7), (timedelta(days=3), 10), (timedelta(days=4000), 407)],
    ids=str,
)
def test_results_are_taken_for_a_week_from_the_time_given(cpo, emsp, settings, until, days):
    settings.HUB_CALLBACK_DAYS = 7
    moment = until and timezone.now() + until

    callback = callbacks.expect(
        on_the_way(), emsp.platform, "commands", "RESERVE_NOW", "https://a.example", IDS, until=moment
    )

    expires_in = callback.expires_at - callback.created_at
    assert abs(expires_in - timedelta(days=days)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"response_url":"https://a.example/1"}', b'{"response_url":"https://hub.example"}'),
        (
            b'{"b": 1.0, "response_url": "https:\\/\\/a.example", "a": [ 1E5 ]}',
            b'{"b":1.0,"response_url":"https://hub.example","a":[ 1E5 ]}',
        ),
        (
            b'{"response_url": "https://a.example", "x": {"response_url": "https://a.example"}}',
            b'{"response_url":"https://hub.example","x":{"response_url": "https://a.example"}}',
        ),
        (
            b'{"response_url": "https://a.example", "response_url": "https://b.example"}',
            b'{"response_url":"https://hub.example"}',
        ),
    ],
)
def test_only_the_response_url_of_a_body_changes(body, sent):
    assert readdressed(body, "https://hub.example") == sent


# ------------------------------------------------------------------------------------------- the direct answer
REPLIES = [
    (b'{"result": "ACCEPTED", "timeout": 30}', Reply("ACCEPTED", 30)),
    (b'{"result": "REJECTED", "timeout": 0, "x": 1}', Reply("REJECTED", 0)),
    (b'{"result": "ACCEPTED", "timeout": -5}', Reply("ACCEPTED", 0)),
    (b"", Reply(problem="its answer has no data")),
    (b"null", Reply(problem="its answer has no data")),
    (b"[]", Reply(problem="its answer cannot be read: $: an object is expected")),
    (b'{"a": "\\u0000"}', Reply(problem="its answer cannot be read: $.a: holds the character U+0000")),
    (
        b'{"result": "ACCEPTED", "timeout": 1.5}',
        Reply("ACCEPTED", None, "its answer is not as it should be: $.timeout: not a whole number"),
    ),
    (
        b'{"result": "ACCEPTED", "timeout": true}',
        Reply("ACCEPTED", None, "its answer is not as it should be: $.timeout: "),
    ),
    (
        b'{"result": " Accepted ", "timeout": 30}',
        Reply("ACCEPTED", 30, "its answer is not as it should be: $.result: ' Accepted ' is not one of "),
    ),
    (
        b'{"timeout": 30}',
        Reply("", 30, "its answer is not as it should be: $.result: required field is missing"),
    ),
]


@pytest.mark.parametrize(("data", "reply"), REPLIES)
def test_of_a_direct_answer_as_much_is_read_as_can_be(data, reply):
    found = read_reply(data, CommandResponse)

    assert found[:2] == reply[:2]
    assert found.problem.startswith(reply.problem)
    assert bool(found.problem) == bool(reply.problem)


def test_why_there_is_no_direct_answer_is_noted(expected):
    callbacks.unanswered(expected, NotAnswered("NL*ABC did not answer in time"))

    row = Callback.objects.get()
    assert (row.status_code, row.answered_at, row.problem) == (4002, None, "NL*ABC did not answer in time")


def test_an_answer_of_the_hub_itself_says_why():
    error = callbacks.in_place("REJECTED", "no such thing")

    assert (error.status_code, error.http_status, str(error)) == (1000, 200, "no such thing")
    assert error.data == {"result": "REJECTED", "timeout": 0}


# ------------------------------------------------------------------------------------------------- the results
@pytest.mark.parametrize(
    ("raw", "result"),
    [
        ({"result": "ACCEPTED"}, {"result": "ACCEPTED"}),
        ({"data": {"result": "ACCEPTED"}, "status_code": 1000}, {"result": "ACCEPTED"}),
        (
            {"result": "ACCEPTED", "data": {"result": "FAILED"}},
            {"result": "ACCEPTED", "data": {"result": "FAILED"}},
        ),
        ({"data": None}, {"data": None}),
        ({"data": [1]}, {"data": [1]}),
        ({}, {}),
    ],
)
def test_a_result_is_taken_out_of_its_envelope(raw, result):
    assert unwrapped(raw) == result


def test_a_result_is_published_for_whoever_asked_in_the_same_transaction(expected, cpo):
    arrived = arrive(expected, cpo.platform, {"result": "FAILED"})

    assert (arrived.callback, arrived.result.result, arrived.repeated, arrived.passed_on) == (
        expected,
        "FAILED",
        False,
        True,
    )
    message = Message.objects.get()
    assert (message.method, message.body, message.audience, message.from_party, message.correlation_id) == (
        "POST",
        '{"result":"FAILED"}',
        "DE*MSP",
        "NL*ABC",
        "correlation",
    )
    assert [row.pk for row in callbacks.results_of(expected)] == [message.pk]


@pytest.mark.parametrize(
    "changes",
    [{"secret": "x" * 43}, {"kind": "START_SESSION"}, {"module": "chargingprofiles"}],
    ids=["another secret", "another command", "another module"],
)
def test_a_result_at_another_address_is_not_found(expected, cpo, changes):
    with pytest.raises(NotFound):
        arrive(expected, cpo.platform, {"result": "FAILED"}, **changes)

    assert not Message.objects.exists()


def test_who_may_not_bring_a_result_learns_nothing_of_it(expected, emsp):
    """A body that is none is not found wanting before the address is."""
    with pytest.raises(NotFound):
        arrive(expected, emsp.platform, {"result": "NONSENSE"})


def test_the_same_profile_in_another_form_is_the_same_result(expected, cpo):
    """Key order, spaces, and how a number is written make no other one; another limit does."""
    bodies = (
        b'{"result": "ACCEPTED", "profile": {"start_date_time": "2026-03-01T07:00:00Z", "charging_profile":'
        b' {"charging_rate_unit": "A", "charging_profile_period": [{"start_period": 0, "limit": 16}]}}}',
        b'{"profile":{"charging_profile":{"charging_profile_period":[{"limit":16.0,"start_period":0}],'
        b'"charging_rate_unit":"A"},"start_date_time":"2026-03-01T07:00:00Z"},"result":"ACCEPTED"}',
        b'{"result": "ACCEPTED", "profile": {"start_date_time": "2026-03-01T07:00:00Z", "charging_profile":'
        b' {"charging_rate_unit": "A", "charging_profile_period": [{"start_period": 0, "limit": 8}]}}}',
    )

    arrived = [arrive(expected, cpo.platform, body, ActiveChargingProfileResult) for body in bodies]

    assert [one.repeated for one in arrived] == [False, True, False]


def test_of_one_request_only_so_many_results_go_on(expected, cpo):
    results = [
        {"result": "FAILED", "message": [{"language": "en", "text": f"try {number}"}]}
        for number in range(callbacks.MOST_RESULTS + 1)
    ]

    arrived = [arrive(expected, cpo.platform, result) for result in results]

    assert [one.passed_on for one in arrived] == [True] * callbacks.MOST_RESULTS + [False]
    assert Message.objects.count() == callbacks.MOST_RESULTS


@pytest.mark.django_db(transaction=True)
def test_one_result_that_comes_twice_at_once_goes_on_once(expected, cpo):
    """An operator's two workers, or its retry that overtakes the first try."""
    found, together = [], threading.Barrier(4)

    def bring():
        try:
            together.wait()
            found.append(arrive(expected, cpo.platform, {"result": "ACCEPTED"}).passed_on)
        finally:
            connection.close()

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [False, False, False, True]
    assert Message.objects.count() == 1
    assert Callback.objects.get().results == 4


# ------------------------------------------------------------------------------------ whose it is, what is kept
def test_of_several_parties_one_has_to_be_named(cpo, emsp):
    both = {party.key: party for party in (CPO, EMSP)}
    with pytest.raises(
        UnknownReceiver, match=r"^NL\*ABC, DE\*MSP each have it; name one of them in OCPI-to$"
    ):
        one_of(both, "it")

    assert one_of({CPO.key: CPO}, "it") == CPO
    assert one_of({}, "it") is None


def test_a_party_that_has_left_is_not_asked(db):
    with pytest.raises(UnknownReceiver, match=r"^NL\*ABC has it, and is no longer known to this hub$"):
        one_of({CPO.key: CPO}, "it")


@pytest.mark.parametrize(("age", "kept"), [(91, False), (89, True)])
def test_grants_are_kept_as_long_as_messages(db, settings, age, kept):
    settings.HUB_MESSAGE_DAYS = 90
    grants.note(EMSP, "UID1", CPO, "REF1", "authorize")
    Grant.objects.update(given_at=timezone.now() - timedelta(days=age))

    assert partitions.delete_finished() == (0 if kept else 1)
    assert Grant.objects.exists() is kept


def test_what_is_kept_to_be_looked_at_has_an_end(cpo, emsp):
    request = "x" * (callbacks.MOST_KEPT + 1)

    callback = callbacks.expect(
        on_the_way(), emsp.platform, "commands", "STOP_SESSION", "https://a.example", IDS, request=request
    )

    callback.refresh_from_db()
    assert len(callback.request) == callbacks.MOST_KEPT


def test_an_example_of_a_result_passes(expected, cpo):
    assert arrive(expected, cpo.platform, examples.command_result()).passed_on

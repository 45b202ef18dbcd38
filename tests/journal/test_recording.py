"""Every request in and out becomes a hop, whatever came of it (ocpi_hub/journal/recording.py)."""

import json
import threading
import time

import httpx
import psycopg
import pytest
from django.db import OperationalError, connection

from ocpi_hub import background, metrics
from ocpi_hub.exchange.calls import transports
from ocpi_hub.exchange.housekeeping import liveness
from ocpi_hub.exchange.pulls import sync
from ocpi_hub.journal import recording, writing
from ocpi_hub.journal.budget import Budget
from ocpi_hub.journal.models import Hop
from ocpi_hub.journal.names import result_name
from ocpi_hub.protocol.client import Call, Unreachable
from ocpi_hub.protocol.headers import MessageIDs, authorization
from tests import examples
from tests.conformance.calls import to
from tests.partners import enveloped

pytestmark = pytest.mark.django_db
S1 = "receiver/sessions/NL/ABC/S1"
IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}


def hops(**filters):
    background.flush()
    return list(Hop.objects.filter(**filters).order_by("at", "id"))


def test_a_push_and_its_delivery_are_two_hops_of_one_correlation(cpo, emsp, deliver):
    session = examples.session(id="S1")
    cpo.put(S1, session, **IDS)
    deliver()

    came, went = hops(correlation_id="correlation-1")

    assert (came.direction, came.method, came.url) == ("IN", "PUT", f"/ocpi/2.2.1/{S1}")
    assert (came.module, came.interface, came.kind) == ("sessions", "receiver", "drivers")
    assert (came.platform_id, came.from_party, came.to_party) == (cpo.platform.pk, "NL*ABC", "")
    assert (came.request_id, came.remote) == ("request-1", "127.0.0.1")
    assert (came.http_status, came.status_code, came.failure) == (201, 1000, "")
    assert json.loads(came.request_body) == session
    assert came.request_size == len(json.dumps(session))
    assert json.loads(came.answer_body)["status_code"] == 1000
    assert (went.direction, went.method, went.url) == (
        "OUT", "PUT", "https://msp.example/receiver/sessions/NL/ABC/S1",
    )  # fmt: skip
    assert (went.module, went.interface, went.kind) == ("sessions", "receiver", "drivers")
    assert (went.platform_id, went.from_party, went.to_party) == (emsp.platform.pk, "NL*ABC", "DE*MSP")
    assert went.delivery_id is not None
    assert went.request_id not in ("", "request-1")
    assert (went.http_status, went.status_code) == (200, 1000)
    assert "session:NL/ABC/S1" in came.refs
    assert set(came.refs) == set(went.refs)


def test_what_the_hub_refuses_is_a_hop_as_well(cpo, emsp):
    cpo.put(S1, b"{no json", **IDS)
    cpo.request("PUT", "nowhere/at/all", {"kwh": 1}, **{"X-Correlation-ID": "correlation-2"})

    malformed, lost = hops(direction="IN")

    assert (malformed.http_status, malformed.status_code, malformed.request_body) == (400, 2000, "{no json")
    assert malformed.refs == ["session:NL/ABC/S1", "S1"]
    assert (lost.http_status, lost.module, lost.kind, lost.platform_id) == (404, "nowhere", "drivers", None)


def test_of_an_unknown_caller_the_address_is_kept_and_not_what_it_sent(cpo, emsp):
    cpo.token = "a-token-that-nobody-knows"
    cpo.put(S1, examples.session(id="S1"), **IDS)

    (hop,) = hops()

    assert (hop.http_status, hop.platform_id, hop.remote, hop.request_id) == (
        401,
        None,
        "127.0.0.1",
        "request-1",
    )
    assert (hop.request_body, hop.request_size > 500, hop.from_party) == ("", True, "NL*ABC")
    assert "not known to this hub" in hop.answer_body


def test_unknown_callers_cannot_fill_the_journal(cpo, emsp, monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(recording, "strangers", recording.Strangers(2, lambda: now[0]))
    token, cpo.token = cpo.token, "a-token-that-nobody-knows"
    for _ in range(5):
        cpo.get("receiver/sessions/NL/ABC/S1")
    now[0] = 61
    cpo.get("receiver/sessions/NL/ABC/S2")
    cpo.token = token
    cpo.get("receiver/sessions/NL/ABC/S3")

    assert [hop.url[-2:] for hop in hops()] == ["S1", "S1", "S2", "S3"]
    assert "3 requests of unknown callers are not in the journal" in caplog.text


def test_the_token_that_a_partner_calls_with_is_not_stored_where_it_sends_it_once_more(cpo):
    once = authorization(cpo.token).removeprefix("Token ")
    cpo.put(
        f"receiver/locations/NL/ABC/LOC1?key={cpo.token}", examples.location(a=cpo.token, b=f"Token {once}")
    )
    background.flush()

    hop = Hop.objects.get()
    assert hop.url == "/ocpi/2.2.1/receiver/locations/NL/ABC/LOC1?key=***"
    kept = json.loads(hop.request_body)
    assert (kept["a"], kept["b"]) == ("***", "Token ***")


def test_no_token_of_either_side_is_in_any_column(cpo, emsp, deliver):
    cpo.put(S1, examples.session(id="S1"))
    emsp.answers.append(lambda request: httpx.Response(401, text=f"no: {request.headers['Authorization']}"))
    deliver()
    background.flush()

    (answer,) = [hop.answer_body for hop in hops(direction="OUT")]
    stored = json.dumps([list(map(str, row)) for row in Hop.objects.values_list()])

    assert answer == "no: Token ***"
    for token in (cpo.token, emsp.token, "token-of-msp"):
        assert token not in stored
        assert authorization(token).removeprefix("Token ") not in stored


# ------------------------------------------------------------------------------------- what the hub asks
def test_a_relay_is_two_hops_within_each_other(cpo, emsp):
    cpo.answers.append(lambda request: enveloped(examples.token()))
    emsp.get("receiver/tokens/DE/MSP/04A1B2C3D4?type=RFID", **to("NL*ABC"), **IDS)

    came, went = hops()

    assert [hop.direction for hop in (came, went)] == ["IN", "OUT"]
    assert (went.url, went.platform_id, went.delivery_id) == (
        "https://abc.example/receiver/tokens/DE/MSP/04A1B2C3D4?type=RFID", cpo.platform.pk, None,
    )  # fmt: skip
    assert (went.from_party, went.to_party, went.correlation_id) == ("DE*MSP", "NL*ABC", "correlation-1")
    assert came.at <= went.at
    assert json.loads(came.answer_body)["data"] == json.loads(went.answer_body)["data"]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (httpx.ReadTimeout, "TimedOut: msp.example: no complete answer in time"),
        (httpx.ConnectError, "Unreachable: msp.example: why"),
        (httpx.RemoteProtocolError, "CutOff: msp.example: why"),
    ],
)
def test_a_call_without_an_answer_is_a_hop_with_the_reason(cpo, emsp, deliver, error, failure):
    def fail(request):
        raise error("why", request=request)

    emsp.answers.append(fail)
    cpo.put(S1, examples.session(id="S1"), **IDS)
    deliver()

    (went,) = hops(direction="OUT")

    assert (went.http_status, went.status_code, went.answer_body, went.failure) == (None, None, "", failure)


def test_pulls_probes_and_handshakes_are_hops(cpo, network):
    cpo.lists["sessions"] = [examples.session(id="S1")]
    sync.pull_platform(cpo.platform.pk, "sessions", full=True)
    liveness.ask(cpo.platform.pk)
    with transports.new_client("token-of-nobody") as client, pytest.raises(Unreachable):
        client.request("GET", "https://nobody.example/versions", ids=MessageIDs.new())

    told = [(hop.module, hop.interface, hop.kind, hop.platform_id, hop.http_status) for hop in hops()]

    assert told == [
        ("sessions", "sender", "drivers", cpo.platform.pk, 200),
        ("versions", "", "connections", cpo.platform.pk, 200),
        ("credentials", "", "connections", None, None),
    ]
    assert "session:NL/ABC/S1" in hops(module="sessions")[0].refs


def test_what_goes_to_an_endpoint_that_the_partner_has_no_more_keeps_its_module(cpo):
    watch = recording.Watch(cpo.platform.pk, "token")
    for method, url in (("PUT", "https://old.example/x/Sessions/NL/ABC/S1"), ("PUT", "https://old.example/x"),
                        ("POST", "https://old.example/results/77aa88bb")):  # fmt: skip
        watch(Call(method, url, MessageIDs.new(), None, b"{}", None, None, 0.1))

    assert [(hop.module, hop.refs[:1], hop.failure) for hop in hops()] == [
        ("sessions", ["session:NL/ABC/S1"], "a fault of the hub"),
        ("elsewhere", [], "a fault of the hub"),
        ("callbacks", [result_name("77aa88bb")], "a fault of the hub"),
    ]


# ------------------------------------------------------------------------------------------- what is kept
def test_a_long_body_is_cut_and_its_size_is_told(cpo, emsp):
    body = json.dumps(examples.session(id="S1", note="x" * 70_000)).encode()
    cpo.put(S1, body)

    (hop,) = hops()

    assert (len(hop.request_body), hop.request_size, hop.request_is_cut) == (64_000, len(body), True)
    assert (hop.answer_is_cut, "S1" in hop.refs) == (False, True)


def test_a_page_of_a_list_is_cut_shorter(cpo):
    cpo.lists["sessions"] = [examples.session(id=f"S{number}") for number in range(20)]
    sync.pull_platform(cpo.platform.pk, "sessions", full=True)

    (page,) = hops()

    assert len(page.answer_body) == 8_000
    assert page.answer_size > 10_000
    assert page.answer_is_cut
    assert "session:NL/ABC/S19" in page.refs


@pytest.fixture
def clock(monkeypatch, settings):
    """A budget of 1 MB that nothing was taken from, and its clock."""
    now = [0.0]
    settings.HUB_JOURNAL_MB = 1
    monkeypatch.setattr(recording, "budget", Budget(lambda: now[0]))
    return now


def push_bodies(cpo, count, size=60_000):
    """Accepted ones, and so kept whole."""
    answers = [cpo.put(S1, examples.session(id="S1", note="x" * size)).codes for _ in range(count)]
    assert {codes[1] for codes in answers} == {1000}


def test_a_partner_cannot_fill_the_disk_with_bodies(cpo, emsp, clock, caplog):
    left_out = metrics.left_out_bodies.labels(str(cpo.platform.pk))
    before = left_out._value.get()
    push_bodies(cpo, 20)
    of_another = emsp.put("receiver/tokens/DE/MSP/04A1B2C3D4", examples.token())

    *first, one, two, other = hops(direction="IN")
    whole = [hop for hop in first if hop.request_body]

    assert of_another.codes[1] == 1000
    assert len(whole) == 16
    assert whole == first[:16]
    assert [hop.above_budget for hop in (whole[-1], one, two, other)] == [False, True, True, False]
    assert (one.request_body, one.answer_body, one.request_size > 60_000) == ("", "", True)
    assert (one.status_code, one.refs) == (1000, first[0].refs)
    assert other.request_body != ""
    assert left_out._value.get() - before == 8
    told = f"the journal leaves out 2 bodies of platform #{cpo.platform.pk}: more than HUB_JOURNAL_MB=1"
    assert caplog.text.count(told) == caplog.text.count("the journal leaves out") == 1


def test_its_bodies_are_kept_again_as_time_goes_by(cpo, emsp, clock, caplog):
    push_bodies(cpo, 18)
    clock[0] = 4.0  # room for one more
    push_bodies(cpo, 2)
    clock[0] = 66.0
    push_bodies(cpo, 17)

    kept = [bool(hop.request_body) for hop in hops(direction="IN")]

    assert kept == [True] * 16 + [False] * 2 + [True] * 1 + [False] + [True] * 16 + [False]
    assert "the journal leaves out 6 bodies" in caplog.text


def test_what_a_partner_answers_counts_as_well(cpo, emsp, clock, deliver):
    emsp.answers += [lambda request: enveloped({"note": "x" * 64_000})] * 20
    for number in range(20):
        cpo.put(f"receiver/sessions/NL/ABC/S{number}", examples.session(id=f"S{number}"))
    deliver()

    went = hops(direction="OUT", platform_id=emsp.platform.pk)

    assert (len(went), sum(bool(hop.answer_body) for hop in went)) == (20, 15)
    assert [hop.answer_size > 64_000 for hop in went if hop.above_budget] == [True] * 5


def test_without_bodies_there_is_no_budget_and_nothing_is_left_out(cpo, emsp, clock, settings):
    settings.HUB_JOURNAL = "headers"
    push_bodies(cpo, 18)

    assert [hop.above_budget for hop in hops(direction="IN")] == [False] * 18


@pytest.mark.parametrize(
    ("session", "codes"),
    [({"id": "S1", "note": "x" * 60_000}, (200, 2001)), (b"{no json" + b"x" * 60_000, (400, 2000))],
)
def test_of_what_the_hub_refuses_less_is_kept(cpo, session, codes):
    answered = cpo.put(S1, session)

    (hop,) = hops()

    assert answered.codes == codes
    assert (len(hop.request_body), hop.request_size > 60_000, hop.request_is_cut) == (8_000, True, True)
    assert json.loads(hop.answer_body)["status_code"] == codes[1]


def test_of_a_huge_header_the_beginning_is_kept(cpo, emsp):
    emsp.answers.append(lambda request: httpx.Response(500, headers={"Server": "s" * 30_000}))
    emsp.platform.refresh_from_db()
    cpo.get(S1, **{"User-Agent": "u" * 5_000})
    liveness.ask(emsp.platform.pk)

    came, went = hops()

    assert came.request_headers["User-Agent"] == "u" * 1_000
    assert {len(value) for name, value in went.answer_headers.items() if name.lower() == "server"} == {1_000}


def test_a_character_that_no_text_can_hold_is_replaced_and_what_is_no_utf_8_too(cpo):
    cpo.put(S1, b'{"id": "a\x00b \xff"}')

    assert [hop.request_body for hop in hops()] == ['{"id": "a\ufffdb \ufffd"}']


@pytest.mark.parametrize(
    ("mode", "bodies"), [("off", []), ("headers", [("", "")]), ("full", [('{"kwh": 1}', None)])]
)
def test_a_setting_leaves_bodies_out_or_everything(cpo, settings, mode, bodies):
    settings.HUB_JOURNAL = mode
    cpo.patch(S1, {"kwh": 1})

    kept = [(hop.request_body, "" if mode == "headers" else None) for hop in hops()]

    assert kept == bodies
    assert all((hop.request_size, hop.refs[0]) == (10, "session:NL/ABC/S1") for hop in hops())


# --------------------------------------------------------------------------------- it never fails a request
def test_a_journal_that_is_full_drops_counts_and_fails_nothing(cpo, monkeypatch, caplog):
    monkeypatch.setattr(recording.writer, "most", 2)
    dropped = recording.writer.dropped
    answers = [cpo.get(S1).codes for _ in range(5)]

    assert answers == [(404, 2001)] * 5
    assert recording.writer.dropped == dropped + 3
    assert len(hops()) == 2


def test_bodies_that_wait_take_no_more_memory_than_they_may(cpo, monkeypatch):
    monkeypatch.setattr(recording.writer, "most_weight", 100_000)
    dropped = recording.writer.dropped
    answers = [cpo.put(S1, b'"' + b"x" * 60_000 + b'"').http_status for _ in range(3)]

    assert len(set(answers)) == 1
    assert recording.writer.dropped == dropped + 2
    assert len(hops()) == 1


def test_of_a_body_that_is_too_large_to_wait_the_beginning_does(cpo, monkeypatch):
    monkeypatch.setattr(recording, "MOST_HELD", 100)
    cpo.put(S1, b'{"id": "S1", "x": "' + b"x" * 500 + b'"}')

    assert [len(seen.request) for seen in recording.writer._waiting] == [100]
    assert [(len(hop.request_body), hop.request_size) for hop in hops()] == [(100, 521)]


def test_a_fault_of_the_journal_fails_no_request_and_no_call(cpo, emsp, deliver, monkeypatch, caplog):
    monkeypatch.setattr(recording, "_told_at", float("-inf"))
    monkeypatch.setattr(recording.writer, "put", lambda seen: 1 / 0)

    answered = cpo.put(S1, examples.session(id="S1"))
    deliver()

    assert answered.codes == (201, 1000)
    assert len(emsp.received("PUT")) == 1
    assert caplog.text.count("a hop is not in the journal") == 1


@pytest.fixture
def committed(transactional_db):
    """Django empties the tables that it manages after such a test, and the journal is none of them."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE journal_hop")


@pytest.mark.usefixtures("committed")
def test_while_the_database_is_away_hops_wait_and_requests_go_on(cpo, settings, monkeypatch, caplog):
    """The requests themselves need the database; here it is the journal's thread alone that has none."""
    refused, written, write = [], threading.Event(), recording.writer._write

    def away(batch):
        if len(refused) < 3:
            refused.append(len(batch))
            raise OperationalError("gone")
        write(batch)
        written.set()

    monkeypatch.setattr(background, "PAUSE", 0.01)
    monkeypatch.setattr(recording.writer, "_write", away)
    monkeypatch.setattr(recording.writer, "_owner", None)
    settings.HUB_BACKGROUND = True

    assert cpo.get(S1).codes == (404, 2001)
    assert written.wait(20)
    while recording.writer._weighs:
        time.sleep(0.01)

    assert refused == [1, 1, 1]
    assert Hop.objects.count() == 1
    assert "the journal waits: the database refused" in caplog.text


@pytest.mark.usefixtures("committed")
def test_a_database_that_goes_in_the_middle_is_away_and_no_fault_of_the_rows(cpo):
    """They would else be tried one by one, and dropped."""
    cpo.get(S1)
    rows = recording.writer._take()
    recording.writer.forget()
    connection.ensure_connection()
    parameters = {**connection.get_connection_params(), "autocommit": True}
    parameters.pop("pool", None)
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.connection.info.backend_pid])

    try:
        with pytest.raises(OperationalError):
            writing.write(rows)
    finally:
        connection.close()
    writing.write(rows)

    assert Hop.objects.count() == 1

"""The endpoints below /simulator, and misbehaviour on request."""

import threading
import time
from email.message import Message
from pathlib import Path

import pytest

from simulator.faults import Fault, RequestLog
from simulator.platforms import Platform
from simulator.server import Request
from tests.simulator.conftest import ask, code, control, registered
from tests.simulator.fake_hub import FakeHub, envelope

AT = "/ocpi/2.2.1/receiver/locations/NL/ABC/L1"
BODY = {"country_code": "NL", "party_id": "ABC", "id": "L1", "last_updated": "2026-06-01T00:00:00Z"}


@pytest.fixture
def platform(emsp: Platform) -> Platform:
    return registered(emsp)


def test_status_tells_how_it_stands(platform: Platform):
    ask(platform, "PUT", AT, BODY)

    status = control(platform, "GET", "status")

    assert status["registered"] is True
    assert status["hub"] == "NL*HUB"
    assert status["parties"] == ["DE*MSP"]
    assert status["own"] == {"tokens": 20}
    assert status["received"] == {
        "locations": 1,
        "tariffs": 0,
        "sessions": 0,
        "cdrs": 0,
        "hubclientinfo": 0,
    }
    assert status["received_by_owner"] == {"NL*ABC": 1}
    assert status["pushes_received"] == 1
    assert status["last_push_at"] is not None


def test_objects_and_keys_of_every_module(platform: Platform):
    ask(platform, "PUT", AT, BODY)

    assert control(platform, "GET", "objects/locations") == {"NL/ABC/L1": BODY}
    assert control(platform, "GET", "keys/locations") == ["NL/ABC/L1"]
    assert len(control(platform, "GET", "objects/tokens")) == 20
    assert control(platform, "GET", "objects/cdrs") == {}
    assert ask(platform, "GET", "/simulator/objects/nothing").status == 404


def test_an_object_that_is_lost_is_there_no_more(platform: Platform):
    ask(platform, "PUT", AT, BODY)

    assert control(platform, "DELETE", "objects/locations/NL/ABC/L1") == {"forgotten": "NL/ABC/L1"}

    assert control(platform, "GET", "objects/locations") == {}
    assert ask(platform, "GET", AT).status == 404
    assert ask(platform, "DELETE", "/simulator/objects/locations/NL/ABC/L1").status == 404


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("192.0.2.1", {}),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}),
        ("127.0.0.1", {"Origin": "https://x"}),
    ],
)
def test_nobody_else_may_ask(platform: Platform, client: str, headers: dict[str, str]):
    message = Message()
    for name, value in headers.items():
        message[name] = value

    answer = platform.handle(Request("GET", "/simulator/status", message, b"", client))

    assert answer.status == 404
    assert b"Test" not in answer.body


def test_requests_are_kept_with_ids_routing_and_status_but_never_a_token(platform: Platform):
    ids = {"X-Request-ID": "r1", "X-Correlation-ID": "c1", "OCPI-from-country-code": "NL"}
    ask(platform, "PUT", AT, BODY, **ids)
    ask(platform, "PUT", "/ocpi/2.2.1/credentials", {"token": "secret"})
    ask(platform, "PUT", f"{AT}x", b"{")

    first, second, third = control(platform, "GET", "requests?since=0")

    assert (first["n"], first["method"], first["path"], first["status"]) == (1, "PUT", AT, 201)
    assert (first["request_id"], first["correlation_id"]) == ("r1", "c1")
    assert first["routing"]["from-country-code"] == "NL"
    assert first["body"] == BODY
    assert (second["body"], second["body_bytes"]) == (None, 18)
    assert (third["body"], third["status"]) == ("{", 400)
    assert [entry["n"] for entry in control(platform, "GET", "requests?since=2")] == [3]
    assert platform.state["issued"] not in repr(platform.log.since(0))


def test_the_log_is_bounded():
    log = RequestLog(length=3)
    for number in range(5):
        log.add(Request("PUT", f"/{number}", Message(), b"x" * 70_000, "127.0.0.1"), secret=False)

    assert [entry["path"] for entry in log.since(0)] == ["/2", "/3", "/4"]
    assert log.bytes == 0


@pytest.mark.parametrize(
    ("fault", "status", "ocpi_code"),
    [
        ({"answer": 500}, 500, 3000),
        ({"status_code": 2001}, 200, 2001),
        ({"answer": 429, "retry_after": 2}, 429, 3000),
    ],
)
def test_a_fault_takes_the_place_of_the_answer_as_often_as_told(platform: Platform, fault, status, ocpi_code):
    control(platform, "POST", "faults", {**fault, "times": 2})

    answers = [ask(platform, "PUT", AT, BODY) for _ in range(3)]

    assert [answer.status for answer in answers] == [status, status, 201]
    assert code(answers[0]) == ocpi_code
    assert answers[0].headers.get("Retry-After") == ("2" if "retry_after" in fault else None)


def test_a_fault_stays_until_it_is_cleared_and_leaves_other_interfaces_alone(platform: Platform):
    control(platform, "POST", "faults", {"answer": 503})

    assert [ask(platform, "PUT", AT, BODY).status for _ in range(3)] == [503] * 3
    assert ask(platform, "GET", "/ocpi/versions").status == 200
    assert control(platform, "POST", "faults", {}) is None
    assert ask(platform, "PUT", AT, BODY).status == 201


def test_faults_can_be_put_on_versions(platform: Platform):
    control(platform, "POST", "faults", {"answer": 500, "on": "versions"})

    assert ask(platform, "GET", "/ocpi/versions").status == 500
    assert ask(platform, "PUT", AT, BODY).status == 201


def test_a_cut_hangs_up_before_or_after_the_work(platform: Platform):
    control(platform, "POST", "faults", {"cut": True, "times": 1})
    assert ask(platform, "PUT", AT, BODY).cut
    assert len(platform.received) == 0

    control(platform, "POST", "faults", {"cut": "after", "times": 1})
    assert ask(platform, "PUT", AT, BODY).cut
    assert len(platform.received) == 1
    assert [entry["status"] for entry in platform.log.since(0)] == [None, None]


def test_an_answer_is_cut_in_half_after_the_work(platform: Platform):
    control(platform, "POST", "faults", {"cut": "half", "times": 1})

    answer = ask(platform, "PUT", AT, BODY)

    assert (answer.half, answer.cut) == (True, False)
    assert len(platform.received) == 1
    assert [entry["status"] for entry in platform.log.since(0)] == [None]


def test_the_faults_that_requests_met_are_counted(platform: Platform):
    gone: list[float] = []
    platform.faults.leave = gone.append
    for fault in ({"answer": 429}, {"status_code": 3000}, {"cut": True}, {"cut": "half"}, {"drip": 0.1}):
        control(platform, "POST", "faults", {**fault, "times": 1})
        ask(platform, "PUT", AT, BODY)
    control(platform, "POST", "faults", {"away": 2})
    ask(platform, "PUT", AT, BODY)

    assert gone == [2]
    met = {"429": 1, "3000": 1, "cut": 1, "cut half": 1, "drip": 1, "away": 1}
    assert platform.status()["faults_met"] == met


def test_delay_and_drip_slow_the_answer_down(platform: Platform):
    control(platform, "POST", "faults", {"delay": 0.05, "drip": 0.5, "times": 1})

    began = time.monotonic()
    answer = ask(platform, "PUT", AT, BODY)

    assert time.monotonic() - began >= 0.05
    assert (answer.status, answer.drip) == (201, 0.5)


def test_silence_lasts_until_it_is_cleared(platform: Platform):
    control(platform, "POST", "faults", {"silent": True})
    answers = []
    caller = threading.Thread(target=lambda: answers.append(ask(platform, "PUT", AT, BODY)))
    caller.start()

    assert control(platform, "POST", "faults", {}) is None
    caller.join(10)

    assert len(answers) == 1


def test_an_unknown_fault_is_refused(platform: Platform):
    answer = ask(platform, "POST", "/simulator/faults", {"explode": True})

    assert answer.status == 400
    assert b"explode" in answer.body


def test_a_push_is_made_as_told_and_answers_with_what_the_hub_said(platform: Platform, hub: FakeHub):
    hub.push_answers = [envelope(code=2001)]
    token = {"country_code": "DE", "party_id": "MSP", "uid": "U1", "type": "OTHER", "x": 1.5}

    result = control(platform, "POST", "push", {"module": "tokens", "object": token})

    assert (result["http_status"], result["status_code"]) == (200, 2001)
    assert result["answer"]["status_code"] == 2001
    assert hub.pushes == [
        (
            "PUT",
            "tokens/DE/MSP/U1",
            '{"country_code":"DE","party_id":"MSP","uid":"U1","type":"OTHER","x":1.5}',
        )
    ]
    assert hub.requests[-1].url.params["type"] == "OTHER"
    assert len(platform.own) == 20


def test_a_push_may_go_anywhere_as_anybody_with_anything(platform: Platform, hub: FakeHub):
    order = {"module": "locations", "method": "PATCH", "path": "NL/ABC/L1/E1", "object": {"a": 1}}
    order |= {"from": "NL-XXX", "to": "DE-ABC", "query": {"q": "1"}}

    control(platform, "POST", "push", order)

    request = hub.requests[-1]
    assert hub.pushes == [("PATCH", "locations/NL/ABC/L1/E1", '{"a":1}')]
    assert (request.headers["OCPI-from-party-id"], request.headers["OCPI-to-country-code"]) == ("XXX", "DE")
    assert request.url.params["q"] == "1"


def test_a_push_may_leave_the_routing_headers_out(platform: Platform, hub: FakeHub):
    control(platform, "POST", "push", {"module": "tokens", "path": "DE/MSP/U1", "from": "", "to": ""})

    assert not [name for name in hub.requests[-1].headers if name.startswith("ocpi-")]


def test_a_kept_push_becomes_an_own_object(platform: Platform):
    token = {"country_code": "DE", "party_id": "MSP", "uid": "U1", "type": "OTHER"}

    control(platform, "POST", "push", {"module": "tokens", "object": token, "keep": True})

    assert len(platform.own) == 21


def test_a_fault_of_the_simulator_itself_is_an_answer(platform: Platform, caplog: pytest.LogCaptureFixture):
    platform.controls["GET", "break"] = lambda _: 1 / 0

    answer = ask(platform, "GET", "/simulator/break")

    assert (answer.status, answer.body) == (500, b'{"error":"ZeroDivisionError: division by zero"}')


def test_the_guide_names_every_endpoint_and_every_fault(cpo: Platform, emsp: Platform):
    guide = (Path(__file__).parents[2] / "docs" / "partners.md").read_text()

    for method, name in {**cpo.controls, **emsp.controls}:
        assert f"| `{method} /simulator/{name}` |" in guide
    for field in {*Fault.__struct_fields__} - {"times", "on", "module", "retry_after"}:
        assert f'`{{"{field}": ' in guide


def test_pull_change_rotate_and_unregister_on_demand(platform: Platform, hub: FakeHub):
    hub.objects = [BODY]

    assert control(platform, "POST", "pull") == {"received": 1}
    assert control(platform, "POST", "change")["last_change"]
    assert control(platform, "POST", "rotate") == {"registered": True}
    assert control(platform, "POST", "unregister") == {"registered": False}
    assert ask(platform, "POST", "/simulator/pull").status == 502
    assert ask(platform, "GET", "/simulator/nothing").status == 404

"""The command line: what is served, and how a registration comes about."""

import json
import threading
from pathlib import Path

import httpx
import pytest

from simulator.__main__ import build, register
from simulator.hub import Client
from simulator.ocpi import Party
from simulator.options import arguments
from simulator.platforms import Platform
from tests.simulator.conftest import ask, data
from tests.simulator.fake_hub import TOKEN_A, URL, FakeHub, envelope


def options(folder: Path, *more: str, role: str = "cpo"):
    return arguments([role, "--port", "9001", "--state", str(folder / "state.json"), *more])


def built(folder: Path, hub: FakeHub, *more: str, role: str = "cpo") -> Platform:
    platform = build(options(folder, *more, role=role))
    platform.client = platform.registration.client = Client(httpx.MockTransport(hub.handle))
    return platform


def test_help_says_how_to_begin(capsys):
    with pytest.raises(SystemExit) as ending:
        arguments(["--help"])

    text = capsys.readouterr().out
    assert ending.value.code == 0
    assert "python -m simulator cpo --port 9001 --party NL-ABC" in text
    assert "/simulator/status" in text


def test_a_wrong_party_is_said_in_plain_words(tmp_path: Path, capsys):
    with pytest.raises(SystemExit):
        options(tmp_path, "--party", "Netherlands")

    assert (
        "'Netherlands' is not a party; write it as country and party, such as NL-ABC"
        in capsys.readouterr().err
    )


def test_platforms_have_200_locations_or_100_tokens_by_default(tmp_path: Path, hub: FakeHub):
    cpo = built(tmp_path, hub)
    emsp = built(tmp_path, hub, role="emsp")

    assert cpo.status()["own"] == {"locations": 200, "tariffs": 3, "sessions": 0, "cdrs": 0}
    assert cpo.settings.parties == (Party("NL", "ABC"),)
    assert emsp.status()["own"] == {"tokens": 100}
    assert emsp.settings.parties == (Party("DE", "MSP"),)


def test_speed_and_the_wish_to_know_where_come_from_the_command_line(tmp_path: Path, hub: FakeHub):
    cpo = built(tmp_path, hub, "--speed", "6000")
    emsp = built(tmp_path, hub, "--needs-location", role="emsp")

    assert (cpo.charging.clock.speed, built(tmp_path, hub).charging.clock.speed) == (6000, 600)
    assert (emsp.tokens.needs_location, built(tmp_path, hub, role="emsp").tokens.needs_location) == (
        True,
        False,
    )


def test_a_platform_registers_in_another_role_when_it_is_told_to(tmp_path: Path, hub: FakeHub):
    nsp = built(tmp_path, hub, "--announce", "NSP", "--party", "SE-NSP", "--tokens", "0", role="emsp")

    nsp.registration.register(URL, TOKEN_A)

    [role] = hub.posted[0]["roles"]
    assert (role["role"], role["country_code"], role["party_id"]) == ("NSP", "SE", "NSP")
    assert nsp.status()["role"] == "NSP"
    assert nsp.status()["own"] == {"tokens": 0}


def test_each_party_of_a_platform_can_have_a_role_of_its_own(tmp_path: Path, hub: FakeHub):
    parties = ("--party", "LU-DRV", "--party", "LU-NAV", "--party", "LU-APP")
    both = built(tmp_path, hub, "--announce", "EMSP", "--announce", "NSP", *parties, role="emsp")

    both.registration.register(URL, TOKEN_A)

    told = [(role["party_id"], role["role"]) for role in hub.posted[0]["roles"]]
    assert told == [("DRV", "EMSP"), ("NAV", "NSP"), ("APP", "NSP")]


def test_a_file_is_served_as_it_is_under_the_party_that_is_given(tmp_path: Path, hub: FakeHub):
    path = tmp_path / "feed.json"
    path.write_text('{"body": {"data": [{"id": 1, "status": "WORKING"}]}}')

    cpo = built(tmp_path, hub, "--locations", str(path), "--party", "GB-CGY")
    token = cpo.registration._issue()
    answer = ask(cpo, "GET", "/ocpi/2.2.1/sender/locations")

    assert token == cpo.state["issued"]
    assert data(answer) == [{"id": 1, "status": "WORKING"}]
    assert [item.key for item in cpo.own.items()] == ["GB/CGY/1"]


def test_without_a_token_the_first_start_says_what_it_needs(tmp_path: Path, hub: FakeHub, monkeypatch):
    monkeypatch.delenv("SIMULATOR_TOKEN", raising=False)
    given = options(tmp_path, "--hub-versions-url", URL)

    with pytest.raises(SystemExit, match="give --hub-versions-url and --token, or --wait-for-hub"):
        register(built(tmp_path, hub), given, threading.Event())


def test_the_first_start_registers_and_the_next_one_needs_nothing(tmp_path: Path, hub: FakeHub):
    given = options(tmp_path, "--hub-versions-url", URL, "--token", TOKEN_A)
    register(built(tmp_path, hub), given, threading.Event())
    calls = len(hub.requests)

    again = built(tmp_path, hub)
    register(again, options(tmp_path), threading.Event())

    assert again.registration.token == "issued-C1"
    assert len(hub.requests) == calls


def test_a_restart_under_another_url_tells_the_hub(tmp_path: Path, hub: FakeHub):
    given = options(tmp_path, "--hub-versions-url", URL, "--token", TOKEN_A)
    register(built(tmp_path, hub), given, threading.Event())

    moved = built(tmp_path, hub, "--base-url", "https://moved.example/")
    register(moved, given, threading.Event())

    assert hub.requests[-1].method == "PUT"
    assert hub.posted[-1]["url"] == "https://moved.example/ocpi/versions"


def test_a_restart_with_other_modules_tells_the_hub(tmp_path: Path, hub: FakeHub):
    given = options(tmp_path, "--hub-versions-url", URL, "--token", TOKEN_A)
    register(built(tmp_path, hub), given, threading.Event())

    newer = built(tmp_path, hub)
    newer.endpoints.offer("receiver", "nltnm-wishes", newer.receiver)
    register(newer, given, threading.Event())

    assert hub.requests[-1].method == "PUT"
    assert "nltnm-wishes RECEIVER" in newer.state["hub"]["our_offer"]


def test_a_refusal_ends_the_program_and_silence_does_not(tmp_path: Path, hub: FakeHub, monkeypatch, capsys):
    given = options(tmp_path, "--hub-versions-url", URL, "--token", "wrong")
    with pytest.raises(SystemExit, match=r"The hub refuses us: .* HTTP 401"):
        register(built(tmp_path, hub), given, threading.Event())

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            hub.credentials_answer = None
            return True

    hub.credentials_answer = envelope(status=503, code=3000)
    platform = built(tmp_path, hub)
    register(platform, options(tmp_path, "--hub-versions-url", URL, "--token", TOKEN_A), Impatient())

    assert platform.registration.registered
    assert "HTTP 503" in capsys.readouterr().err


def test_waiting_for_the_hub_prints_what_its_operator_needs(tmp_path: Path, hub: FakeHub, capsys):
    platform = built(tmp_path, hub)

    register(platform, options(tmp_path, "--wait-for-hub"), threading.Event())

    printed = json.loads(capsys.readouterr().out)
    assert printed["versions_url"] == "http://127.0.0.1:9001/ocpi/versions"
    assert printed["token"] == platform.state["invitation"]
    assert printed["parties"] == ["NL-ABC-CPO"]

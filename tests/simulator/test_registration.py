"""The credentials handshake of a simulated platform, from both ends, and what a restart remembers."""

import json
import stat
from pathlib import Path

import httpx
import pytest

from simulator import network, ocpi
from simulator.cpo import CPO
from simulator.hub import Client, Refused, Unreachable
from simulator.ocpi import OCPIError
from simulator.platforms import Platform, Settings
from simulator.state import State
from tests.simulator.conftest import ABC, ask, code, data, make, registered
from tests.simulator.fake_hub import BASE, TOKEN_A, URL, FakeHub, envelope, presented, role

CREDENTIALS = "/ocpi/2.2.1/credentials"


def test_the_starter_gets_versions_and_details_and_posts_its_credentials(cpo: Platform, hub: FakeHub):
    cpo.registration.register(URL, TOKEN_A)

    assert [(request.method, str(request.url)) for request in hub.requests] == [
        ("GET", URL),
        ("GET", BASE),
        ("POST", f"{BASE}/credentials"),
    ]
    assert [presented(request) for request in hub.requests] == [TOKEN_A] * 3
    assert hub.posted[0]["url"] == "https://sim.example/ocpi/versions"
    assert [(row["role"], row["country_code"], row["party_id"]) for row in hub.posted[0]["roles"]] == [
        ("CPO", "NL", "ABC")
    ]
    assert cpo.registration.hub_party == ("NL", "HUB")
    assert cpo.registration.token == "issued-C1"


def test_configuration_calls_have_message_ids_and_no_routing_headers(cpo: Platform, hub: FakeHub):
    registered(cpo)

    assert len({request.headers["X-Request-ID"] for request in hub.requests}) == 3
    assert not [name for request in hub.requests for name in request.headers if name.startswith("ocpi-")]


def test_our_token_opens_everything_once_we_have_posted_it(cpo: Platform, hub: FakeHub):
    registered(cpo)
    token = hub.posted[0]["token"]

    answer = ask(cpo, "GET", "/ocpi/2.2.1/sender/locations", Authorization=ocpi.authorization(token))
    raw = ask(cpo, "GET", "/ocpi/versions", Authorization=f"Token {token}")

    assert "-" in token
    assert answer.status == raw.status == 200
    assert data(raw) == [{"version": "2.2.1", "url": "https://sim.example/ocpi/2.2.1"}]


CPO_DETAILS = """credentials SENDER, locations SENDER, tariffs SENDER, sessions SENDER, cdrs SENDER,
tokens RECEIVER, hubclientinfo RECEIVER, commands RECEIVER, chargingprofiles RECEIVER"""
EMSP_DETAILS = """credentials SENDER, tokens SENDER, commands SENDER, chargingprofiles SENDER,
locations RECEIVER, tariffs RECEIVER, sessions RECEIVER, cdrs RECEIVER, hubclientinfo RECEIVER"""


@pytest.mark.parametrize(("role", "expected"), [("cpo", CPO_DETAILS), ("emsp", EMSP_DETAILS)])
def test_details_list_every_interface_that_is_there(role: str, expected: str, request: pytest.FixtureRequest):
    platform = registered(request.getfixturevalue(role))
    details = data(ask(platform, "GET", "/ocpi/2.2.1"))

    rows = [f"{row['identifier']} {row['role']}" for row in details["endpoints"]]
    assert rows == expected.replace("\n", " ").split(", ")
    for row in details["endpoints"][1:]:
        assert row["url"] == f"https://sim.example/ocpi/2.2.1/{row['role'].lower()}/{row['identifier']}"
        answer = ask(platform, "BREW", row["url"].removeprefix("https://sim.example"))
        assert answer.status in (404, 405), row


def test_a_refused_token_leaves_us_unregistered_and_our_token_dead(cpo: Platform, hub: FakeHub):
    with pytest.raises(Refused, match="HTTP 401") as error:
        cpo.registration.register(URL, "wrong")

    assert not error.value.temporary
    assert not cpo.registration.registered
    assert cpo.state["issued"] is None


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        ({"versions": [{"version": "2.1.1", "url": BASE}]}, "no version 2.2.1"),
        ({"modules": ("sessions",)}, "offers no tokens module"),
        ({"versions": "none"}, "answered something else"),
    ],
)
def test_a_hub_that_does_not_suit_us_is_not_posted_to(cpo: Platform, hub: FakeHub, spoil, error):
    vars(hub).update(spoil)

    with pytest.raises(OCPIError, match=error):
        cpo.registration.register(URL, TOKEN_A)

    assert hub.posted == []


def test_silence_is_worth_another_try(cpo: Platform):
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no answer", request=request)

    cpo.registration.client = Client(httpx.MockTransport(silent))

    with pytest.raises(Unreachable, match="no answer"):
        cpo.registration.register(URL, TOKEN_A)


def test_a_hub_that_starts_is_called_back_and_gets_our_credentials(cpo: Platform, hub: FakeHub):
    invitation = cpo.registration.invite()
    posted = {"token": TOKEN_A, "url": URL, "roles": [role()]}

    answer = ask(cpo, "POST", CREDENTIALS, posted, Authorization=ocpi.authorization(invitation))

    assert code(answer) == 1000
    assert [presented(request) for request in hub.requests] == [TOKEN_A, TOKEN_A]
    assert data(answer)["token"] == cpo.state["issued"]
    assert cpo.registration.token == TOKEN_A
    assert ask(cpo, "GET", "/ocpi/versions", Authorization=ocpi.authorization(invitation)).status == 401


def test_an_invitation_opens_versions_and_credentials_only(cpo: Platform):
    header = ocpi.authorization(cpo.registration.invite())

    assert ask(cpo, "GET", "/ocpi/versions", Authorization=header).status == 200
    assert ask(cpo, "GET", "/ocpi/2.2.1/sender/locations", Authorization=header).status == 401
    assert ask(cpo, "PUT", CREDENTIALS, {}, Authorization=header).status == 405
    assert ask(cpo, "DELETE", CREDENTIALS, Authorization=header).status == 405


def test_a_failed_call_back_is_3001_and_the_invitation_still_works(cpo: Platform, hub: FakeHub):
    header = ocpi.authorization(cpo.registration.invite())
    posted = {"token": "unknown", "url": URL, "roles": [role()]}

    answer = ask(cpo, "POST", CREDENTIALS, posted, Authorization=header)

    assert code(answer) == 3001
    assert not cpo.registration.registered
    posted["token"] = TOKEN_A
    assert code(ask(cpo, "POST", CREDENTIALS, posted, Authorization=header)) == 1000


def test_a_registered_hub_may_rotate_and_the_old_token_works_until_the_new_one_is_used(
    cpo: Platform, hub: FakeHub
):
    registered(cpo)
    old = cpo.state["issued"]
    posted = {"token": cpo.registration.token, "url": URL, "roles": [role()]}

    new = data(ask(cpo, "PUT", CREDENTIALS, posted))["token"]

    assert ask(cpo, "POST", CREDENTIALS, posted).status == 405
    assert ask(cpo, "GET", "/ocpi/versions", Authorization=ocpi.authorization(new)).status == 200
    assert ask(cpo, "GET", "/ocpi/versions", Authorization=ocpi.authorization(old)).status == 401


def test_credentials_that_lack_a_field_are_2001(cpo: Platform):
    assert code(ask(registered(cpo), "PUT", CREDENTIALS, {"token": "x"})) == 2001


def test_get_credentials_gives_the_token_that_was_used(cpo: Platform):
    assert data(ask(registered(cpo), "GET", CREDENTIALS))["token"] == cpo.state["issued"]


def test_after_delete_the_hub_is_a_stranger(cpo: Platform):
    registered(cpo)
    header = ocpi.authorization(cpo.state["issued"])

    answer = ask(cpo, "DELETE", CREDENTIALS)

    assert code(answer) == 1000
    assert not cpo.registration.registered
    assert ask(cpo, "GET", "/ocpi/versions", Authorization=header).status == 401


def test_we_may_unregister(cpo: Platform, hub: FakeHub):
    registered(cpo).registration.unregister()

    assert hub.requests[-1].method == "DELETE"
    assert not cpo.registration.registered


def test_we_may_rotate_and_a_failure_keeps_what_we_had(cpo: Platform, hub: FakeHub):
    registered(cpo)
    before = cpo.state["issued"]
    hub.credentials_answer = envelope(code=3001)

    with pytest.raises(Refused):
        cpo.registration.update()
    kept = (cpo.state["issued"], cpo.registration.token)
    hub.credentials_answer = None
    cpo.registration.update()

    assert kept == (before, "issued-C1")
    assert cpo.registration.token == "issued-C2"
    assert cpo.state["issued"] == hub.posted[-1]["token"] != before


def test_a_restart_goes_on_with_credentials_and_changed_objects(cpo: Platform, tmp_path: Path, hub: FakeHub):
    registered(cpo)
    cpo.change()
    cpo.state.save()

    again = make(CPO, tmp_path, hub, (ABC,), 25)

    assert again.registration.token == "issued-C1"
    assert [item.raw for item in again.own.items()] == [item.raw for item in cpo.own.items()]
    assert stat.S_IMODE((tmp_path / "CPO.json").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CPO.json"]


def test_changes_of_another_source_are_void_after_a_restart(cpo: Platform, tmp_path: Path, hub: FakeHub):
    cpo.change()
    cpo.state.save()
    settings = Settings("Test", (ABC,), "https://sim.example", seed="2", source="seed 2")

    again = CPO(settings, State(tmp_path / "CPO.json"), Client(httpx.MockTransport(hub.handle)))
    again.load(network.locations((ABC,), 5, "2"))

    assert [item.raw for item in again.own.items()] == list(network.locations((ABC,), 5, "2"))


def test_a_state_file_of_another_format_is_refused(tmp_path: Path):
    (tmp_path / "state.json").write_text(json.dumps({"format": 99}))

    with pytest.raises(ValueError, match="was not written by this version"):
        State(tmp_path / "state.json")

"""Requests for another party, on real processes: what a partner that never answers costs the others."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator import ocpi
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub, Simulated, accepted
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey

RELAYS = 8  # HUB_CONCURRENT_RELAYS
PLACES = 96  # HUB_RELAYS_TOGETHER


def to(party: str) -> dict[str, str]:
    country_code, _, party_id = party.partition("-")
    return {"OCPI-to-country-code": country_code, "OCPI-to-party-id": party_id}


def ask(cpo: Simulated, party: str) -> tuple[int, int, float]:
    """HTTP status, status code and seconds of a list of Tokens that is read at the provider itself."""
    began = time.monotonic()
    answer = cpo.call("GET", "sender/tokens?limit=1", **to(party))
    return answer.status_code, answer.json()["status_code"], time.monotonic() - began


def test_a_partner_that_never_answers_costs_the_others_nothing(new_hub: MakeHub) -> None:
    hub = new_hub(HUB_TOTAL_TIMEOUT="4")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "1")
    silent = hub.simulated("emsp", "DE-MUM", "--tokens", "3")
    well = hub.simulated("emsp", "DE-MSP", "--tokens", "3")
    silent.misbehave(silent=True, on="sender")
    answers: list[tuple[int, int, float]] = []

    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(ask, cpo, "DE-MUM") for _ in range(20)]
        wait_until(
            lambda: sum(one.done() for one in waiting) >= 20 - RELAYS, 10, "those without a place are told"
        )
        told = sorted(one.result()[:2] for one in waiting if one.done())
        while not all(one.done() for one in waiting):
            answers.append(ask(cpo, "DE-MSP"))
        outcomes = [one.result() for one in waiting]

    # So many wait for it, and are told that it did not answer; the others are told at once to come back.
    assert told == [(200, 4003)] * (20 - RELAYS)
    assert sorted(code for _, code, _ in outcomes) == [4002] * RELAYS + [4003] * (20 - RELAYS)
    assert all(3.5 < seconds < 8 for _, code, seconds in outcomes if code == 4002)
    # Meanwhile whoever asked the other partner was answered, every time.
    assert {answer[:2] for answer in answers} == {(200, 1000)}
    assert len(answers) > 10
    # And nothing stays stuck.
    silent.behave()
    wait_until(lambda: ask(cpo, "DE-MUM")[:2] == (200, 1000), 60, "it answers again and is asked again")
    assert well.status()["error_count"] == 0


@pytest.fixture
def silence() -> Iterator[int]:
    """A port that takes connections, and nobody ever answers there."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield int(listener.getsockname()[1])


def hung_like(hub: Hub, partner: Simulated, party: str, port: int) -> int:
    """A partner as this one is, at a port where nobody answers; its platform's id."""
    columns = ", ".join(
        name
        for (name,) in hub.sql(
            "SELECT quote_ident(column_name) FROM information_schema.columns"
            " WHERE table_name = 'partners_platform' AND column_name NOT IN ('id', 'name')"
        )
    )
    ((platform_id,),) = hub.sql(
        f"INSERT INTO partners_platform (name, {columns}) SELECT %s, {columns} FROM partners_platform"
        " WHERE id = %s RETURNING id",
        party,
        partner.platform_id,
    )
    hub.sql(
        "INSERT INTO partners_party (platform_id, country_code, party_id, roles, invited_roles, business_details,"
        " behind_hub, told) VALUES (%s, %s, %s, '{EMSP}', '{EMSP}', '{}', false, '{}')",
        platform_id,
        *party.split("-"),
    )
    hub.sql(
        "INSERT INTO partners_endpoint (platform_id, module, role, url) VALUES (%s, 'tokens', 'SENDER', %s)",
        platform_id,
        f"http://127.0.0.1:{port}/tokens",
    )
    return int(platform_id)


def test_ten_partners_that_never_answer_cost_the_others_nothing(new_hub: MakeHub, silence: int) -> None:
    hub = new_hub(HUB_TOTAL_TIMEOUT="4")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "1")
    other_cpo = hub.simulated("cpo", "BE-CPO", "--count", "1")
    well = hub.simulated("emsp", "DE-MSP", "--tokens", "3")
    hung = {f"DE-H{n:02}": hung_like(hub, well, f"DE-H{n:02}", silence) for n in range(10)}
    answers: list[tuple[int, int, float]] = []

    with ThreadPoolExecutor(100) as pool:
        waiting = [pool.submit(ask, cpo, party) for party in [*hung] * 10]
        while not all(one.done() for one in waiting):
            answers.append(ask(other_cpo, "DE-MSP"))
        outcomes = Counter(one.result()[:2] for one in waiting)

    # Whoever asked the well partner was answered, every time.
    assert {answer[:2] for answer in answers} == {(200, 1000)}
    assert len(answers) > 10
    # Those who asked the others were told, most of them at once; none waits for ever.
    assert outcomes.keys() <= {(200, 4002), (200, 4003), (429, 2000)}
    assert 10 <= outcomes[200, 4002] < PLACES
    assert hub.log("web").count("has not answered 5 requests in a row") <= 10
    # Their sender has places again, and one who is well again is asked again.
    assert ask(cpo, "DE-MSP")[:2] == (200, 1000)
    hub.sql(
        "UPDATE partners_endpoint SET url = (SELECT url FROM partners_endpoint WHERE platform_id = %s"
        " AND module = 'tokens' AND role = 'SENDER') WHERE platform_id = %s",
        well.platform_id,
        hung["DE-H00"],
    )
    # What answers there now is another party's platform, and says so: that is an answer.
    wait_until(lambda: ask(cpo, "DE-H00")[:2] == (200, 2001), 60, "it answers again and is asked again")


def test_who_leaves_one_after_the_other_unanswered_is_asked_by_few(new_hub: MakeHub, silence: int) -> None:
    hub = new_hub(HUB_TOTAL_TIMEOUT="1")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "1")
    well = hub.simulated("emsp", "DE-MSP", "--tokens", "3")
    hung_like(hub, well, "DE-MUM", silence)

    codes = [ask(cpo, "DE-MUM")[1] for _ in range(10)]

    assert codes[:5] == [4002] * 5
    assert 4003 in codes[5:]
    assert "DE-MUM (#" in hub.log("web")
    assert hub.log("web").count("has not answered 5 requests in a row") == 1
    assert ask(cpo, "DE-MSP")[:2] == (200, 1000)


def test_a_list_of_another_party_is_read_page_by_page_through_the_hub(hub: Any, party: Any) -> None:
    operator, provider = party("NL"), party("DE")
    cpo = hub.simulated("cpo", operator, "--count", "1")
    emsp = hub.simulated("emsp", provider, "--tokens", "12", "--page-size", "5")

    found: list[dict[str, Any]] = []
    url: str | None = "sender/tokens?limit=5"
    pages = 0
    while url:
        answer = cpo.call("GET", url, **to(provider))
        found += accepted(answer)["data"]
        pages += 1
        assert answer.headers["X-Total-Count"] == "12"
        assert answer.headers["OCPI-from-party-id"] == provider[3:]
        url = ocpi.next_link(answer.headers.get("Link"))
        assert url is None or url.startswith(hub.url)

    assert pages == 3
    assert found == list(emsp.objects("tokens").values())

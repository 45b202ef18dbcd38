"""Requests for another party, on real processes: what a partner that never answers costs the others."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator import ocpi
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Simulated, accepted
from tests.journeys.processes import wait_until

pytestmark = pytest.mark.journey

RELAYS = 8  # HUB_CONCURRENT_RELAYS


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

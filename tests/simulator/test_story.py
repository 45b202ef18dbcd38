"""The story of the demo and a day of traffic, between two platforms and a small hub in this process."""

import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulator import ocpi
from simulator.__main__ import work
from simulator.cpo import CPO
from simulator.day import Day, events
from simulator.emsp import EMSP
from simulator.options import arguments
from simulator.platforms import Platform
from simulator.story import Story
from simulator.terminal import Failed
from tests.simulator.conftest import ABC, MSP, ask, make
from tests.simulator.relay_hub import RelayHub

SPEED = 60_000


class InProcess:
    """A platform asked below /simulator, as the demo asks one over HTTP."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def status(self) -> dict[str, Any]:
        return dict(self.get("status"))

    def get(self, path: str) -> Any:
        return msgspec.json.decode(ask(self.platform, "GET", f"/simulator/{path}").body)

    def post(self, path: str, **order: Any) -> Any:
        answer = ask(self.platform, "POST", f"/simulator/{path}", order)
        told = msgspec.json.decode(answer.body)
        if answer.status != 200:
            raise Failed(f"Test, {path}: {told['error']}")
        return told

    def raw(self, module: str, key: str) -> bytes | None:
        answer = ask(self.platform, "GET", f"/simulator/objects/{module}/{key}")
        return answer.body if answer.status == 200 else None

    def document(self, module: str, key: str) -> dict[str, Any] | None:
        raw = self.raw(module, key)
        return ocpi.decode(raw) if raw else None


@pytest.fixture
def hub() -> RelayHub:
    return RelayHub()


@pytest.fixture
def pair(tmp_path: Path, hub: RelayHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[CPO, EMSP]]:
    """A CPO and an eMSP that know each other's objects and work in threads of their own."""
    monkeypatch.setattr("simulator.results.MOMENT", 0.01)
    monkeypatch.setattr("simulator.charging.PLUGGING", 0.01)
    monkeypatch.setattr("simulator.charging.BILLING", 0.05)
    cpo, emsp = make(CPO, tmp_path, hub, (ABC,), 60), make(EMSP, tmp_path, hub, (MSP,), 20)
    cpo.charging.clock.speed = SPEED
    stop = threading.Event()
    for platform in (cpo, emsp):
        hub.join(platform)
        quiet = ("--pull-interval", "0", "--status-interval", "0", "--token-interval", "0")
        options = arguments([platform.role.lower(), "--port", "1", "--state", "x", *quiet])
        work(platform, options, stop)
    for module in ("locations", "tariffs"):
        emsp.taken[module].load(item.raw for item in cpo.owned[module].items())
    cpo.received.load(item.raw for item in emsp.own.items())
    yield cpo, emsp
    stop.set()


def without(pair: tuple[CPO, EMSP], *lacking: str) -> None:
    """The hub of before, which did not have these modules."""
    for platform in pair:
        hub = platform.state["hub"]
        rows = [row for row in hub["endpoints"] if row["identifier"] not in lacking]
        platform.state["hub"] = {**hub, "endpoints": rows}


def told(pair: tuple[CPO, EMSP]) -> list[str]:
    lines: list[str] = []
    Story(InProcess(pair[0]), InProcess(pair[1]), lines.append, lambda _: None, lambda: None).tell()
    return lines


MONEY = r"\d+\.\d\d EUR \(\d+\.\d\d with VAT\)"
CHARGE = rf"""  Session S[0-9A-F]{{16}} is ACTIVE at the eMSP
  \d+ PATCHes came to the eMSP: \d+ charging periods, \d+\.\d{{3}} kWh, {MONEY}"""
END = rf"""  The Session is COMPLETED, and \d+\.\d s later the CDR C[0-9A-F]{{16}} is there: \
\d+\.\d{{3}} kWh in 0\.\d\d h, {MONEY}
  The CDR at the eMSP equals the CDR the CPO sent""".replace("\\\n", "")
LINES = rf"""Tariff NORMAL of NL\*ABC at the eMSP: 0\.34 EUR/kWh; VAT 21 %
A card is held to LOC\d+/LOC\d+-\d+: ALLOWED by the eMSP through the hub, reference [-0-9a-f]{{36}}, \d+ ms
{CHARGE}
  The driver holds the card again and leaves
{END}
Remote start from the eMSP: direct answer ACCEPTED, result ACCEPTED after \d+ ms
{CHARGE}
  Remote stop: direct answer ACCEPTED, result ACCEPTED after \d+ ms
{END}"""


def test_the_story_tells_two_charges_with_what_each_shows(pair: tuple[CPO, EMSP]):
    pair[0].charging.clock.speed = 2000  # so that the stop comes before the car is full

    lines = told(pair)

    for line, pattern in zip(lines, LINES.split("\n"), strict=True):
        assert re.fullmatch(pattern, line), line
    cpo, emsp = pair
    assert len(emsp.taken["cdrs"]) == len(emsp.taken["sessions"]) == 2
    for module in ("sessions", "cdrs"):
        documents = [
            [item.document for item in one.items()] for one in (cpo.owned[module], emsp.taken[module])
        ]
        assert documents[0] == documents[1]
    assert [item.document["auth_method"] for item in cpo.owned["cdrs"].items()] == ["AUTH_REQUEST", "COMMAND"]
    references = {item.document["authorization_reference"] for item in emsp.taken["cdrs"].items()}
    assert len(references) == 2
    assert cpo.status()["error_count"] == emsp.status()["error_count"] == 0


def test_a_car_that_is_full_before_the_stop_is_told_of(pair: tuple[CPO, EMSP]):
    lines = told(pair)

    # Twice, unless the machine is too busy to let the car charge before it is stopped.
    assert lines.count("  The car is full before anybody stops it") >= 1
    assert lines.count("  The CDR at the eMSP equals the CDR the CPO sent") == 2


def test_a_cdr_that_was_changed_on_its_way_is_no_success(pair: tuple[CPO, EMSP], hub: RelayHub):
    hub.spoil = lambda method, path, body: body.replace(b"0.34", b"0.340") if path == "cdrs/" else body

    with pytest.raises(Failed, match="The CDR at the eMSP is not the CDR the CPO sent"):
        told(pair)


def test_what_does_not_come_is_named(pair: tuple[CPO, EMSP], hub: RelayHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("simulator.story.PATIENCE", 0.5)
    hub.spoil = lambda method, path, body: None if path.startswith("sessions") else body

    with pytest.raises(Failed, match=r"it is still not so that the Session S.* is ACTIVE at the eMSP"):
        told(pair)


@pytest.mark.parametrize(
    ("lacking", "lines"),
    [
        (
            ("sessions", "commands"),
            {
                "A charge by card is not told of: the hub has no sessions RECEIVER",
                "A remote start is not told of: the hub has no sessions RECEIVER and no commands RECEIVER",
            },
        ),
        (("tariffs", "cdrs"), {"A tariff is not told of: the hub has no tariffs RECEIVER"}),
    ],
)
def test_a_hub_that_lacks_a_module_is_told_of_in_a_line(
    pair: tuple[CPO, EMSP], lacking: tuple[str, ...], lines: set[str]
):
    without(pair, *lacking)

    said = told(pair)

    assert lines <= set(said)
    assert not any("Session" in line for line in said)


def test_without_a_place_to_charge_the_story_is_one_line(pair: tuple[CPO, EMSP]):
    cpo, emsp = pair
    emsp.received.drop_others(set(), 1e18)

    assert told(pair) == [
        "No charge to tell of: no Location at the hub has a free EVSE that a car could charge at"
    ]
    assert cpo.charging.started == 0


def test_an_emsp_without_a_card_to_ask_for_is_told_of(pair: tuple[CPO, EMSP]):
    for item in pair[1].own.items():
        pair[1].own.put(ocpi.encode({**item.document, "whitelist": "ALWAYS"}))

    assert "A charge by card is not told of: the eMSP has no card that may charge" in told(pair)


def test_a_hub_that_does_not_authorize_is_told_of(pair: tuple[CPO, EMSP], hub: RelayHub):
    tokens = pair[1].endpoints.offered["sender", "tokens"]
    pair[1].endpoints.offer("sender", "tokens", tokens.sender)

    said = told(pair)

    assert said[1] == (
        "A charge by card is not told of: the hub does not authorize"
        " (HTTP 405, 2000 POST is not possible here)"
    )
    assert said[2].startswith("Remote start from the eMSP: direct answer ACCEPTED")


# -- a day


def test_drivers_come_by_the_hour_and_the_same_ones_every_time():
    day = events(random.Random("1"), 2000)

    charges = [event for event in day if event.what != "stop"]
    assert day == events(random.Random("1"), 2000) == sorted(day)
    assert len(charges) == 2000
    assert 500 < sum(event.what == "start" for event in charges) < 700
    by_hour = [sum(int(event.hour) == hour for event in charges) for hour in range(24)]
    assert min(by_hour) < 30 < 120 < max(by_hour)
    assert by_hour.index(max(by_hour)) in (16, 17, 18)
    started = {event.reference for event in charges if event.what == "start"}
    assert {event.reference for event in day if event.what == "stop"} <= started


def day_of(pair: tuple[CPO, EMSP], charges: int, seconds: float) -> list[str]:
    lines: list[str] = []
    cpo, emsp = map(InProcess, pair)
    Day(cpo, emsp, charges, seconds / 60, lines.append, lambda: None).tell()
    return lines


def test_what_was_sent_on_a_day_was_received(pair: tuple[CPO, EMSP], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("simulator.day.NEWS_EVERY", 0.8)
    cpo, emsp = pair

    lines = day_of(pair, 60, 2)

    assert lines[0] == "A day of 60 charges passes in 0.0333333 min, 70 % by card and 30 % from the app"
    news = re.compile(
        r"\d\d:\d\d  \d+ authorizations, \d+ sessions \(\d+ charging\), \d+ patches \d+ puts, "
        r"CDRs \d+ sent \d+ received, \d+ commands \d+ results, 0 refused, 0 failed, \d+ waiting"
    )
    assert news.fullmatch(lines[1]), lines[1]
    assert news.fullmatch(lines[2]), lines[2]
    count = len(cpo.owned["cdrs"])
    assert 40 <= count <= 60
    summary = [line for line in lines[3:] if not news.fullmatch(line)]
    assert summary[0].startswith(f"The day is over: 60 charges wanted, {count} charged")
    assert summary[2] == f"Sessions: {count} sent, {count} received, all with the same content"
    assert summary[3] == f"CDRs: {count} sent, {count} received, all with the same content"
    commands = emsp.remote.commands.counts()
    done = commands["done"]
    assert summary[4] == f"Commands: {commands['total']} sent, {done} accepted, {done} results"
    reasons = re.findall(r"(\d+) \S", summary[0].partition("; not: ")[2])
    assert count + sum(map(int, reasons)) == 60
    assert len(summary) == 5
    assert cpo.charging.running == {}
    assert cpo.places.taken == set()
    starts = {item.document["start_date_time"][:10] for item in cpo.owned["cdrs"].items()}
    assert len(starts) == 1
    methods = {item.document["auth_method"] for item in cpo.owned["cdrs"].items()}
    assert {"AUTH_REQUEST", "COMMAND"} <= methods
    assert cpo.charging.clock.at is None


def test_what_is_missing_at_the_end_of_a_day_is_named(
    pair: tuple[CPO, EMSP], hub: RelayHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("simulator.day.QUIET", 0.3)
    lost: list[bytes] = []

    def lose(method: str, path: str, body: bytes) -> bytes | None:
        if path == "cdrs/" and len(lost) < 4:
            lost.append(body)
            return None
        return body

    hub.spoil = lose
    lines = day_of(pair, 20, 1)

    keys = sorted(f"NL/ABC/{ocpi.decode(raw)['id']}" for raw in lost)
    sent, received = len(pair[0].owned["cdrs"]), len(pair[1].taken["cdrs"])
    assert received == sent - 4
    assert (
        f"CDRs: {sent} sent, {received} received; not the same at the eMSP: {', '.join(keys[:3])} and 1 more"
        in lines
    )


def test_a_hub_without_sessions_has_no_day_and_one_without_commands_has_cards_only(pair: tuple[CPO, EMSP]):
    without(pair, "sessions")
    assert day_of(pair, 20, 1) == ["A day of charges does not pass: the hub has no sessions RECEIVER"]

    day = Day(*map(InProcess, pair), 20, 1, print, lambda: None)
    assert {event.what for event in day.events} == {"card", "start", "stop"}
    without(pair, "commands")
    day = Day(*map(InProcess, pair), 20, 1, print, lambda: None)
    assert {event.what for event in day.events} == {"card"}

from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from simulator import cards, network, ocpi
from simulator.cpo import CPO
from simulator.emsp import EMSP
from simulator.hub import Client
from simulator.ocpi import Party
from simulator.platforms import Platform, Settings
from simulator.server import Answer, Request
from simulator.state import State
from tests.simulator.fake_hub import EVERY, TOKEN_A, URL, FakeHub

P = TypeVar("P", bound=Platform)
ABC, MSP = Party("NL", "ABC"), Party("DE", "MSP")
Ask = Callable[..., Answer]
AFTER = 1e9  # a clock by which everything is due
CARD = {
    "country_code": "DE",
    "party_id": "MSP",
    "uid": "04C0FFEE",
    "type": "RFID",
    "contract_id": "DE-MSP-C1",
    "issuer": "MSP",
    "valid": True,
    "whitelist": "NEVER",
    "last_updated": "2026-06-01T00:00:00Z",
}


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


def make(kind: type[P], folder: Path, hub: FakeHub, parties: tuple[Party, ...], count: int) -> P:
    settings = Settings("Test", parties, "https://sim.example", count=count, page_size=10)
    client = Client(httpx.MockTransport(hub.handle))
    platform = kind(settings, State(folder / f"{kind.role}.json"), client)
    maker = network.locations if kind is CPO else cards.tokens
    platform.load(maker(parties, count, "1"))
    return platform


@pytest.fixture
def cpo(tmp_path: Path, hub: FakeHub) -> CPO:
    return make(CPO, tmp_path, hub, (ABC,), 25)


@pytest.fixture
def emsp(tmp_path: Path, hub: FakeHub) -> EMSP:
    return make(EMSP, tmp_path, hub, (MSP,), 20)


def registered(platform: Platform) -> Platform:
    platform.registration.register(URL, TOKEN_A)
    return platform


@pytest.fixture
def charging_cpo(cpo: CPO, hub: FakeHub) -> CPO:
    """A CPO whose hub has every module, and which knows one card."""
    hub.modules = EVERY
    registered(cpo)
    cpo.received.put(ocpi.encode(CARD))
    return cpo


@pytest.fixture
def remote_emsp(emsp: EMSP, hub: FakeHub) -> EMSP:
    """An eMSP whose hub has every module, and which knows a Location."""
    hub.modules = EVERY
    registered(emsp)
    emsp.received.load(network.locations((ABC,), 1, "1"))
    return emsp


def pass_time(platform: Platform) -> int:
    """Let everything happen that is due some day, and bring about what follows from it next time."""
    return platform.schedule.work(AFTER)


def push_all(platform: Platform) -> None:
    for queue in platform.queues.values():
        queue.work(AFTER)


def control(platform: Platform, method: str, path: str, body: Any = b"") -> Any:
    return msgspec.json.decode(ask(platform, method, f"/simulator/{path}", body).body)


def ask(platform: Platform, method: str, target: str, body: Any = b"", **headers: str) -> Answer:
    """A request as the hub sends it, with its token unless another Authorization is given."""
    message = Message()
    sent = {"Authorization": ocpi.authorization(str(platform.state["issued"]))}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    for name, value in sent.items():
        message[name] = value
    raw = body if isinstance(body, bytes) else ocpi.encode(body)
    return platform.handle(Request(method, target, message, raw, "127.0.0.1"))


def data(answer: Answer) -> Any:
    return msgspec.json.decode(answer.body).get("data")


def code(answer: Answer) -> int:
    return int(msgspec.json.decode(answer.body)["status_code"])

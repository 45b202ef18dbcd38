from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

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
from tests.simulator.fake_hub import TOKEN_A, URL, FakeHub

ABC, MSP = Party("NL", "ABC"), Party("DE", "MSP")
Ask = Callable[..., Answer]


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


def make(
    kind: type[Platform], folder: Path, hub: FakeHub, parties: tuple[Party, ...], count: int
) -> Platform:
    settings = Settings("Test", parties, "https://sim.example", count=count, page_size=10)
    client = Client(httpx.MockTransport(hub.handle))
    platform = kind(settings, State(folder / f"{kind.role}.json"), client)
    maker = network.locations if kind is CPO else cards.tokens
    platform.load(maker(parties, count, "1"))
    return platform


@pytest.fixture
def cpo(tmp_path: Path, hub: FakeHub) -> Platform:
    return make(CPO, tmp_path, hub, (ABC,), 25)


@pytest.fixture
def emsp(tmp_path: Path, hub: FakeHub) -> Platform:
    return make(EMSP, tmp_path, hub, (MSP,), 20)


def registered(platform: Platform) -> Platform:
    platform.registration.register(URL, TOKEN_A)
    return platform


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

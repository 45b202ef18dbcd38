"""Where a hub may be sent by what partners say: nowhere inside, unless HUB_ALLOW_PRIVATE_URLS says so."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator import ocpi
from tests.journeys.hub import Hub, refusal
from tests.journeys.processes import ROOT

pytestmark = pytest.mark.journey

PUBLIC = "9.9.9.9"
HOSTS = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "127.1",
    "2130706433",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "169.254.1.1",
]


@pytest.fixture(scope="module")
def hub(folders: Callable[[], Path]) -> Iterator[Hub]:
    hub = Hub(folders(), HUB_ALLOW_PRIVATE_URLS="0").start()
    yield hub
    hub.end()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody inside who must not be called."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_the_hub_registers_at_no_private_address(hub: Hub, listener: socket.socket) -> None:
    port = listener.getsockname()[1]

    said = {
        host: hub.refused(
            *("register", "--name", "Inside", "--token", "secret-token"),
            *("--versions-url", f"http://{host}:{port}/ocpi/versions"),
        )
        for host in HOSTS
    }

    assert [host for host in HOSTS if "is not public" not in said[host]] == [], said
    assert not any("secret-token" in text for text in said.values())
    assert not was_called(listener)
    assert hub.sql("SELECT count(*) FROM partners_platform") == [(0,)]


def test_a_partner_cannot_send_the_hub_to_a_private_address(hub: Hub, listener: socket.socket) -> None:
    invitation = hub.invite("Outside", "NL-ABC-CPO")
    role = {"role": "CPO", "country_code": "NL", "party_id": "ABC", "business_details": {"name": "ABC"}}
    url = f"http://localhost:{listener.getsockname()[1]}/ocpi/versions"

    answer = hub.http.post(
        "/ocpi/2.2.1/credentials",
        content=json.dumps({"token": "token-b", "url": url, "roles": [role]}),
        headers={"Authorization": ocpi.authorization(invitation["token"])},
    )

    assert refusal(answer) == (200, 3001)
    assert "not public" in answer.json()["status_message"]
    assert not was_called(listener)
    assert hub.sql("SELECT status FROM partners_platform") == [("PLANNED",)]
    # The invitation is still good for another try.
    versions = hub.http.get(
        "/ocpi/versions", headers={"Authorization": ocpi.authorization(invitation["token"])}
    )
    assert versions.status_code == 200


def own_network() -> bool:
    """Whether this machine lets us have a network of our own, in which loopback has a public address."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not own_network(), reason="needs a network namespace: root, unshare and ip")
def test_a_redirect_to_a_private_address_is_not_followed(hub: Hub) -> None:
    prepare = f"ip link set lo up && ip address add {PUBLIC}/32 dev lo"
    script = f"{prepare} && exec '{sys.executable}' -m tests.journeys.redirecting {PUBLIC}"

    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script],
        cwd=ROOT,
        env=hub.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "HTTP 404" in told["public"], told
    assert "HTTP 404" in told["public again"], told
    assert "not public" in told["127.0.0.1"], told
    assert "not public" in told["localhost"], told
    assert told["called inside"] == 0

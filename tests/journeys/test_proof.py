"""A provider loses CDRs that it acknowledged: the reconciliation names them and restores them, on real processes."""

import json
import os
import signal
from typing import Any

import pytest

from tests import examples
from tests.journeys.conftest import MakeHub
from tests.journeys.hub import Hub, Simulated, accepted
from tests.journeys.processes import run, wait_until
from tests.journeys.roaming import to

pytestmark = pytest.mark.journey

CDRS = [f"CDR{number:02}" for number in range(40)]
LOST = {f"NL/ABC/CDR{number:02}" for number in (0, 3, 11, 12, 25, 33, 39)}
LOST_LATER = {f"NL/ABC/CDR{number:02}" for number in (1, 3, 8, 20, 21, 30, 38)}


def reconcile(hub: Hub, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = run("manage.py", "reconcile", "--json", *arguments, env=hub.env, timeout=120)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, dict(json.loads(done.stdout))


def lose(emsp: Simulated, keys: set[str]) -> None:
    for key in keys:
        answer = emsp.control.delete(f"objects/cdrs/{key}")
        assert answer.status_code == 200, answer.text


def states(hub: Hub) -> dict[str, int]:
    """How many gaps of CDRs are in each state."""
    return dict(hub.sql("SELECT state, count(*) FROM proof_gap WHERE module = 'cdrs' GROUP BY 1"))  # type: ignore[arg-type]


def posts(emsp: Simulated) -> int:
    return sum(entry["method"] == "POST" and "/cdrs" in entry["path"] for entry in emsp.requests())


def test_what_a_provider_lost_is_named_and_restored_by_hand_and_by_night(new_hub: MakeHub) -> None:
    hub = new_hub(HUB_PROOF_HOUR="0", HUB_PROOF_PACE="200")
    cpo = hub.simulated("cpo", "NL-ABC", "--count", "1")
    emsp = hub.simulated("emsp", "DE-MSP", "--tokens", "1")
    for number, cdr_id in enumerate(CDRS):
        headers = to("DE-MSP") if number % 2 else {}  # every other one directly
        accepted(cpo.call("POST", "receiver/cdrs", examples.cdr(id=cdr_id), **headers))
    for number in range(10):
        session = examples.session(id=f"S{number}")
        accepted(cpo.call("PUT", f"receiver/sessions/NL/ABC/S{number}", session))
    hub.settle()
    everything = emsp.objects("cdrs")
    assert len(everything) == len(CDRS)

    # By hand: exactly those are named, and filled.
    lose(emsp, LOST)
    code, found = reconcile(hub, "--platform", str(emsp.platform_id))
    named = {gap["object"].removeprefix("cdrs/"): gap["kind"] for gap in found["gaps"]}
    assert (code, named) == (1, dict.fromkeys(LOST, "LOST"))
    counts = {row["module"]: (row["accepted"], row["acknowledged"], row["held"]) for row in found["days"]}
    assert (counts["cdrs"], counts["sessions"]) == ((40, 40, 33), (10, 10, 10))
    assert emsp.objects("cdrs") == {key: cdr for key, cdr in everything.items() if key not in LOST}
    before = posts(emsp)
    reconcile(hub, "--fill")
    hub.settle()

    assert emsp.objects("cdrs") == everything
    assert posts(emsp) - before == len(LOST)
    assert reconcile(hub)[0] == 0

    # By night: the workers begin by themselves, and the partner's policy fills what is found.
    lose(emsp, LOST_LATER)
    hub.sql(
        "UPDATE partners_platform SET connected_at = now() - interval '2 days', gap_policy = 'FILL' WHERE id = %s",
        emsp.platform_id,
    )
    before = posts(emsp)
    os.kill(hub.pid("worker"), signal.SIGKILL)  # a process begins a night once, and this one has
    wait_until(lambda: emsp.objects("cdrs") == everything, 90, "the provider has all CDRs again")
    wait_until(lambda: states(hub).keys() == {"FILLED"}, 30, "every gap is filled")
    assert states(hub) == {"FILLED": 14}
    assert posts(emsp) - before == len(LOST_LATER)
    assert hub.sql("SELECT platform_id, state FROM proof_run WHERE night IS NOT NULL") == [
        (emsp.platform_id, "DONE")
    ]

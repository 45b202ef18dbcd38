"""What a CPO remembers of charges over a restart."""

import stat
from pathlib import Path

import httpx
import pytest

from simulator import network, ocpi
from simulator.cpo import CPO
from simulator.hub import Client
from simulator.journal import Journal
from simulator.platforms import Settings
from simulator.state import State
from tests.simulator.conftest import ABC, CARD, make, pass_time, push_all
from tests.simulator.fake_hub import FakeHub, envelope


def start(cpo: CPO) -> str:
    return str(cpo.charging.start(cpo.places.free(1)[0], CARD, "AUTH_REQUEST", "ref").session["id"])


def finish(cpo: CPO) -> None:
    while pass_time(cpo):
        push_all(cpo)


def restarted(cpo: CPO, folder: Path, hub: FakeHub) -> CPO:
    cpo.state.save()
    return make(CPO, folder, hub, (ABC,), 25)


def test_sessions_and_cdrs_are_the_same_after_a_restart_and_not_sent_again(
    charging_cpo: CPO, tmp_path: Path, hub: FakeHub
):
    start(charging_cpo)
    push_all(charging_cpo)
    hub.push_answers = [envelope(Location="https://hub.example/c")] * 99
    finish(charging_cpo)
    sent = len(hub.pushes)

    again = restarted(charging_cpo, tmp_path, hub)
    push_all(again)

    for module in ("sessions", "cdrs"):
        before, after = charging_cpo.owned[module].items(), again.owned[module].items()
        assert [item.raw for item in after] == [item.raw for item in before]
        assert len(after) == 1
    assert list(again.cdr_urls.values()) == ["https://hub.example/c"]
    assert len(hub.pushes) == sent
    assert stat.S_IMODE((tmp_path / "CPO.charges").stat().st_mode) == 0o600


def test_a_cdr_that_the_hub_has_not_taken_is_posted_after_the_restart(
    charging_cpo: CPO, tmp_path: Path, hub: FakeHub
):
    start(charging_cpo)
    for queue in ("sessions", "locations"):
        while pass_time(charging_cpo):
            charging_cpo.queues[queue].work(1e9)
    assert len(charging_cpo.owned["cdrs"]) == 1
    hub.pushes.clear()

    again = restarted(charging_cpo, tmp_path, hub)
    push_all(again)

    assert [(method, path) for method, path, _ in hub.pushes] == [("POST", "cdrs/")]
    assert hub.pushes[0][2].encode() == charging_cpo.owned["cdrs"].at(0).raw


def test_a_charge_that_was_under_way_is_invalid_after_the_restart_and_its_evse_free(
    charging_cpo: CPO, tmp_path: Path, hub: FakeHub
):
    session_id = start(charging_cpo)
    pass_time(charging_cpo)
    push_all(charging_cpo)
    hub.pushes.clear()

    again = restarted(charging_cpo, tmp_path, hub)
    push_all(again)

    (item,) = again.owned["sessions"].items()
    assert (item.document["id"], item.document["status"]) == (session_id, "INVALID")
    pushed = {path.split("/")[0]: (method, ocpi.decode(body)) for method, path, body in hub.pushes}
    assert pushed["sessions"] == ("PUT", item.document)
    assert pushed["locations"][1]["status"] == "AVAILABLE"
    assert len(again.owned["cdrs"]) == 0
    assert len(again.places.free(50)) == len(make(CPO, tmp_path / "other", hub, (ABC,), 25).places.free(50))


def test_charges_at_other_locations_are_void(charging_cpo: CPO, tmp_path: Path, hub: FakeHub):
    start(charging_cpo)
    finish(charging_cpo)
    charging_cpo.state.save()
    settings = Settings("Test", (ABC,), "https://sim.example", seed="2", source="seed 2")

    again = CPO(settings, State(tmp_path / "CPO.json"), Client(httpx.MockTransport(hub.handle)))
    again.load(network.locations((ABC,), 5, "2"))

    assert len(again.owned["cdrs"]) == len(again.owned["sessions"]) == 0


def test_the_newest_are_kept_and_a_line_that_was_cut_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("simulator.journal.MOST", 2)
    journal = Journal(tmp_path / "x.charges")
    for number in range(4):
        journal.write("cdrs", f"C{number}", b'{"n":%d}' % number)
        journal.note_taken("cdrs", f"C{number}", None)
    journal.write("cdrs", "C3", b'{"n":33}')
    with journal.path.open("ab") as file:
        file.write(b'{"module":"cdrs","key":"C9"')

    expected = (
        {("cdrs", "C2"): b'{"n":2}', ("cdrs", "C3"): b'{"n":33}'},
        {("cdrs", "C2"): None, ("cdrs", "C3"): None},
    )
    assert journal.read() == expected
    assert journal.read() == expected
    assert journal.path.read_bytes().count(b"\n") == 4

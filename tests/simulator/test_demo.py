"""`make demo`: what it refuses before anything starts, and what the next one makes of the last one's state."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocpi_hub import embedded
from simulator import ports, report
from simulator.demo import Demo, Failed
from simulator.ocpi import Party
from simulator.simulated import Simulated
from simulator.story import Story
from simulator.terminal import Terminal, counted
from tests.journeys.processes import ROOT, Process, clean_environment, free_port, run, wait_until


def demo(**environment: str) -> Demo:
    return Demo(environment, Terminal(io.StringIO()))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("COUNT", "abc", "COUNT is not a whole number: 'abc'"),
        ("COUNT", "-5", "COUNT must be between 0 and 1000000, and is -5"),
        ("HUB_PORT", "abc", "HUB_PORT is not a whole number: 'abc'"),
        ("HUB_PORT", "0", "HUB_PORT must be between 1 and 65535, and is 0"),
        ("HUB_PORT", "80000", "HUB_PORT must be between 1 and 65535, and is 80000"),
        ("RATE", "many", "RATE is not a whole number: 'many'"),
        ("RATE", "-1", "RATE must be between 0 and 1000000, and is -1"),
        ("DAY_MINUTES", "0", "DAY_MINUTES must be between 1 and 1440, and is 0"),
        ("PARTY", "NLABC", "PARTY: 'NLABC' is not a party; write it as country and party, such as NL-ABC"),
    ],
)
def test_a_wrong_variable_is_one_line_that_names_it(name: str, text: str, problem: str) -> None:
    with pytest.raises(Failed) as refused:
        demo(**{name: text})
    assert str(refused.value) == problem

    done = run("-m", "simulator.demo", env=clean_environment(**{name: text}))
    assert (done.returncode, done.stdout, done.stderr) == (1, f"{problem}\n", "")


def test_a_party_may_be_written_in_small_letters() -> None:
    assert demo(PARTY="nl-abc").parties() == [Party("NL", "ABC")]


def test_a_rate_asks_for_locations_enough_and_for_a_quota_that_does_not_hinder_it() -> None:
    usual, busy = demo(), demo(RATE="20000", DAY_MINUTES="20")

    assert (usual.rate, usual.minutes, usual.count) == (0, 10, 200)
    assert "HUB_REQUESTS_PER_MINUTE" not in usual.env
    assert (busy.rate, busy.minutes, busy.count) == (20000, 20, 2000)
    assert busy.env["HUB_REQUESTS_PER_MINUTE"] == "20000"
    assert demo(RATE="20000", COUNT="7", HUB_REQUESTS_PER_MINUTE="9").count == 7
    assert demo(RATE="20000", HUB_REQUESTS_PER_MINUTE="9").env["HUB_REQUESTS_PER_MINUTE"] == "9"


def test_with_a_feed_a_story_that_ends_early_is_no_reason_to_stop(tmp_path: Path, monkeypatch) -> None:
    def fail(self: Story) -> None:
        raise Failed("it did not come")

    monkeypatch.setattr(Story, "tell", fail)
    invented, feed = demo(), demo(LOCATIONS="feed.json", PARTY="NL-ABC")

    with pytest.raises(Failed, match="it did not come"):
        invented.charges(None, None)
    feed.charges(None, None)
    assert feed.terminal.output.getvalue() == "The story ends here: it did not come\n"


def test_a_file_without_a_location_is_told(tmp_path: Path) -> None:
    path = tmp_path / "feed.json"
    for text, problem in (("", "is empty"), ("[]", "holds no Location")):
        path.write_text(text)
        with pytest.raises(Failed, match=f"^{path} {problem}$"):
            demo(LOCATIONS=str(path), PARTY="NL-ABC").parties()


def test_a_taken_port_leaves_no_new_folder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(Failed, match=f"Port {port} is taken"):
            demo(HUB_VAR=str(tmp_path / "var"), HUB_PORT=port).lock()

    assert not (tmp_path / "var").exists()


def test_an_address_of_another_machine_and_a_folder_that_cannot_be_are_named() -> None:
    with pytest.raises(Failed, match=r"^HUB_HOST=192\.0\.2\.1 is no address of this machine$"):
        demo(HUB_VAR="/tmp/none", HUB_HOST="192.0.2.1").lock()
    with pytest.raises(Failed, match=r"^HUB_VAR=/proc/none is not a folder that the demo can use: "):
        demo(HUB_VAR="/proc/none", HUB_PORT=str(ports.free_port())).lock()


def test_other_locations_than_last_time_are_to_be_pulled(tmp_path: Path) -> None:
    story = demo(HUB_VAR=str(tmp_path), COUNT="5")
    story.remember()
    cpo = Simulated(story, "cpo", "Demo CPO", [Party("NL", "ABC")], [])
    assert story.has_others(cpo)  # nobody knows that the hub read them to their end

    cpo.record["read"] = story.offered()
    assert not story.has_others(cpo)

    story.count = 50
    assert story.has_others(cpo)

    cpo.fresh = True
    assert not story.has_others(cpo)  # the hub reads all by itself after a registration


def test_a_repair_that_is_switched_off_comes_with_the_command_that_switches_it_on() -> None:
    reason = "$.time_zone: required field is missing; the repair FILL:time_zone is switched off"
    refusals = [{"id": "1", "reason": reason}, {"id": "2", "reason": reason}]
    pull = {"party": "NL*ABC", "state": "done", "received": 2, "refused": 2, "platform_id": 7}

    said = list(report.lines([{**pull, "refusals": refusals}], "HUB_VAR=/x python manage.py"))

    assert said[-1] == (
        "  switch FILL:time_zone on: HUB_VAR=/x python manage.py repairs --platform 7 --enable FILL:time_zone"
    )
    assert len([line for line in said if "switch " in line]) == 1


def test_the_command_is_as_the_user_would_type_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv/bin/python"))

    assert demo(HUB_VAR=str(ROOT / "var")).command() == ".venv/bin/python manage.py"
    assert demo(HUB_VAR="/my hub").command() == "HUB_VAR='/my hub' .venv/bin/python manage.py"


def test_one_is_told_as_one() -> None:
    assert [counted(number, "locations") for number in (0, 1, 2)] == [
        "0 Locations",
        "1 Location",
        "2 Locations",
    ]


def test_the_help_of_make_promises_only_what_is_read() -> None:
    said = subprocess.run(
        ["make", "help"], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
    )

    for name in ("LOCATIONS", "PARTY", "COUNT", "RATE"):
        assert f"{name}=" in said.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL's user can enter, whoever runs the tests."""
    with tempfile.TemporaryDirectory(prefix="ocpi-hub-demo-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        embedded.remove(Path(name) / "var")


@pytest.mark.journey
def test_the_next_demo_has_another_number_of_locations(folder: Path) -> None:
    environment = clean_environment(HUB_VAR=str(folder / "var"), HUB_PORT=str(free_port()), PARTY="nl-abc")

    for count, change, end in (
        ("1", "EVSEs change their status now", "EVSEs change"),
        ("30", "EVSEs change", "\n  Remote stop: direct answer ACCEPTED, result ACCEPTED after "),
        ("0", "No EVSE can change", "\nNo charge to tell of: no Location at the hub has a free EVSE"),
    ):
        log = folder / f"{count}.log"
        story = Process("hub", [sys.executable, "-m", "simulator.demo"], {**environment, "COUNT": count}, log)
        wait_until(lambda: end in story.said() or not story.alive, 90, end)  # noqa: B023 - asked now
        assert change in story.said()
        assert f"Locations at the eMSP: {count} of {count}" in story.said()
        assert story.stop(signal.SIGINT) == 0

    assert "is registered as NL*ABC; it has 1 Location\n" in (folder / "1.log").read_text()
    assert "The CPO has other Locations than the hub has read" not in (folder / "1.log").read_text()
    told = (folder / "30.log").read_text()
    assert "The CPO has other Locations than the hub has read" in told
    assert re.search(
        r"\nA card is held to LOC\S+: ALLOWED by the eMSP through the hub, reference [-0-9a-f]{36}, ", told
    )
    assert "\n  The CDR at the eMSP equals the CDR the CPO sent\nRemote start from the eMSP: " in told

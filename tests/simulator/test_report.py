"""What the demo says on the terminal."""

import io
import socket

import pytest

from simulator import report
from simulator.demo import Demo, Failed
from simulator.ocpi import Party
from simulator.ports import free
from simulator.terminal import Terminal

PULL = {
    "party": "GB*CPS",
    "state": "done",
    "error": None,
    "received": 5,
    "new": 2,
    "changed": 0,
    "unchanged": 0,
    "stale": 0,
    "repaired": 2,
    "refused": 3,
    "repairs": {"integer as id": 4, "other time format": 9},
    "refusals": [
        {"id": "1", "reason": "$.evses[0].status: no Status"},
        {"id": "2", "reason": "$.evses[11].status: no Status"},
        {"id": "3", "reason": "$.city: missing"},
    ],
}


def test_the_report_counts_repairs_and_groups_refusals():
    text = "\n".join(report.lines([PULL]))

    assert text == (
        "party    received      taken        new    changed  unchanged      stale   repaired    refused\n"
        "GB*CPS          5          2          2          0          0          0          2          3\n"
        "  repaired       9 times: other time format\n"
        "  repaired       4 times: integer as id\n"
        "  refused        2 times: $.evses[0].status: no Status (1, 2)\n"
        "  refused        1 times: $.city: missing (3)"
    )


def test_a_failed_pull_says_why():
    assert "  failed: GB*CPS: HTTP 500" in list(
        report.lines([{**PULL, "state": "failed", "error": "HTTP 500"}])
    )


def test_many_parties_are_added_up():
    text = list(report.lines([{**PULL, "party": f"NL*A{number:02}"} for number in range(20)]))

    assert (
        text[1]
        == "all 20        100         40         40          0          0          0         40         60"
    )
    assert text[2].startswith("  repaired     180 times")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_written_over_on_a_terminal_and_sparse_elsewhere():
    screen, file = Screen(), io.StringIO()
    for output in (screen, file):
        terminal = Terminal(output)
        terminal.last = -100.0
        for text in ("1 of 2", "1 of 2", "2 of 2"):
            terminal.progress(text)
        terminal.line("done")

    assert screen.getvalue() == "\r\x1b[K1 of 2\r\x1b[K2 of 2\r\x1b[Kdone\n"
    assert file.getvalue() == "1 of 2\ndone\n"


def test_a_terminal_that_is_gone_is_no_error():
    closed = io.StringIO()
    closed.close()
    terminal = Terminal(io.StringIO())
    terminal.output = closed

    terminal.line("x")


def test_a_second_demo_on_the_same_folder_or_port_is_refused(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not free("127.0.0.1", port)
        demo = Demo({"HUB_VAR": str(tmp_path / "a"), "HUB_PORT": str(port)}, Terminal(io.StringIO()))
        with pytest.raises(Failed, match=f"Port {port} is taken"):
            demo.lock()

    first = Demo({"HUB_VAR": str(tmp_path / "b"), "HUB_PORT": str(port)}, Terminal(io.StringIO()))
    second = Demo({"HUB_VAR": str(tmp_path / "b"), "HUB_PORT": str(port)}, Terminal(io.StringIO()))
    first.lock()
    with pytest.raises(Failed, match=r"runs on .* already"):
        second.lock()
    first.lock_file.close()
    second.lock_file.close()


def test_parties_are_named_or_found_in_the_file(tmp_path):
    path = tmp_path / "locations.json"
    path.write_text('[{"id": "1"}]')
    terminal = Terminal(io.StringIO())

    assert Demo({}, terminal).parties() == [Party("NL", "ABC")]
    assert Demo({"PARTY": "GB-CGY", "LOCATIONS": str(path)}, terminal).parties() == [Party("GB", "CGY")]
    with pytest.raises(Failed, match="PARTY=NL-ABC"):
        Demo({"LOCATIONS": str(path)}, terminal).parties()

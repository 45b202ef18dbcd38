"""Which test shows which row of the OCPI conformance table.

    python tests/conformance.py            write tests/conformance.md
    python tests/conformance.py --check    fail when it is out of date, or a row of a finished part has no test

The rows are in conformance_rows.toml; tests name those that they show by pytest.mark.row. Tests are collected,
not run, so that neither a database nor a network is needed.
"""

import argparse
import io
import os
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent
TABLE = TESTS / "conformance.md"
ROWS = TESTS / "conformance_rows.toml"

Shown = dict[str, set[str]]  # the tests of each row

# Settings are read while tests are collected; nothing of this is connected to.
NOWHERE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "only-for-collecting-tests",
    "HUB_KEYS": "b25seS1mb3ItY29sbGVjdGluZy10ZXN0cy1ub3Roa3k=",
    "HUB_DB_POOL": "0",
}

HEAD = """\
# Conformance to OCPI 2.2.1, row by row

Written by `python tests/conformance.py` from `tests/conformance_rows.toml` and the `row` marks of the tests; do not
edit. A row of a finished part without a test fails `make check`. Parts marked "later" are not finished.
"""


class Row(NamedTuple):
    id: str
    part: str
    says: str
    waits: str = ""  # for what, where a finished part has rows that need a later one

    @property
    def is_due(self) -> bool:
        """Whether it needs a test by now."""
        return not self.waits and not self.part.endswith("(later)")


def rows(text: str) -> list[Row]:
    return [
        Row(name, part, **(row if isinstance(row, dict) else {"says": row}))
        for part, named in tomllib.loads(text).items()
        for name, row in named.items()
    ]


def faults(table: Iterable[Row], shown: Shown) -> list[str]:
    """What is missing, and what the tests name that is not there."""
    known = {row.id: row for row in table}
    lacking = [
        f"{row.id} ({row.part}) is shown by no test: {row.says}" for row in known.values() if row.is_due
    ]
    unknown = [
        f"{', '.join(sorted(shown[name]))} shows {name}, which is no row"
        for name in shown
        if name not in known
    ]
    return [text for text in lacking if not shown.get(text.partition(" ")[0])] + unknown


def markdown(table: list[Row], shown: Shown) -> str:
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in table:
        parts[row.part].append(row)
    lines = [HEAD, "| part | rows | shown by tests | waiting |", "|---|---|---|---|"]
    for part, its in parts.items():
        done, waiting = (sum(bool(shown.get(row.id)) for row in its), sum(bool(row.waits) for row in its))
        lines.append(f"| {part} | {len(its)} | {done} | {waiting or ''} |")
    lines += ["", "| row | part | what it says | shown by |", "|---|---|---|---|"]
    for row in table:
        lines.append(f"| {row.id} | {row.part} | {row.says} | {'<br>'.join(evidence(row, shown))} |")
    return "\n".join(lines) + "\n"


def evidence(row: Row, shown: Shown) -> list[str]:
    waits = [f"waits for {row.waits}"] if row.waits else []
    return waits + [f"`{test}`" for test in sorted(shown.get(row.id, ()))]


class Collector:
    """A pytest plugin that notes the rows of every test; variants of one test count once."""

    def __init__(self) -> None:
        self.shown: Shown = defaultdict(set)

    def pytest_collection_finish(self, session: object) -> None:
        for item in session.items:  # type: ignore[attr-defined]  # pytest is not imported before it is needed
            name = item.nodeid.partition("[")[0].removeprefix("tests/")
            for mark in item.iter_markers("row"):
                for row in mark.args:
                    self.shown[row].add(name)


def collect() -> Shown:
    """The rows that the tests show. Exits with pytest's words when they cannot be collected."""
    os.environ.update(NOWHERE)
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.chdir(TESTS.parent)
    # Started as a script, Python looks for modules beside it first, where `simulator` means its tests.
    sys.path[0] = str(TESTS.parent)
    import pytest

    collector, said = Collector(), io.StringIO()
    # Without the project's own options, which would start the services.
    options = [
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "--strict-markers",
        str(TESTS),
    ]
    with redirect_stdout(said), redirect_stderr(said):
        code = pytest.main(options, plugins=[collector])
    if code != 0:
        sys.exit(f"{said.getvalue()}\nthe tests cannot be collected")
    return dict(collector.shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail where something is missing"
    )
    check = parser.parse_args().check
    table, shown = rows(ROWS.read_text(encoding="utf-8")), collect()
    wrong, text = faults(table, shown), markdown(table, shown)
    if not check:
        TABLE.write_text(text, encoding="utf-8")
    elif not TABLE.exists() or TABLE.read_text(encoding="utf-8") != text:
        wrong.append("tests/conformance.md is out of date: run python tests/conformance.py")
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong and check else 0)


if __name__ == "__main__":
    main()

"""`python -m benchmarks`: every measurement, one after the other; the table goes to docs/benchmarks.md."""

import argparse
import signal
import sys
import time
from types import ModuleType

from benchmarks import bulkhead, expansion, fanout, journal, lists, pulls, relay, sessions, table
from benchmarks.processes import BadRun
from benchmarks.progress import say
from benchmarks.table import Section

# Each has NAME, a docstring and measure(quick) -> list[Figure].
MEASUREMENTS: tuple[ModuleType, ...] = (relay, sessions, lists, bulkhead, expansion, fanout, pulls, journal)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    options = arguments()
    if options.list:
        for one in MEASUREMENTS:
            print(f"{one.NAME:<12} {(one.__doc__ or '').strip().splitlines()[0]}")
        return 0
    for number in STOP_SIGNALS:
        signal.signal(number, interrupted)
    chosen = [one for one in MEASUREMENTS if not options.only or one.NAME in options.only]
    machine = table.machine()
    print("\n".join(machine.lines()), flush=True)
    try:
        sections = [measured(one, options.quick) for one in chosen]
    except BadRun as problem:
        print(f"This was no measurement: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was written.", file=sys.stderr)
        return 130
    for section in sections:
        print(f"\n{section.name}\n\n{table.table(section.figures)}")
    print(f"\n{table.summary([one for section in sections for one in section.figures])}")
    is_whole = not options.only and not options.quick
    if is_whole or options.write:
        table.DOCUMENT.write_text(table.document(machine, sections))
        print(f"Written to {table.DOCUMENT.relative_to(table.ROOT)}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the measurements and end")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[one.NAME for one in MEASUREMENTS],
        help="this one alone; may be repeated. The table is printed and docs/benchmarks.md stays as it is",
    )
    parser.add_argument(
        "--quick", action="store_true", help="so short that it only shows that everything works"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md all the same")
    return parser.parse_args()


def measured(one: ModuleType, quick: bool) -> Section:
    say(f"{one.NAME}: {(one.__doc__ or '').strip().splitlines()[0]}")
    began = time.monotonic()
    figures = one.measure(quick)
    seconds = time.monotonic() - began
    for line in figures:
        say(f"{one.NAME}: {table.sentence(line)}")
    return Section(one.NAME, figures, seconds)


def interrupted(*_: object) -> None:
    """Ends a run so that what was started is stopped and removed; asked again, that goes on."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""The command line: `python -m simulator cpo|emsp`."""

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from simulator import cards, files, network
from simulator.cpo import CPO
from simulator.emsp import EMSP
from simulator.hub import Client, Refused, Unreachable
from simulator.ocpi import OCPIError, Party
from simulator.options import arguments
from simulator.platforms import Platform, Settings
from simulator.pulling import Watch
from simulator.pushing import Pushes
from simulator.server import Server
from simulator.state import State

PUSHING = 4  # threads that push the changes of one module


def build(options: argparse.Namespace) -> Platform:
    state = State(options.state)
    given = tuple(options.party) or (Party("NL", "ABC") if options.role == "cpo" else Party("DE", "MSP"),)
    parties = files.parties(options.locations, options.party) if options.locations else given
    count = options.count if options.role == "cpo" else options.tokens
    source = f"{options.locations or 'seed ' + options.seed} {count} {' '.join(map(str, parties))}"
    settings = Settings(
        name=options.name or ("Simulated CPO" if options.role == "cpo" else "Simulated eMSP"),
        parties=parties,
        base_url=(options.base_url or f"http://{options.host}:{options.port}").rstrip("/"),
        seed=options.seed,
        count=count,
        page_size=options.page_size,
        source=source,
        speed=options.speed,
        needs_location=options.needs_location,
        strict_cdrs=options.strict_cdrs,
        announced=options.announce,
    )
    platform = CPO(settings, state, Client()) if options.role == "cpo" else EMSP(settings, state, Client())
    if options.role == "emsp":
        platform.load(cards.tokens(parties, count, options.seed))
    elif options.locations:
        platform.load(files.locations(options.locations))
    else:
        platform.load(network.locations(parties, count, options.seed))
    return platform


def register(platform: Platform, options: argparse.Namespace, stop: threading.Event) -> None:
    """Bring about a registration, by whichever side starts it; ends when there is one."""
    registration = platform.registration
    if registration.registered:
        announce_move(platform, stop)
    elif options.wait_for_hub:
        invitation = {
            "name": platform.settings.name,
            "versions_url": registration.url,
            "token": registration.invite(),
            "parties": [
                f"{one.country_code}-{one.party_id}-{platform.role_of(one)}"
                for one in platform.settings.parties
            ],
        }
        print(json.dumps(invitation), flush=True)
    elif not options.token or not options.hub_versions_url:
        raise SystemExit("Not registered yet: give --hub-versions-url and --token, or --wait-for-hub")
    else:
        persist(platform, stop, lambda: registration.register(options.hub_versions_url, options.token))


def announce_move(platform: Platform, stop: threading.Event) -> None:
    """After a restart under another URL, or with other modules, the hub must learn it (VER-09)."""
    known = platform.state["hub"]
    if known.get("our_url") != platform.registration.url or known.get("our_offer") != platform.offer():
        persist(platform, stop, platform.registration.update)


def persist(platform: Platform, stop: threading.Event, act: Callable[[], None]) -> None:
    """Try until it works; a refusal that will not change ends the program."""
    pause = 0.5
    while not stop.is_set():
        try:
            act()
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused) and not error.temporary:
                raise SystemExit(f"The hub refuses us: {error}") from error
            platform.tell(str(error))
            print(f"{platform.settings.name}: {error}; trying again", file=sys.stderr, flush=True)
            stop.wait(pause)
            pause = min(pause * 2, 15)
        except OCPIError as error:
            raise SystemExit(f"This hub does not suit us: {error}") from error
        else:
            return


def every(seconds: float, stop: threading.Event, act: Callable[[], object], first: float = 0) -> None:
    """Run act in a thread of its own, again and again; never when seconds is 0."""

    def run() -> None:
        due = monotonic() + first
        while not stop.wait(max(0.0, due - monotonic())):
            act()
            due = max(due + seconds, monotonic())

    if seconds > 0:
        threading.Thread(target=run, daemon=True).start()


def run(platform: Platform, options: argparse.Namespace) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = Server((options.host, options.port), platform.handle)
    except OSError as error:
        raise SystemExit(f"Port {options.port} on {options.host} cannot be used: {error.strerror}") from error
    platform.faults.leave = server.leave
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        register(platform, options, stop)
        work(platform, options, stop)
        stop.wait()
    finally:
        stop.set()
        server.shutdown()
        platform.state.save()


def work(platform: Platform, options: argparse.Namespace, stop: threading.Event) -> None:
    interval = options.status_interval if options.role == "cpo" else options.token_interval
    every(options.pull_interval, stop, Watch(platform).look)
    every(interval, stop, when_registered(platform, platform.change), first=interval)
    for queue in platform.queues.values():
        for _ in range(PUSHING):
            every(0.05, stop, when_registered(platform, partial(push, queue)))
    platform.schedule.start()
    every(3, stop, platform.state.save)


def push(queue: Pushes) -> None:
    queue.work(monotonic())


def when_registered(platform: Platform, act: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        if platform.registration.registered:
            act()

    return run


def main(argv: Sequence[str] | None = None) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    options = arguments(argv)
    try:
        platform = build(options)
    except (files.Unreadable, ValueError) as error:
        raise SystemExit(str(error)) from error
    run(platform, options)


if __name__ == "__main__":
    main()

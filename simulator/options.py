"""What the command line may say."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from simulator.ocpi import Party

Group = argparse._ArgumentGroup  # argparse has no public name for it

ABOUT = """\
A simulated OCPI 2.2.1 platform, to try a hub against.

  cpo   owns Locations, Tariffs, Sessions and CDRs, receives Tokens and commands; its EVSEs change their
        status, and charge when somebody asks for it
  emsp  owns Tokens and authorizes them, receives Locations, Tariffs, Sessions and CDRs, sends commands

It registers itself with the hub, by the versions URL and the token that the hub's operator
gives you (on the hub: manage.py invite --name NAME --party NL-ABC-CPO), pulls what the hub has,
and pushes what changes. Its credentials stay in the state file: start it again with the same
--state and it goes on, without a token. With --wait-for-hub it is the other way round: it prints
a versions URL and a token for the hub's operator (on the hub: manage.py register).

While it runs, http://127.0.0.1:PORT/simulator/status tells how it stands;
/simulator/objects/MODULE and /simulator/requests show what it has received; POST to
/simulator/charge of a cpo, or /simulator/command of an emsp, lets a car charge.
"""
EXAMPLE = """\
example:
  python -m simulator cpo --port 9001 --party NL-ABC --state cpo.json \\
      --hub-versions-url https://hub.example/ocpi/versions --token TOKEN
"""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description=ABOUT,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("role", choices=("cpo", "emsp"))
    connection(parser.add_argument_group("connection"))
    business(parser.add_argument_group("business"))
    return parser.parse_args(argv)


def connection(group: Group) -> None:
    add = group.add_argument
    add("--port", type=int, required=True, help="the port to listen on")
    add("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    add("--base-url", metavar="URL", help="what the hub sees of us (http://HOST:PORT)")
    add("--state", type=Path, required=True, metavar="FILE", help="where to remember credentials")
    add("--hub-versions-url", metavar="URL", help="the hub's versions endpoint")
    token = os.environ.get("SIMULATOR_TOKEN")
    add("--token", default=token, help="token A, needed the first time only (or in SIMULATOR_TOKEN)")
    add("--wait-for-hub", action="store_true", help="let the hub start the handshake")
    add("--page-size", type=int, default=50, metavar="N", help="objects in a page, at most (50)")
    pulls = "between two looks whether the hub has more than we know (30); 0 for none"
    add("--pull-interval", type=float, default=30.0, metavar="SECONDS", help=pulls)


def business(group: Group) -> None:
    add = group.add_argument
    add("--name", help="the name of the business")
    parties = "country and party id, may be repeated (NL-ABC for a CPO, DE-MSP for an eMSP)"
    add("--party", action="append", type=party, default=[], metavar="NL-ABC", help=parties)
    roles = "emsp: the role to register in, such as NSP or OTHER (EMSP); repeated: of each party in turn"
    add("--announce", action="append", metavar="ROLE", default=[], help=roles)
    add("--locations", type=Path, metavar="FILE", help="cpo: serve these Locations, faults included")
    add("--count", type=int, default=200, metavar="N", help="cpo: how many Locations to invent (200)")
    add("--tokens", type=int, default=100, metavar="N", help="emsp: how many Tokens to invent (100)")
    add("--seed", default="1", help="another seed invents other objects (1)")
    statuses = "cpo: between two status changes (2); 0 for none"
    add("--status-interval", type=float, default=2.0, metavar="SECONDS", help=statuses)
    speed = "cpo: how many times faster than the clock cars charge (600)"
    add("--speed", type=float, default=600.0, metavar="TIMES", help=speed)
    add("--needs-location", action="store_true", help="emsp: authorize nobody without knowing where (2002)")
    add("--strict-cdrs", action="store_true", help="emsp: refuse a CDR that is there already (2001)")
    changes = "emsp: between two changes of Tokens (15); 0 for none"
    add("--token-interval", type=float, default=15.0, metavar="SECONDS", help=changes)


def party(text: str) -> Party:
    try:
        return Party.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error

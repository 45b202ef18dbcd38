"""Relays to another party, beside a bare WSGI pass-through (httpx, no authentication, no storage).

Both run on the hub's own server with its threads, and ask the same partner process. The senders and receivers are
several, so that no limit of the hub for one partner is what is measured.
"""

from contextlib import ExitStack
from functools import partial

from benchmarks import documents, load
from benchmarks.figures import Figure, at_least, compared, side_by_side
from benchmarks.hub import Hub, Partner, Registered
from benchmarks.load import Request, Side, cpu_of
from benchmarks.processes import environment, free_port, serving
from ocpi_hub.processes import children

NAME = "relay"
PARTIES = 8  # senders, and as many receivers


def measure(quick: bool) -> list[Figure]:
    seconds, rounds = (0.5, 1) if quick else (6.0, 5)
    with ExitStack() as stack:
        hub = stack.enter_context(Hub())
        port, rival = free_port(), free_port()
        stack.enter_context(serving("receiver", port, hub.folder, "benchmarks.receiver", str(port)))
        rival_env = environment(PASS_TO=f"http://127.0.0.1:{port}")
        command = ("benchmarks.rivals.server", "benchmarks.rivals.passthrough:application", str(rival))
        passing = stack.enter_context(serving("passthrough", rival, hub.folder, *command, env=rival_env))
        operators, providers = partners(hub, f"http://127.0.0.1:{port}")
        figures = []
        asked = [asking(one, to) for one, to in zip(providers, operators, strict=True)]
        pushed = [pushing(one, to) for one, to in zip(operators, providers, strict=True)]
        for name, streams, target, note in (
            ("relay of GET tokens/<uid>", asked, at_least(0.6), ""),
            ("relay of PUT locations/<id>", pushed, None, "the hub keeps a copy of what it relays"),
        ):
            relaying, bare = Side(hub.port, hub.web), Side(rival, max(children(passing.pid)))
            for side in (relaying, bare):
                side.warm_up(streams, seconds)
            sides = side_by_side(
                partial(relaying.run, streams, seconds), partial(bare.run, streams, seconds), rounds
            )
            note = "; ".join(filter(None, [cpu_of(relaying, bare), note]))
            figures.append(compared(name, "requests/s", "bare pass-through", sides, target, note))
        return figures


def partners(hub: Hub, url: str) -> tuple[list[Registered], list[Registered]]:
    operators = [Partner(f"cpo {n}", f"{url}/cpo{n}", (f"NL-C{n:02d}-CPO",)) for n in range(PARTIES)]
    providers = [Partner(f"emsp {n}", f"{url}/emsp{n}", (f"DE-M{n:02d}-EMSP",)) for n in range(PARTIES)]
    registered = hub.register([*operators, *providers])
    return registered[:PARTIES], registered[PARTIES:]


def asking(sender: Registered, to: Registered) -> list[Request]:
    """What the receiver has of the sender's tokens, one after the other."""
    country_code, party_id = sender.parties[0].split("-")[:2]
    path = f"/ocpi/2.2.1/receiver/tokens/{country_code}/{party_id}/"
    headers = sender.headers(to.parties[0])
    return [Request("GET", f"{path}{number:014X}", headers) for number in range(100)]


def pushing(sender: Registered, to: Registered) -> list[Request]:
    country_code, party_id = sender.parties[0].split("-")[:2]
    path = f"/ocpi/2.2.1/receiver/locations/{country_code}/{party_id}/"
    found = [documents.location(n, country_code, party_id) | {"last_updated": load.NOW} for n in range(100)]
    headers = sender.headers(to.parties[0])
    return [Request("PUT", path + one["id"], headers, documents.compact(one)) for one in found]

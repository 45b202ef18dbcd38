"""Pages of 80,000 Locations, beside the same page of the package extrawest-ocpi; the total of a million objects.

The package gets the same documents in memory, without a database, which favours it. Its server is granian as well.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import httpx

from benchmarks import documents, filling, load, packages
from benchmarks.figures import Figure, at_least, at_most, compared, side_by_side, single, under
from benchmarks.hub import Hub, Partner, Registered
from benchmarks.load import Request, Side, cpu_of
from benchmarks.processes import BadRun, answer_of, environment, free_port, listens, running
from ocpi_hub.processes import Service, children
from ocpi_hub.protocol.headers import authorization, next_link

NAME = "lists"
PAGE = 50
PACKAGE = "extrawest-ocpi, from memory"
PACKAGE_TOKEN = "the-token-of-a-measurement"  # noqa: S105
READERS = 8


def measure(quick: bool) -> list[Figure]:
    seconds, rounds, many, million = (1.0, 1, 2_000, 20_000) if quick else (6.0, 5, 80_000, 1_000_000)
    with ExitStack() as stack:
        hub = stack.enter_context(Hub())
        operator, provider, readers = partners(hub)
        filling.locations(hub, operator, many)
        return [
            *beside_the_package(hub, readers, seconds, rounds),
            *deep(hub, readers[0], many, seconds, rounds),
            *total(hub, operator, provider, million, seconds),
        ]


def partners(hub: Hub) -> tuple[Registered, Registered, list[Registered]]:
    """Nothing is pushed or pulled here: they have no interfaces."""

    def partner(name: str, party: str) -> Partner:
        return Partner(name, "http://127.0.0.1:9", (party,), modules=("credentials",))

    named = [partner("cpo", "NL-C00-CPO"), partner("owner of tokens", "DE-M99-EMSP")]
    readers = [partner(f"emsp {number}", f"DE-M{number:02d}-EMSP") for number in range(READERS)]
    operator, provider, *others = hub.register([*named, *readers])
    return operator, provider, others


# ----------------------------------------------------------------------------------------- beside the package
def beside_the_package(hub: Hub, readers: list[Registered], seconds: float, rounds: int) -> list[Figure]:
    asked = [[Request("GET", f"/ocpi/2.2.1/sender/locations?limit={PAGE}", one.headers())] for one in readers]
    known = {"Authorization": authorization(PACKAGE_TOKEN)}
    same = [[Request("GET", f"/ocpi/cpo/2.2.1/locations/?limit={PAGE}", known)]]

    ours = Side(hub.port, hub.web)
    with package(hub) as theirs:
        must_be_alike(hub.port, asked[0][0], theirs.port, same[0][0])
        ours.warm_up(asked, seconds)
        theirs.warm_up(same, seconds)
        sides = side_by_side(partial(ours.run, asked, seconds), partial(theirs.run, same, seconds), rounds)
    note = cpu_of(ours, theirs)
    return [compared(f"page of {PAGE} Locations", "pages/s", PACKAGE, sides, at_least(20), note)]


@contextmanager
def package(hub: Hub) -> Iterator[Side]:
    port = free_port()
    service = Service(
        name="extrawest",
        argv=[
            *(str(packages.python()), "-m", "granian", "--interface", "asgi", "--workers", "1", "--factory"),
            *(
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--no-ws",
                "benchmarks.rivals.extrawest:application",
            ),
        ],
        log=hub.folder / "extrawest.log",
        env=environment(),
        cwd=hub.folder,
        ready=lambda: listens(port),
    )
    with running(service) as process:
        yield Side(port, max(children(process.pid)))


def must_be_alike(port: int, asked: Request, other: int, same: Request) -> None:
    """Both answer with the same Locations; the package repeats them with every field that they do not have."""
    pages = [
        httpx.get(
            f"http://127.0.0.1:{at}{one.path}", headers=dict(one.headers), trust_env=False, timeout=60
        ).json()
        for at, one in ((port, asked), (other, same))
    ]
    ids = [[one["id"].upper() for one in page["data"]] for page in pages]
    expected = [documents.location(number)["id"] for number in range(PAGE)]
    if ids != [expected, expected]:
        raise BadRun(f"the pages are not alike: {[page[:3] for page in ids]}")


# -------------------------------------------------------------------------------------------- the last page
def deep(hub: Hub, reader: Registered, many: int, seconds: float, rounds: int) -> list[Figure]:
    list_of = f"/ocpi/2.2.1/sender/locations?limit={PAGE}"

    def time_of(path: str) -> float:
        return load.run(hub.port, [[Request("GET", path, reader.headers())]], seconds, connections=1).p50

    before = httpx.get(
        f"{hub.url}{list_of}&offset={many - 2 * PAGE}", headers=reader.headers(), trust_env=False, timeout=60
    )
    last = next_link(before.headers["Link"])
    assert last is not None
    first, by_link = partial(time_of, list_of), partial(time_of, last.removeprefix(hub.url))
    by_offset = partial(time_of, f"{list_of}&offset={many - PAGE}")
    first(), by_link(), by_offset()
    linked, offset = side_by_side(by_link, first, rounds), side_by_side(by_offset, first, rounds)
    name = f"last page of {many:,} Locations"
    return [
        compared(f"{name} through Link", "ms", "first page", linked, at_most(1.2), "one connection, medians"),
        compared(f"{name} by offset", "ms", "first page", offset),
    ]


# ---------------------------------------------------------------------------------------------- the total
def total(hub: Hub, operator: Registered, provider: Registered, million: int, seconds: float) -> list[Figure]:
    filling.tokens(hub, provider, million)
    said = answer_of(
        "benchmarks.totals", {"module": "tokens", "platform_id": operator.platform_id}, env=hub.env
    )
    if said["total"] != million:
        raise BadRun(f"the total of {million} Tokens is {said['total']}")
    page = [[Request("GET", f"/ocpi/2.2.1/sender/tokens?limit={PAGE}", operator.headers())]]
    whole = load.run(hub.port, page, seconds, connections=1)
    name = f"total of {million:,} Tokens"
    return [
        single(name, said["milliseconds"], "ms", under(5, "ms"), "the total alone"),
        single(f"{name}, the whole request", whole.p50, "ms", note=f"first page of {PAGE}, one connection"),
    ]

"""Which module and interface an address belongs to: a path of ours, or a URL of a partner's."""

from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from ocpi_hub.journal.names import RESULTS, Place, segments_of
from ocpi_hub.partners.directory import directory
from ocpi_hub.partners.models import Endpoint, Platform

ELSEWHERE = "elsewhere"  # in the place of a module, where none can be told
INTERFACES = ("sender", "receiver")


class Known(NamedTuple):
    """An address of a partner's; what lies below it belongs to the same interface."""

    url: str
    module: str
    interface: str


def place_of_ours(url: str) -> Place:
    """What a path of the hub's is: /ocpi/2.2.1/sender/sessions/…, or one of versions and credentials."""
    path, _, query = url.partition("?")
    segments = segments_of(path)[1:]
    if len(segments) > 2 and segments[1] in INTERFACES:
        return Place(segments[2][:20].lower(), segments[1], segments[3:], query)
    if len(segments) == 2 and segments[1] == "credentials":
        return Place("credentials")
    return Place("versions" if len(segments) <= 1 else segments[1][:20].lower(), "", segments[2:], query)


class Theirs:
    """The addresses of partners, each looked up once: for one batch of hops."""

    def __init__(self) -> None:
        self._known: dict[int, list[Known]] = {}

    def place(self, method: str, url: str, platform_id: int | None) -> Place:
        """By the partner's endpoints; what is POSTed to none of them goes to a response_url."""
        address, _, query = url.partition("?")
        for known in self._of(platform_id) if platform_id else ():
            if not address.startswith(known.url):
                continue
            below = address[len(known.url) :]
            if not below or below[0] == "/" or known.url.endswith("/"):
                return Place(known.module, known.interface, segments_of(below), query)
        segments = segments_of(urlsplit(address).path)
        return Place(RESULTS, "", segments[-1:], query) if method == "POST" else _guessed(segments, query)

    def _of(self, platform_id: int) -> list[Known]:
        if platform_id not in self._known:
            found = directory.get(("addresses", platform_id), lambda: _load(platform_id))
            self._known[platform_id] = found or []
        return self._known[platform_id]


def _guessed(segments: tuple[str, ...], query: str) -> Place:
    """Below an endpoint that the partner has no more: most have the module's name in their URLs."""
    for number, segment in enumerate(segments):
        if segment.lower() in settings.OCPI_MODULES:
            return Place(segment.lower(), "", segments[number + 1 :], query)
    return Place(ELSEWHERE, "", (), query)


def _load(platform_id: int) -> list[Known]:
    """The longest first, so that nothing is taken for what it is only below of."""
    rows = Endpoint.objects.filter(platform_id=platform_id).values_list("url", "module", "role")
    found = [Known(url.partition("?")[0], module, role.lower()) for url, module, role in rows]
    versions = Platform.objects.filter(pk=platform_id).exclude(versions_url="")
    found += [Known(url, "versions", "") for url in versions.values_list("versions_url", flat=True)]
    return sorted(found, key=lambda known: len(known.url), reverse=True)

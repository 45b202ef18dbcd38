"""A request on its way to another party."""

from typing import NamedTuple


class Question(NamedTuple):
    """A request, as it is to reach the receiver: below its endpoint of the same module and interface."""

    module: str
    role: str
    method: str
    segments: tuple[str, ...] = ()
    query: str = ""  # as it stands in the URL
    body: bytes | None = None
    url: str = ""  # in place of the endpoint and what is below it
    area: str = "relay"  # of the catalogue of failures: what it means that it fails

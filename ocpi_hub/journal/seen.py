"""A request and its answer as they were seen, before anything is worked out of them."""

from collections.abc import Mapping
from typing import NamedTuple

from ocpi_hub.journal.models import LONGEST_BODY
from ocpi_hub.protocol.headers import MessageIDs

MOST_HELD = 1_000_000  # bytes of a body that waits; of a longer one the beginning
BESIDES = 1_500  # bytes of memory that a hop takes besides its bodies, about


class Seen(NamedTuple):
    at: float
    is_in: bool
    platform_id: int | None
    module: str  # empty: it is found out by the address
    method: str
    url: str
    remote: str
    headers: dict[str, str]
    request: bytes
    request_size: int
    http_status: int | None
    answer_headers: Mapping[str, str]
    answer: bytes
    answer_size: int
    failure: str
    seconds: float
    ids: MessageIDs
    delivery_id: int | None
    secrets: tuple[str, ...] = ()  # besides those in its bodies
    is_check: bool = False  # nobody sent anything: the hub asks by itself
    longest: int = LONGEST_BODY  # bytes of each body that are kept; 0: there is no room for them

    def weight(self) -> int:
        return BESIDES + len(self.request) + len(self.answer)

"""What came in against what went out: which hops of a journey belong together, and where their bodies differ."""

from typing import Any, NamedTuple

from ocpi_hub.exchange.journeys.journeywords import WITH_RESULTS, went_to_response_url
from ocpi_hub.journal.differences import Difference, differences, parsed
from ocpi_hub.journal.models import Hop


class Comparison(NamedTuple):
    """The body of one hop, seen against that of another one."""

    against: Hop
    differences: list[Difference]
    added: int = 0  # fields of the state that a change did not name

    @property
    def places(self) -> set[str]:
        return {one.place for one in self.differences}


def requests(hops: list[Hop]) -> dict[int, Comparison]:
    """By what went out: its body against that of the request that came in before."""
    found = {}
    for hop in hops:
        source = _source(hop, hops)
        if source is not None and (compared := _compared(source, hop)):
            found[hop.pk] = compared
    return found


def _source(hop: Hop, hops: list[Hop]) -> Hop | None:
    """The last request of the same module that came in before; for a result, the last result."""
    if hop.direction != Hop.Direction.OUT or not hop.request_body:
        return None
    is_result = went_to_response_url(hop)

    def may_be(other: Hop) -> bool:
        came = other.direction == Hop.Direction.IN and bool(other.request_body) and other.at <= hop.at
        if is_result:
            return came and other.module in WITH_RESULTS and other.interface == "sender"
        return came and (other.module, other.interface) == (hop.module, hop.interface)

    return next(filter(may_be, reversed(hops)), None)


def _compared(came: Hop, went: Hop) -> Comparison | None:
    if came.request_is_cut or went.request_is_cut:
        return None
    left, right = parsed(came.request_body), parsed(went.request_body)
    if went_to_response_url(went):
        left = _unwrapped(left)
    if left is None or right is None:
        return None
    found = list(differences(left, right))
    if came.method != "PATCH" or went.method == "PATCH":
        return Comparison(came, found)
    named = [one for one in found if one.came is not None]
    return Comparison(came, named, added=len(found) - len(named))


def _unwrapped(came: Any) -> Any:
    """A result that came in an envelope goes on without it."""
    return came.get("data", came) if isinstance(came, dict) and "result" not in came else came


def answers(hops: list[Hop]) -> dict[int, Comparison]:
    """By what came in: the data that it was answered against those of the partner that was asked meanwhile."""
    found = {}
    for hop in hops:
        if hop.direction != Hop.Direction.IN:
            continue
        asked = [other for other in hops if _is_within(other, hop) and other.module == hop.module]
        if len(asked) == 1 and (compared := _answers_compared(asked[0], hop)):
            found[hop.pk] = compared
    return found


def _is_within(other: Hop, hop: Hop) -> bool:
    """Whether it went out while the other was waiting for its answer."""
    if other.direction != Hop.Direction.OUT or other.delivery_id is not None:
        return False
    return 0 <= (other.at - hop.at).total_seconds() * 1000 <= hop.milliseconds


def _answers_compared(theirs: Hop, ours: Hop) -> Comparison | None:
    if theirs.answer_is_cut or ours.answer_is_cut:
        return None
    left, right = parsed(theirs.answer_body), parsed(ours.answer_body)
    if not isinstance(left, dict) or not isinstance(right, dict):
        return None
    kept = ("status_code", "status_message", "data")
    return Comparison(theirs, list(differences(*({k: b[k] for k in kept if k in b} for b in (left, right)))))

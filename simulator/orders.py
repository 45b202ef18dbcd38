"""What the eMSP has asked of CPOs, and what came back: the direct answer, then a result at a URL of its own."""

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import msgspec

from simulator import ocpi
from simulator.hub import Reply, Unreachable
from simulator.interfaces import Call, nothing_here, read_object, refuse_method
from simulator.ocpi import OCPIError
from simulator.server import Answer, Request

MOST = 20_000  # orders that are remembered


@dataclass(eq=False)
class Order:
    id: str
    kind: str  # START_SESSION, GET_PROFILE
    to: str
    asked: dict[str, Any]
    response_url: str
    sent: float = field(default_factory=monotonic)
    http_status: int | None = None
    status_code: int | None = None
    message: str = ""
    response: Any = None  # the data of the direct answer
    direct_ms: int | None = None
    results: list[Any] = field(default_factory=list)
    result_ms: int | None = None
    enveloped: bool = False  # the result came wrapped

    @property
    def state(self) -> str:
        """sent, refused, accepted (a result is awaited), overdue (it is late), or done."""
        if self.results:
            return "done"
        if self.direct_ms is None:
            return "sent"
        if not self.accepted:
            return "refused"
        timeout = self.response.get("timeout")
        late = isinstance(timeout, int) and monotonic() - self.sent > timeout
        return "overdue" if late else "accepted"

    @property
    def accepted(self) -> bool:
        return isinstance(self.response, dict) and self.response.get("result") == "ACCEPTED"

    def shown(self) -> dict[str, Any]:
        names = ("id", "kind", "to", "asked", "response_url", "http_status", "status_code", "message")
        more = ("response", "direct_ms", "results", "result_ms", "enveloped", "state")
        result = self.results[-1].get("result") if self.results else None
        return {**{name: getattr(self, name) for name in (*names, *more)}, "result": result}


class Orders:
    """`url` is where results come: a Sender endpoint of ours, to which each order adds its kind and id."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.known: dict[str, Order] = {}
        self.came = threading.Condition()

    def open(self, kind: str, to: object, asked: dict[str, Any]) -> Order:
        order_id = uuid.uuid4().hex
        order = Order(order_id, kind, str(to), asked, f"{self.url}/{kind}/{order_id}")
        with self.came:
            self.known[order.id] = order
            if len(self.known) > MOST:
                self.known.pop(next(iter(self.known)))
        return order

    def answered(self, order: Order, reply: Reply) -> None:
        with self.came:
            order.http_status, order.status_code, order.message = reply.status, reply.code, reply.message
            order.response = ocpi.decode(reply.data) if reply.data else None
            order.direct_ms = passed(order)
            self.came.notify_all()

    def unanswered(self, order: Order, error: Unreachable) -> None:
        with self.came:
            order.message, order.direct_ms = str(error), passed(order)

    def take(self, request: Request, path: Sequence[str]) -> Answer:
        """A result, bare as it should be, or in an envelope as some send it (P123)."""
        refuse_method(request, "POST")
        if len(path) != 2:
            raise nothing_here()
        body = read_object(request)
        order = self.known.get(path[1])
        if order is None:
            raise OCPIError(2001, f"We have asked nothing that is called {path[1]}", 404)
        enveloped = "status_code" in body and isinstance(body.get("data"), dict)
        result = body["data"] if enveloped else body
        if not isinstance(result.get("result"), str):
            raise OCPIError(2001, "$.result is missing or is no text")
        with self.came:
            order.enveloped = enveloped
            order.results.append(result)
            if order.result_ms is None:
                order.result_ms = passed(order)
            self.came.notify_all()
        return Answer(body=ocpi.envelope())

    def wait(self, order: Order, seconds: float) -> None:
        """Until a result is here, or none is to be expected."""
        with self.came:
            self.came.wait_for(lambda: order.state in ("done", "refused"), seconds)

    def answer(self, request: Request, path: Sequence[str], call: Call) -> Answer:
        return self.take(request, path)

    def shown(self) -> list[dict[str, Any]]:
        with self.came:
            orders = list(self.known.values())
        return [order.shown() for order in orders]

    def counts(self) -> dict[str, int]:
        with self.came:
            orders = list(self.known.values())
        states = Counter(order.state for order in orders)
        results = Counter(result["result"] for order in orders for result in order.results[:1])
        return {
            "total": len(orders),
            **states,
            **{f"result {name}": count for name, count in results.items()},
        }


def passed(order: Order) -> int:
    return round(1000 * (monotonic() - order.sent))


class WhereOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A command to send. What is left out is chosen: a good Token, and an EVSE that is AVAILABLE."""

    command: str
    to: str | None = None  # NL-ABC; without it the owner of the Location or Session
    location: str | None = None
    evse: str | None = None
    connector: str | None = None
    uid: str | None = None  # of one of our Tokens
    session: str | None = None
    reservation: str | None = None
    seconds: int = 900  # that a reservation lasts
    reference: str | None = None
    wait: float = 0  # seconds to wait for the result


class ProfileOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What to do with the charging profile of a Session: get, set or clear it."""

    profile: str
    session: str
    to: str | None = None
    duration: int = 900  # seconds, of what is got
    kw: float | None = None  # what is set, from now on
    charging_profile: dict[str, Any] | None = None  # or this, as it stands
    wait: float = 0

"""The endpoints below /simulator: what tests and the demo see and ask for, from this machine only."""

import ipaddress
from typing import TYPE_CHECKING, Any

import msgspec

from simulator import ocpi
from simulator.hub import Refused, Unreachable
from simulator.ocpi import OCPIError, Party
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.platforms import Platform


def control(platform: "Platform", request: Request, path: list[str]) -> Answer:
    if not local(request):
        return Answer(404, ocpi.envelope(code=2000, message="There is nothing at this path"))
    try:
        return Answer(body=ocpi.encode(_answer(platform, request, path)))
    except (msgspec.MsgspecError, ValueError) as error:
        return problem(400, str(error))
    except (Unreachable, Refused, OCPIError) as error:
        return problem(502, str(error))
    except LookupError:
        return problem(404, f"{request.method} {request.target} is not offered")


def local(request: Request) -> bool:
    """From this machine, not through a proxy on it, and not out of a browser page of somebody else's."""
    names = ("Forwarded", "X-Forwarded-For", "Origin")
    return ipaddress.ip_address(request.client).is_loopback and not any(map(request.headers.get, names))


def problem(status: int, text: str) -> Answer:
    return Answer(status, ocpi.encode({"error": text}))


def _answer(platform: "Platform", request: Request, path: list[str]) -> Any:
    match request.method, path:
        case "GET", ["status"]:
            return platform.status()
        case "GET", ["objects", module]:
            return {item.key: msgspec.Raw(item.raw) for item in objects(platform, module).items()}
        case "GET", ["keys", module]:
            return [item.key for item in objects(platform, module).items()]
        case "GET", ["requests"]:
            return platform.log.since(int(request.query.get("since", "0")))
        case "GET", ["faults"]:
            return platform.faults.fault
        case "POST", ["faults"]:
            return platform.faults.set(request.body)
        case "POST", ["push"]:
            return push(platform, msgspec.json.decode(request.body, type=PushOrder))
        case "POST", ["change"]:
            platform.change()
            return {"last_change": platform.last_change}
        case "POST", ["pull"]:
            return {"received": platform.pull()}
        case "POST", ["rotate"]:
            platform.registration.update()
            return {"registered": platform.registration.registered}
        case "POST", ["unregister"]:
            platform.registration.unregister()
            return {"registered": platform.registration.registered}
    raise LookupError(path)


def objects(platform: "Platform", module: str) -> Any:
    return {platform.owns.name: platform.own, platform.takes.name: platform.received}[module]


class PushOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A push to make as told, right or wrong.

    Without a path it goes where the object's owner and id say; without from and to it goes from the first party
    to the hub, and an empty one leaves that header pair out.
    """

    module: str
    object: msgspec.Raw = msgspec.Raw(b"")
    method: str = "PUT"
    path: str | None = None
    query: dict[str, str] = {}
    sender: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    keep: bool = False  # the object becomes one of our own as well


def push(platform: "Platform", order: PushOrder) -> dict[str, Any]:
    raw = bytes(order.object) or None
    document = ocpi.decode(raw) if raw else {}
    module = platform.owns if order.module == platform.owns.name else platform.takes
    path, query = (order.path or "").strip("/").split("/"), dict(order.query)
    if order.path is None:
        path = [str(document.get(name)) for name in ("country_code", "party_id", module.id_field)]
        if module.typed:
            query.setdefault("type", str(document.get("type", "RFID")))
    if order.keep and raw:
        platform.keep(raw)
    to = named(order.to, platform.registration.hub_party)
    routing = ocpi.routing(to, named(order.sender, platform.settings.parties[0]))
    reply = platform.push_to(order.module, order.method, path, raw, routing, query)
    return {
        "http_status": reply.status,
        "status_code": reply.code,
        "headers": reply.headers,
        "answer": readable_answer(reply.body),
    }


def named(text: str | None, default: Party | None) -> Party | None:
    if text is None:
        return default
    return Party.parse(text) if text else None


def readable_answer(body: bytes) -> Any:
    try:
        return ocpi.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")

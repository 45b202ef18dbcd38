"""The endpoints below /simulator: what tests and the demo see and ask for, from this machine only."""

import hashlib
import ipaddress
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from simulator import ocpi
from simulator.hub import Refused, Unreachable
from simulator.objects import CDRS, Module, Objects
from simulator.ocpi import OCPIError, Party
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.platforms import Platform

log = logging.getLogger(__name__)


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
    except Exception as error:
        log.exception("%s %s failed", request.method, request.target)
        return problem(500, f"{type(error).__name__}: {error}")


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
        case "GET", ["objects", module, *key]:
            return msgspec.Raw(one(platform, module, "/".join(key)))
        case "DELETE", ["objects", module, *key]:
            return forget(platform, module, "/".join(key))
        case "GET", ["digests", module]:
            held = objects(platform, module)
            return {item.key: digest(held.module, item.raw) for item in held.items()}
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
            return pull(platform, msgspec.json.decode(request.body or b"{}", type=PullOrder))
        case "POST", ["rotate"]:
            platform.registration.update()
            return {"registered": platform.registration.registered}
        case "POST", ["unregister"]:
            platform.registration.unregister()
            return {"registered": platform.registration.registered}
        case method, [name]:
            return platform.controls[method, name](request)
    raise LookupError(path)


def objects(platform: "Platform", module: str) -> Objects:
    return {**platform.owned, **platform.taken}[module]


def one(platform: "Platform", module: str, key: str) -> bytes:
    item = objects(platform, module).get(key)
    if item is None:
        raise LookupError(key)
    return item.raw


def forget(platform: "Platform", module: str, key: str) -> dict[str, str]:
    """Lose one object, as a platform with a fault would."""
    if not objects(platform, module).remove(key):
        raise LookupError(key)
    return {"forgotten": key}


def digest(module: Module, raw: bytes) -> str:
    """The same for objects that say the same; of a CDR, which nobody may change, only for the same bytes."""
    if module is not CDRS:
        raw = ocpi.encode(plain(ocpi.decode(raw)))
    return hashlib.sha256(raw).hexdigest()


def plain(value: Any) -> Any:
    """In order of the names, and numbers without what does not count."""
    if isinstance(value, dict):
        return {name: plain(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def pull(platform: "Platform", order: "PullOrder") -> dict[str, int]:
    if order.module is None:
        return {"received": platform.pull()}
    return {"received": platform.pulls[order.module].run()}


class PullOrder(msgspec.Struct, forbid_unknown_fields=True):
    module: str | None = None


class PushOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A push to make as told, right or wrong.

    Without a path it goes where the object's owner and id say; without from and to it goes from the first party
    to the hub, and an empty one leaves that header pair out. `interface` is the hub's: receiver or sender.
    """

    module: str
    interface: str = "receiver"
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
    path, query = [part for part in (order.path or "").split("/") if part], dict(order.query)
    if order.path is None and order.method != "POST":
        module = objects(platform, order.module).module
        path = module.path(document)
        if module.typed:
            query.setdefault("type", str(document.get("type", "RFID")))
    if order.keep and raw:
        keep(platform, order.module, raw)
    to = named(order.to, platform.registration.hub_party)
    routing = ocpi.routing(to, named(order.sender, platform.settings.parties[0]))
    reply = platform.call(order.module, order.interface.upper(), order.method, path, raw, routing, query)
    return {
        "http_status": reply.status,
        "status_code": reply.code,
        "headers": reply.headers,
        "answer": readable_answer(reply.body),
    }


def keep(platform: "Platform", module: str, raw: bytes) -> None:
    """One of our own from now on; over a restart only an object of the platform's first module."""
    if objects(platform, module) is platform.own:
        platform.keep(raw)
    else:
        platform.owned[module].put(raw)


def named(text: str | None, default: Party | None) -> Party | None:
    if text is None:
        return default
    return Party.parse(text) if text else None


def readable_answer(body: bytes) -> Any:
    try:
        return ocpi.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")

"""What a platform offers the hub, and the way of a request to it: faults, token, path, routing headers."""

import logging
from typing import TYPE_CHECKING, Any

from simulator import ocpi
from simulator.control import control
from simulator.faults import Faults, RequestLog
from simulator.interfaces import Call, Interface, nothing_here, read_object, refuse_method
from simulator.ocpi import OCPIError
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.platforms import Platform

log = logging.getLogger(__name__)


class Endpoints:
    def __init__(self, platform: "Platform") -> None:
        self.platform = platform
        self.offered: dict[tuple[str, str], Interface] = {}
        self.log, self.faults = RequestLog(), Faults()

    def offer(self, role: str, module: str, interface: Interface) -> None:
        self.offered[role, module] = interface

    def url(self, *path: str) -> str:
        return "/".join((f"{self.platform.settings.base_url}/ocpi/{ocpi.VERSION}", *path))

    def details(self) -> dict[str, Any]:
        rows = [("credentials", "sender", self.url("credentials"))]
        rows += [(module, role, self.url(role, module)) for role, module in sorted(self.offered, key=senders)]
        endpoints = [{"identifier": name, "role": role.upper(), "url": url} for name, role, url in rows]
        return {"version": ocpi.VERSION, "endpoints": endpoints}

    # -- a request

    def handle(self, request: Request) -> Answer:
        segments = request.segments
        if segments[:1] == ["simulator"]:
            return control(self.platform, request, segments[1:])
        entry = self.log.add(request, secret="credentials" in segments)
        answer = self._misbehaved(request, segments)
        entry["status"] = None if answer.cut or answer.half else answer.status
        for name in ("X-Request-ID", "X-Correlation-ID"):
            if value := request.headers.get(name):
                answer.headers[name] = value
        return answer

    def _misbehaved(self, request: Request, segments: list[str]) -> Answer:
        interface, module = (
            (*segments[2:4], "", "")[:2] if segments[:2] == ["ocpi", ocpi.VERSION] else ("", "")
        )
        request.fault = fault = self.faults.take(interface or "versions", module)
        if fault is None:
            return self.answer(request, segments)
        return self.faults.before(fault) or self.faults.after(fault, self.answer(request, segments))

    def answer(self, request: Request, segments: list[str]) -> Answer:
        try:
            return self.route(request, segments)
        except OCPIError as error:
            headers = {"Allow": error.allow} if error.allow else {}
            body = ocpi.envelope(error.data, code=error.code, message=error.message)
            return Answer(error.http_status, body, headers)
        except Exception:
            log.exception("%s %s failed", request.method, request.target)
            self.platform.tell(f"{request.method} {request.target} failed; see the log")
            return Answer(500, ocpi.envelope(code=3000, message="The simulator has a fault"))

    def route(self, request: Request, segments: list[str]) -> Answer:
        registration = self.platform.registration
        caller = registration.caller(ocpi.presented_tokens(request.headers.get("Authorization")))
        if caller is None:
            raise OCPIError(2000, "Unknown or missing credentials token", 401)
        match segments:
            case ["ocpi", "versions"]:
                refuse_method(request, "GET")
                return Answer(body=ocpi.envelope([{"version": ocpi.VERSION, "url": self.url()}]))
            case ["ocpi", ocpi.VERSION]:
                refuse_method(request, "GET")
                return Answer(body=ocpi.envelope(self.details()))
            case ["ocpi", ocpi.VERSION, "credentials"]:
                return self.credentials(request, caller)
            case ["ocpi", ocpi.VERSION, "sender" | "receiver" as role, module, *path]:
                if caller != "hub":
                    raise OCPIError(2000, "This token opens versions and credentials only", 401)
                return self.functional(request, role, module, path)
        raise nothing_here()

    def credentials(self, request: Request, caller: str) -> Answer:
        refuse_method(request, "GET", "POST", "PUT", "DELETE")
        registration = self.platform.registration
        registered = caller == "hub" and registration.registered
        if request.method == "GET":
            tokens = ocpi.presented_tokens(request.headers.get("Authorization"))
            return Answer(body=ocpi.envelope(registration.credentials(tokens[0])))
        if registered == (request.method == "POST"):
            raise OCPIError(2000, "Already registered" if registered else "Not registered yet", 405, "GET")
        if request.method == "DELETE":
            registration.forget()
            return Answer(body=ocpi.envelope())
        return Answer(body=ocpi.envelope(registration.accept(read_object(request))))

    def functional(self, request: Request, role: str, module: str, path: list[str]) -> Answer:
        call = Call(ocpi.routed(request.headers, "to"), ocpi.routed(request.headers, "from"))
        parties = self.platform.settings.parties
        if call.to and call.to not in parties:
            raise OCPIError(2001, f"OCPI-to names {call.to}, which is not a party of this platform")
        interface = self.offered.get((role, module))
        if interface is None:
            raise nothing_here()
        answer = interface.answer(request, path, call)
        answer.headers.update(ocpi.routing(call.sender, call.to or parties[0]))
        return answer


def senders(offer: tuple[str, str]) -> bool:
    """Sender interfaces come first in the details."""
    return offer[0] != "sender"

"""Results that follow a direct answer: a moment later, to the response_url that came with the request."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulator import ocpi
from simulator.hub import Unreachable
from simulator.interfaces import Call
from simulator.server import Answer, Request

if TYPE_CHECKING:
    from simulator.cpo import CPO

TIMEOUT = 30  # seconds that we promise to need at most
MOMENT = 0.2  # seconds that it really takes
TRIES = 4
NEVER, ENVELOPED = "never", "enveloped"  # what a fault may make of a result
Act = Callable[[], dict[str, Any]]


def direct(result: str, code: int = 1000, message: str | None = None) -> Answer:
    """The direct answer to a command, or to a request about charging profiles."""
    return Answer(body=ocpi.envelope({"result": result, "timeout": TIMEOUT}, code=code, message=message))


class Results:
    def __init__(self, platform: "CPO") -> None:
        self.platform = platform
        self.sent = self.failed = 0

    def follow(self, request: Request, url: str, call: Call, act: Act) -> None:
        """Do it in a moment, and send what came of it; unless a fault wants that late, wrapped, or not at all."""
        wanted = request.fault.result if request.fault else None
        pause = float(wanted) if isinstance(wanted, int | float) else MOMENT

        def run() -> None:
            result = act()
            if wanted != NEVER:
                self.post(url, call, ocpi.envelope(result) if wanted == ENVELOPED else ocpi.encode(result))

        self.platform.schedule.after(pause, run)

    def post(self, url: str, call: Call, body: bytes, tries: int = TRIES) -> None:
        """To exactly this URL, whoever made it, from the party that was addressed to the one that asked."""
        registration = self.platform.registration
        sender = call.to or self.platform.settings.parties[0]
        routing = ocpi.routing(call.sender or registration.hub_party, sender)
        try:
            reply = self.platform.client.call("POST", url, registration.token, routing, body)
        except Unreachable as error:
            problem, again = str(error), True
        else:
            if reply.success:
                self.sent += 1
                return
            problem, again = f"HTTP {reply.status}, {reply.code} {reply.message}", reply.temporary
        self.platform.tell(f"Result to {url}: {problem}")
        if again and tries > 1:
            self.platform.schedule.after(1, lambda: self.post(url, call, body, tries - 1))
        else:
            self.failed += 1

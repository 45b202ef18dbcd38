"""Commands: to operators, and their results back to providers (mod_commands.asciidoc)."""

from rest_framework.request import Request
from rest_framework.response import Response

from commands import destination, tracing
from ocpi_hub.exchange.exceptions import NotFound
from ocpi_hub.exchange.interfaces.asking import AskingView, ResultsView
from ocpi_hub.exchange.interfaces.views import NO_METHODS
from ocpi_hub.exchange.models import Callback
from ocpi_hub.exchange.objects import store
from ocpi_hub.exchange.relays import callbacks
from ocpi_hub.exchange.relays.callbacks import Arrived
from ocpi_hub.protocol import commands as chapter
from ocpi_hub.protocol.codec import check, parse


class CommandsReceiver(AskingView):
    module = "commands"
    http_method_names = ["post", *NO_METHODS]
    reply = chapter.CommandResponse
    asking_roles = ("EMSP", "NSP", "OTHER")

    def post(self, request: Request, **kwargs: object) -> Response:
        name, body = self.command(), request.body
        wire = check(store.as_object(parse(body)), chapter.COMMANDS[name])
        self.must_be_a_provider()
        self.must_name_an_operator()
        destination.must_own_the_token(wire, self.route.sender)
        operator = destination.operator_for(wire, self.route)
        self.send_to(operator)
        destination.must_name_a_connector(wire, operator, self.route.sender)
        callback = tracing.begin(name, wire, self.route, self.platform, body, self.ids)
        question = self.question(body=callbacks.readdressed(body, callbacks.address(callback)))
        return self.ask_for_result(callback, question)

    def command(self) -> str:
        segments = self.segments()
        if len(segments) != 1 or segments[0] not in chapter.COMMANDS:
            names = ", ".join(chapter.COMMANDS)
            raise NotFound(f"a command is a POST to the endpoint, a slash and one of {names}")
        return segments[0]

    def noted(self, callback: Callback) -> None:
        tracing.settle_now(callback.pk)


class CommandsSender(ResultsView):
    module = "commands"
    http_method_names = ["post", *NO_METHODS]
    results = dict.fromkeys(chapter.COMMANDS, chapter.CommandResult)

    def arrived(self, arrived: Arrived) -> None:
        tracing.settle_now(arrived.callback.pk)

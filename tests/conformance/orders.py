"""Commands as the tests send them, and what operators and providers get of them."""

from tests import examples
from tests.conformance.calls import to
from tests.partners import enveloped

BODIES = {
    "CANCEL_RESERVATION": examples.cancel_reservation,
    "RESERVE_NOW": examples.reserve_now,
    "START_SESSION": examples.start_session,
    "STOP_SESSION": examples.stop_session,
    "UNLOCK_CONNECTOR": examples.unlock_connector,
}
START, STOP = "receiver/commands/START_SESSION", "receiver/commands/STOP_SESSION"
TO_CPO = to("NL*ABC")


def answering(data=None, **options):
    """The operator's direct answer to commands."""
    data = examples.command_response() if data is None else data
    return lambda request: enveloped(data, **options) if "/receiver/commands" in request.url.path else None


def asked(cpo):
    """The commands that an operator got."""
    return [call for call in cpo.calls if call.path.startswith("/receiver/commands")]


def address(cpo):
    """The response_url of the last command, as a path of the hub."""
    return "/ocpi" + asked(cpo)[-1].body["response_url"].partition("/ocpi")[2]


def heard(emsp):
    """The results that a provider got, in their order."""
    return [call for call in emsp.calls if call.path.startswith("/ocpi/results")]


def post_command(emsp, command, **changes):
    return emsp.post(f"receiver/commands/{command}", BODIES[command](**changes), **TO_CPO)

"""HUB-09 and P39: parties behind another hub, which is registered here as a platform in the role HUB."""

import json

import pytest
from django.utils import timezone

from credentials import handshake
from hubclientinfo import listing
from locations.models import Location
from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.partners.models import Agreement, Platform
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.partners import Partner, enveloped, register

pytestmark = pytest.mark.django_db

IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}
LOC1 = "receiver/locations/NL/ABC/LOC1"


def tell(hub: Partner, *told: str) -> None:
    """What a hub says of its clients, each as in SE-CLI-CPO or SE-CLI-CPO-OFFLINE."""
    for text in told:
        country_code, party_id, role, *status = text.split("-")
        entry = {
            "country_code": country_code,
            "party_id": party_id,
            "role": role,
            "status": status[0] if status else "CONNECTED",
            "last_updated": f"{timezone.now():%Y-%m-%dT%H:%M:%S.%f}"[:23] + "Z",
        }
        assert hub.put(f"receiver/hubclientinfo/{country_code}/{party_id}", entry).status_code == 1000
    listing.keep_true()


@pytest.fixture
def hub(db, network):
    """Another hub, with the operator SE*CLI and the provider SE*PRO behind it."""
    hub = register(network, "Peer", "SE-HB2-HUB")
    tell(hub, "SE-CLI-CPO", "SE-PRO-EMSP")
    return hub


@pytest.fixture
def third(db, network):
    """A third hub, with the provider FI*PRO behind it."""
    third = register(network, "Third", "FI-HB3-HUB")
    tell(third, "FI-PRO-EMSP")
    return third


def of(hub, party):
    """The other hub, sending for a party behind it."""
    hub.party = party
    return hub


def legs(headers):
    """FROM and TO of a message."""
    return tuple(
        f"{headers[f'OCPI-{end}-country-code']}*{headers[f'OCPI-{end}-party-id']}" for end in ("from", "to")
    )


def routed(partner):
    return [call for call in partner.calls if "hubclientinfo" not in call.path]


def of_pro(**changes):
    """A cdr_token of the provider behind the other hub."""
    return {**examples.session()["cdr_token"], "country_code": "SE", "party_id": "PRO", **changes}


# --------------------------------------------------------------------------------------------- both directions
@pytest.mark.row("HUB-09", "HUB-06", "HUB-07", "UID-03", "UID-05")
def test_a_request_to_a_party_behind_a_hub_goes_there_with_from_and_to_as_they_are(hub, cpo):
    answered = cpo.put(LOC1, examples.location(), **to("SE*PRO"), **IDS)

    [call] = routed(hub)
    assert (call.method, call.path) == ("PUT", "/receiver/locations/NL/ABC/LOC1")
    assert call.body == examples.location()
    assert legs(call.headers) == ("NL*ABC", "SE*PRO")
    assert call.headers["X-Correlation-ID"] == "correlation-1"
    assert call.headers["X-Request-ID"] != "request-1"
    assert answered.codes == (200, 1000)
    assert legs(answered.headers) == ("SE*PRO", "NL*ABC")
    assert Location.objects.get().audience == "SE*PRO"


@pytest.mark.row("HUB-09", "HUB-06", "HUB-07", "HUB-11")
def test_a_request_from_a_party_behind_a_hub_arrives_with_from_and_to_as_they_are(hub, emsp):
    location = examples.location(country_code="SE", party_id="CLI")

    answered = of(hub, "SE*CLI").put("receiver/locations/SE/CLI/LOC1", location, **to("DE*MSP"), **IDS)

    [call] = routed(emsp)
    assert (call.path, call.body) == ("/receiver/locations/SE/CLI/LOC1", location)
    assert legs(call.headers) == ("SE*CLI", "DE*MSP")
    assert call.headers["X-Correlation-ID"] == "correlation-1"
    assert answered.codes == (200, 1000)
    assert legs(answered.headers) == ("DE*MSP", "SE*CLI")


@pytest.mark.row("HUB-09", "HUB-16", "HUB-19")
def test_a_hub_may_send_in_its_own_name_what_a_party_behind_it_owns(hub, emsp):
    location = examples.location(country_code="SE", party_id="CLI")

    answered = hub.put("receiver/locations/SE/CLI/LOC1", location, **to("DE*MSP"))

    [call] = routed(emsp)
    assert (call.path, legs(call.headers)) == ("/receiver/locations/SE/CLI/LOC1", ("SE*HB2", "DE*MSP"))
    assert answered.codes == (200, 1000)
    assert str(Location.objects.get()) == "SE/CLI/LOC1"


@pytest.mark.row("HUB-11", "MET-07")
@pytest.mark.parametrize(
    ("party", "owner"), [("SE*HB2", "NL*ABC"), ("SE*HB2", "SE*PRO"), ("SE*CLI", "SE*TWO")]
)
def test_but_nothing_of_others_nor_in_the_name_of_another_party(hub, cpo, emsp, party, owner):
    tell(hub, "SE-TWO-CPO")
    country_code, party_id = owner.split("*")
    location = examples.location(country_code=country_code, party_id=party_id)

    with nothing_changes():
        answered = of(hub, party).put(
            f"receiver/locations/{country_code}/{party_id}/LOC1", location, **to("DE*MSP")
        )

    assert answered.codes == (404, 2001)
    assert routed(emsp) == []


@pytest.mark.row("HUB-29")
def test_nor_to_whom_the_owner_has_no_agreement_with(hub, emsp):
    Agreement.objects.create(first="DE*MSP", second="SE*CLI", allowed=False)
    location = examples.location(country_code="SE", party_id="CLI")

    with nothing_changes():
        answered = hub.put("receiver/locations/SE/CLI/LOC1", location, **to("DE*MSP"))

    assert answered.codes == (200, 4001)
    assert routed(emsp) == []


@pytest.mark.row("HUB-09", "HUB-37", "HUB-36")
def test_the_list_of_a_party_behind_a_hub_is_read_page_by_page_through_both(hub, emsp):
    hub.page_size = 2
    hub.lists["locations"] = [
        examples.location(country_code="SE", party_id="CLI", id=f"LOC{number}") for number in range(5)
    ]

    found, path = [], "sender/locations?limit=2"
    while path:
        answered = emsp.get(path, **to("SE*CLI"))
        found += answered.data
        path = answered.next_path

    assert found == hub.lists["locations"]
    assert [legs(call.headers) for call in routed(hub)] == [("DE*MSP", "SE*CLI")] * 3


@pytest.mark.row("HUB-09")
def test_a_link_of_a_hub_that_leads_through_itself_leads_through_both(hub, emsp):
    first = f"https://{hub.host}/sender/locations?limit=1&via=their-mark"
    hub.answers.append(
        lambda request: (
            enveloped([], Link=f'<{first}>; rel="next"') if "via" not in str(request.url) else None
        )
    )

    answered = emsp.get("sender/locations?limit=1", **to("SE*CLI"))
    emsp.get(answered.next_path, **to("SE*CLI"))

    assert routed(hub)[-1].url == first


@pytest.mark.row("HUB-09", "TOK-11")
def test_a_token_of_a_provider_behind_a_hub_is_authorized_by_that_provider(hub, cpo):
    token = examples.token(country_code="SE", party_id="PRO")
    info = examples.authorization_info(token=token)
    hub.answers.append(lambda request: enveloped(info) if request.url.path.endswith("/authorize") else None)

    answered = cpo.post(f"sender/tokens/{token['uid']}/authorize", **to("SE*PRO"))

    assert (answered.codes, answered.data["allowed"]) == ((200, 1000), info["allowed"])
    assert legs(routed(hub)[-1].headers) == ("NL*ABC", "SE*PRO")


# -------------------------------------------------------------------------------- commands and their results
@pytest.mark.row("HUB-09", "CMD-10")
def test_a_command_to_an_operator_behind_a_hub_has_its_result_back_through_both(hub, emsp, deliver):
    hub.answers.append(
        lambda request: enveloped(examples.command_response()) if "/commands/" in request.url.path else None
    )
    asked = emsp.post(
        "receiver/commands/STOP_SESSION",
        examples.stop_session(response_url="https://msp.example/results/7"),
        **to("SE*CLI"),
    )
    [call] = routed(hub)
    ours = call.body["response_url"].partition("/ocpi/2.2.1/")[2]

    assert emsp.post(ours, examples.command_result()).codes == (404, 2001)
    assert of(hub, "SE*CLI").post(ours, examples.command_result()).codes == (200, 1000)
    deliver()

    assert asked.codes == (200, 1000)
    assert legs(call.headers) == ("DE*MSP", "SE*CLI")
    [result] = [call for call in emsp.calls if call.path == "/results/7"]
    assert (result.body, legs(result.headers)) == (examples.command_result(), ("SE*CLI", "DE*MSP"))


@pytest.mark.row("HUB-09", "CMD-10")
def test_the_result_of_a_command_from_behind_a_hub_goes_back_there(hub, cpo, deliver):
    cpo.answers.append(
        lambda request: enveloped(examples.command_response()) if "/commands/" in request.url.path else None
    )
    theirs = f"https://{hub.host}/ocpi/2.2.1/sender/commands/STOP_SESSION/their-secret"
    of(hub, "SE*PRO").post(
        "receiver/commands/STOP_SESSION", examples.stop_session(response_url=theirs), **to("NL*ABC")
    )

    ours = routed(cpo)[-1].body["response_url"].partition("/ocpi/2.2.1/")[2]
    cpo.post(ours, examples.command_result())
    deliver()

    result = routed(hub)[-1]
    assert (result.url, result.body) == (theirs, examples.command_result())
    assert legs(result.headers) == ("NL*ABC", "SE*PRO")


# ------------------------------------------------------------------------------ what is for one party alone
@pytest.mark.row("HUB-09", "HUB-18", "HUB-22")
def test_a_session_and_a_cdr_go_to_the_hub_that_the_owner_of_the_token_is_behind(hub, cpo, emsp, deliver):
    session, cdr = examples.session(cdr_token=of_pro()), examples.cdr(cdr_token=of_pro())

    assert cpo.put(f"receiver/sessions/NL/ABC/{session['id']}", session).codes == (201, 1000)
    assert cpo.post("receiver/cdrs", cdr).status_code == 1000
    deliver()

    sent = {(call.method, call.path): call for call in routed(hub)}
    assert set(sent) == {("PUT", f"/receiver/sessions/NL/ABC/{session['id']}"), ("POST", "/receiver/cdrs")}
    assert {legs(call.headers) for call in sent.values()} == {("NL*ABC", "SE*PRO")}
    assert routed(emsp) == []


@pytest.mark.row("HUB-09", "HUB-22")
def test_a_session_from_behind_a_hub_goes_to_the_owner_of_its_token_here(hub, emsp, deliver):
    session = examples.session(country_code="SE", party_id="CLI")

    answered = of(hub, "SE*CLI").put(f"receiver/sessions/SE/CLI/{session['id']}", session)
    deliver()

    assert answered.codes == (201, 1000)
    assert [legs(call.headers) for call in routed(emsp)] == [("SE*CLI", "DE*MSP")]
    assert routed(hub) == []


@pytest.mark.row("HUB-34", "HUB-31")
def test_a_hub_that_cannot_reach_its_client_is_well_and_is_sent_all_else(hub, cpo, deliver):
    hub.answers.append(
        lambda request: enveloped(status_code=4003) if "/sessions/" in request.url.path else None
    )
    for number in range(8):
        session = examples.session(id=f"SESSION{number}", cdr_token=of_pro())
        cpo.put(f"receiver/sessions/NL/ABC/SESSION{number}", session)
    deliver()

    assert Lane.objects.get(platform=hub.platform).failures == 0
    assert Delivery.objects.filter(module="sessions", state="PENDING", tries=1).count() == 8
    assert Platform.objects.get(pk=hub.platform.pk).missed_probes == 0


# ------------------------------------------------------------------------------------------- who is not there
@pytest.mark.row("HUB-31")
@pytest.mark.parametrize("status", ["PLANNED", "OFFLINE", "SUSPENDED"])
def test_a_party_that_its_hub_tells_as_not_connected_is_4003(hub, cpo, status):
    tell(hub, f"SE-PRO-EMSP-{status}")

    answered = cpo.get("sender/tokens/0123", **to("SE*PRO"))

    assert answered.codes == (200, 4003)
    assert answered.message == f"SE*PRO is {status} at the hub that it is behind"
    assert routed(hub) == []


@pytest.mark.row("HUB-31")
def test_a_party_whose_hub_is_away_or_has_left_is_4003_and_comes_back_with_it(hub, cpo):
    codes = []
    for status in ("OFFLINE", "SUSPENDED", "CONNECTED"):
        Platform.objects.filter(pk=hub.platform.pk).update(status=status)
        codes.append(cpo.get("sender/tokens/0123", **to("SE*PRO")).codes)
    handshake.leave(hub.platform)
    codes.append(cpo.get("sender/tokens/0123", **to("SE*PRO")).codes)

    assert codes == [(200, 4003), (200, 4003), (200, 1000), (200, 4003)]


@pytest.mark.row("HUB-29")
def test_a_party_that_no_hub_has_told_of_or_that_has_no_agreement_is_4001(hub, cpo):
    Agreement.objects.create(first="NL*ABC", second="SE*PRO", allowed=False)

    assert cpo.get("sender/tokens/0123", **to("SE*NEW")).codes == (200, 4001)
    assert cpo.get("sender/tokens/0123", **to("SE*PRO")).codes == (200, 4001)
    assert routed(hub) == []


@pytest.mark.row("HUB-11")
@pytest.mark.parametrize("party", ["SE*NEW", "NL*ABC", "FI*PRO"])
def test_a_hub_speaks_for_no_party_that_it_has_not_told_of_or_that_is_elsewhere(hub, third, cpo, emsp, party):
    with nothing_changes():
        answered = of(hub, party).get("sender/tokens/0123", **to("DE*MSP"))

    assert answered.codes == (200, 2001)
    assert answered.message == f"OCPI-from names {party}, which is no party of your platform"
    assert routed(emsp) == []


@pytest.mark.row("HUB-10")
def test_a_hub_that_names_nobody_speaks_for_itself(hub):
    of(hub, "")

    answered = hub.get("sender/locations")

    assert answered.codes == (200, 1000)
    assert legs(answered.headers) == ("NL*HUB", "SE*HB2")


# -------------------------------------------------------------------------------------------------- no loops
@pytest.mark.row("HUB-32")
@pytest.mark.parametrize("target", ["SE*PRO", "FI*PRO"], ids=["back to where it came from", "on to a third"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "sender/tokens", None),
        ("PUT", "receiver/locations/SE/CLI/LOC1", examples.location(country_code="SE", party_id="CLI")),
        ("POST", "sender/tokens/0123/authorize", None),
        ("POST", "receiver/cdrs", examples.cdr(country_code="SE", party_id="CLI")),
    ],
)
def test_what_comes_from_a_hub_goes_to_no_party_behind_a_hub(hub, third, method, path, body, target):
    with nothing_changes():
        answered = of(hub, "SE*CLI").request(method, path, body, **to(target))

    assert answered.codes == (200, 4000)
    assert answered.message.startswith(f"{target} is behind another hub")
    assert routed(hub) == routed(third) == []


@pytest.mark.row("HUB-32", "HUB-18")
@pytest.mark.parametrize("target", ["SE", "FI"])
def test_nor_does_a_session_of_a_token_of_such_a_party(hub, third, deliver, target):
    token = {**of_pro(), "country_code": target}
    session = examples.session(country_code="SE", party_id="CLI", cdr_token=token)

    with nothing_changes():
        answered = of(hub, "SE*CLI").put(f"receiver/sessions/SE/CLI/{session['id']}", session)
    deliver()

    assert answered.codes == (200, 4000)
    assert routed(hub) == routed(third) == []


@pytest.mark.row("HUB-32")
def test_two_hubs_that_each_have_a_party_behind_the_other_refuse_it_at_the_first_turn(hub, cpo):
    """Ours asks the other one, which is as this one is: it says 4000, and so does this one."""
    answered = of(hub, "SE*CLI").get("sender/tokens/0123", **to("SE*PRO"))
    hub.answers.append(lambda request: enveloped(status_code=answered.status_code))

    assert cpo.get("sender/tokens/0123", **to("SE*PRO")).codes == (200, 4000)
    assert len(routed(hub)) == 1


@pytest.mark.row("HUB-12", "HUB-13")
@pytest.mark.parametrize("addressed_to", ["the hub", "nobody"])
def test_what_another_hub_sends_to_everybody_is_refused_and_goes_to_nobody(hub, emsp, deliver, addressed_to):
    named = to("NL*HUB") if addressed_to == "the hub" else {}
    location = examples.location(country_code="SE", party_id="CLI")

    with nothing_changes():
        answered = of(hub, "SE*CLI").put("receiver/locations/SE/CLI/LOC1", location, **named)
    deliver()

    assert answered.codes == (200, 4000)
    assert answered.message == "what a hub sends to everybody goes no further here; name a party in OCPI-to"
    assert routed(emsp) == []


@pytest.mark.row("HUB-13")
def test_what_is_for_everybody_goes_to_our_own_clients_and_to_no_hub(hub, cpo, emsp, deliver):
    cpo.put(LOC1, examples.location())
    deliver()

    assert [json.dumps(call.body) for call in routed(emsp)] == [json.dumps(examples.location())]
    assert routed(hub) == []

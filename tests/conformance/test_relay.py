"""HUB, UID, RSP and PAG rows of direct requests: OCPI-to names another party, and the hub takes them there.

What is kept of pushes is in tests/exchange/relays/test_copies.py.
"""

import json

import httpx
import pytest
from django.utils import timezone

from ocpi_hub.partners.models import Endpoint, Platform, Status
from tests import examples
from tests.conformance.calls import nothing_changes, to
from tests.partners import enveloped, register

pytestmark = pytest.mark.django_db

LOC1 = "receiver/locations/NL/ABC/LOC1"
LATER = "2026-03-02T08:00:00Z"
MSP, ABC = to("DE*MSP"), to("NL*ABC")
IDS = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}


def legs(headers):
    """FROM and TO of a message."""
    return tuple(
        f"{headers[f'OCPI-{end}-country-code']}*{headers[f'OCPI-{end}-party-id']}" for end in ("from", "to")
    )


def fail(error):
    def answer(request):
        raise error("it broke", request=request)

    return answer


def move(partner, module, role, url):
    Endpoint.objects.filter(platform=partner.platform, module=module, role=role).update(url=url)


REQUESTS = {
    "PUT": lambda cpo, **headers: cpo.put(LOC1, examples.location(), **headers),
    "PATCH": lambda cpo, **headers: cpo.patch(LOC1, {"name": "x", "last_updated": LATER}, **headers),
    "GET at its Receiver": lambda cpo, **headers: cpo.get(LOC1, **headers),
    "GET at its Sender": lambda cpo, **headers: cpo.get("sender/tokens/04A1B2C3D4", **headers),
    "GET of its list": lambda cpo, **headers: cpo.get("sender/tokens", **headers),
    "POST": lambda cpo, **headers: cpo.post("receiver/cdrs", examples.cdr(), **headers),
    "DELETE": lambda cpo, **headers: cpo.delete("receiver/tariffs/NL/ABC/TARIFF1", **headers),
}
every_request = pytest.mark.parametrize("ask", REQUESTS.values(), ids=REQUESTS)


# -------------------------------------------------------------------------------------------- the two legs
@every_request
@pytest.mark.row("HUB-01", "HUB-06")
def test_a_request_for_a_party_arrives_there_with_the_same_from_and_to(cpo, emsp, stranger, ask):
    ask(cpo, **MSP)

    assert [legs(call.headers) for call in emsp.calls] == [("NL*ABC", "DE*MSP")]
    assert stranger.calls == []


@every_request
@pytest.mark.row("HUB-01", "HUB-07")
def test_its_answer_is_from_the_receiver_to_whoever_asked(cpo, emsp, ask):
    answered = ask(cpo, **MSP)

    assert answered.status_code == 1000
    assert legs(answered.headers) == ("DE*MSP", "NL*ABC")


@pytest.mark.row("HUB-04", "HUB-06", "HUB-07")
def test_party_ids_keep_the_spelling_of_whoever_asked(cpo, emsp):
    answered = cpo.put(LOC1, examples.location(), **to("de*msp"))

    assert legs(emsp.calls[0].headers) == ("NL*ABC", "de*msp")
    assert legs(answered.headers) == ("de*msp", "NL*ABC")


@every_request
@pytest.mark.row("UID-03", "UID-04", "UID-05")
def test_a_new_request_id_the_same_correlation_and_the_callers_own_ids_in_the_answer(cpo, emsp, ask):
    emsp.answers.append(lambda request: enveloped(**{"X-Request-ID": request.headers["X-Request-ID"]}))

    answered = ask(cpo, **MSP, **IDS)

    [call] = emsp.calls
    assert call.headers["X-Correlation-ID"] == "correlation-1"
    assert call.headers["X-Request-ID"] not in ("request-1", "correlation-1", "")
    assert {name: answered.headers[name] for name in IDS} == IDS


@every_request
def test_the_receiver_sees_the_hubs_token_for_it_and_none_of_the_callers(cpo, emsp, ask):
    ask(cpo, **MSP)

    assert emsp.calls[0].headers["Authorization"] == "Token dG9rZW4tb2YtbXNw"  # token-of-msp


# ------------------------------------------------------------------------------------------------ addresses
@every_request
@pytest.mark.row("HUB-35")
def test_the_endpoint_is_that_of_the_module_and_interface(cpo, emsp, ask):
    for endpoint in Endpoint.objects.filter(platform=emsp.platform):
        move(
            emsp, endpoint.module, endpoint.role, f"https://msp.example/{endpoint.role}-of-{endpoint.module}"
        )

    answered = ask(cpo, **MSP)

    asked = answered.response.request["PATH_INFO"].split("/")
    role, module, *rest = asked[3:]
    assert emsp.calls[0].path == "/".join([f"/{role.upper()}-of-{module}", *rest])


@pytest.mark.row("HUB-36")
@pytest.mark.parametrize(
    "suffix",
    [
        "/04A1B2C3D4?type=APP_USER",
        "/A%2FB%20C%23%3F%25?type=APP_USER",
        "/%2E%2E/%2E",
        "/x?a=%2F&b=1+2&b=%20&empty=&flag",
        "?date_from=2026-01-01T00:00:00+00:00&x_own=%20%C3%A4",
        "?limit=5&offset=10",
    ],
)
@pytest.mark.parametrize(
    ("endpoint", "path", "query"),
    [
        ("https://msp.example/sender/tokens", "/sender/tokens", ""),
        ("https://msp.example/sender/tokens/", "/sender/tokens/", ""),
        ("https://msp.example/index.php?m=tokens&r=S", "/index.php", "m=tokens&r=S"),
    ],
)
def test_path_and_query_arrive_as_they_were_sent(cpo, emsp, suffix, endpoint, path, query):
    move(emsp, "tokens", "SENDER", endpoint)

    cpo.get(f"sender/tokens{suffix}", **MSP)

    below, _, asked = suffix.partition("?")
    wanted = (path.rstrip("/") if below else path) + below
    assert emsp.calls[0].path == "?".join(filter(None, [wanted, "&".join(filter(None, [query, asked]))]))


@pytest.mark.row("HUB-36")
def test_a_pushed_object_arrives_byte_by_byte(cpo, emsp):
    bodies = []
    emsp.answers.append(lambda request: bodies.append(request.content))
    body = json.dumps(examples.location(x_own={"a": 1.50}), indent=3).encode()

    cpo.put(LOC1, body, **MSP)

    assert bodies == [body]
    assert emsp.calls[0].headers["Content-Type"] == "application/json"


# -------------------------------------------------------------------------------------------------- answers
@pytest.mark.row("HUB-08", "RSP-13")
@pytest.mark.parametrize(
    ("http_status", "status_code", "data"),
    [
        (200, 1000, {"id": "1", "x_own": [1, {"a": None}]}),
        (200, 1000, []),
        (201, 1000, None),
        (202, 1001, "text"),
        (200, 2001, None),
        (200, 2003, {"why": "unknown"}),
        (400, 2000, None),
        (404, 2003, None),
        (404, 2004, {"a": 1}),
        (200, 3000, None),
        (200, 3999, None),
        (200, 1999, None),
    ],
)
@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "POST"])  # a CDR is the hub's as well
def test_code_data_and_http_status_of_the_receiver_reach_whoever_asked(
    cpo, emsp, name, http_status, status_code, data
):
    given = {"status_code": status_code, "status_message": "in its words", "timestamp": LATER}
    given |= {} if data is None else {"data": data}
    emsp.answers.append(lambda request: httpx.Response(http_status, json=given))

    answered = REQUESTS[name](cpo, **MSP)

    assert answered.codes == (http_status, status_code)
    assert (answered.message, answered.data) == ("in its words", data)
    assert legs(answered.headers) == ("DE*MSP", "NL*ABC")


def test_numbers_in_an_answer_keep_their_digits(cpo, emsp):
    body = b'{"data":{"kwh":1.500,"big":12345678901234567890.10},"status_code":1000,"timestamp":"x"}'
    emsp.answers.append(lambda request: httpx.Response(200, content=body))

    answered = cpo.get("sender/tokens/1", **MSP)

    assert b'{"kwh":1.500,"big":12345678901234567890.10}' in answered.body


ENVELOPE = b'{"status_code":1000,"timestamp":"2026-03-01T12:00:00Z","data":'


def refused(http_status, status_code=2000, **more):
    return lambda request: enveloped(status_code=status_code, http_status=http_status, **more)


def said(content, http_status=200, **headers):
    """A body as it stands, compressed or not."""
    stream = httpx.ByteStream(content.encode() if isinstance(content, str) else content)
    return lambda request: httpx.Response(http_status, stream=stream, headers=headers)


BROKEN = {
    "403": refused(403),
    "405": refused(405),
    "409": refused(409, 2001),
    "422": said('{"detail":[]}', 422),
    "429": said("slow down", 429),
    "500": refused(500, 3000),
    "502": said("<html>", 502),
    "a redirect without an end": refused(302, Location="https://msp.example/again"),
    "no content": said("", 204),
    "an empty body": said(""),
    "no JSON": said("OK"),
    "404 without an envelope": said("<h1>Not Found", 404),
    "400 without an envelope": said('{"detail":"bad"}', 400),
    "JSON that is no envelope": said("[{}]"),
    "a code in quotes": said('{"status_code":"1000"}'),
    "a code that OCPI does not have": said('{"status_code":200}'),
    "a negative code": said('{"status_code":-1000}'),
    "a cut body": said(ENVELOPE + b"[1"),
    "invalid UTF-8 in its data": said(ENVELOPE + b'"\xff"}'),
    "invalid UTF-8 in its message": said(b'{"status_message":"\xff","status_code":1000}'),
    "too much of it": said(ENVELOPE + b'"' + b"x" * 20_000_001 + b'"}'),
    "an encoding that nobody asked for": said(ENVELOPE + b"1}", **{"Content-Encoding": "br"}),
    "damaged compression": said(ENVELOPE + b"1}", **{"Content-Encoding": "gzip"}),
}


@pytest.mark.row("HUB-32", "HUB-08")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("name", ["PUT", "GET of its list"])
def test_any_other_answer_is_4000_from_the_hub_and_never_an_http_error(cpo, emsp, broken, name):
    emsp.answers.append(broken)

    with nothing_changes(besides=(Platform,)):  # it is to be asked whether it is there
        answered = REQUESTS[name](cpo, **MSP)

    assert answered.codes == (200, 4000)
    assert answered.message.startswith("DE*MSP answered ")
    assert answered.data is None
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")


def test_of_an_answer_in_another_encoding_it_is_said_so(cpo, emsp):
    emsp.answers.append(BROKEN["invalid UTF-8 in its data"])

    answered = cpo.get("sender/tokens", **MSP)

    assert answered.codes == (200, 4000)
    assert answered.message == "DE*MSP answered what is not UTF-8; its operator has to mend that"


@pytest.mark.parametrize("broken", [*BROKEN.values(), refused(401)], ids=[*BROKEN, "401"])
def test_the_operator_of_the_hub_is_told_whose_answer_was_none_and_reads_no_token(cpo, emsp, broken, caplog):
    emsp.answers.append(broken)

    cpo.put(LOC1, examples.location(), **MSP)

    [told] = [record for record in caplog.records if record.name == "ocpi_hub.exchange.relays.relay"]
    assert (told.levelname, "DE*MSP" in told.getMessage()) == ("WARNING", True)
    assert "token-of-msp" not in caplog.text


@pytest.mark.row("HUB-32")
def test_an_answer_with_one_object_has_at_most_a_megabyte(cpo, emsp):
    emsp.answers.append(lambda request: enveloped("x" * 1_000_001))

    assert cpo.get(LOC1, **MSP).codes == (200, 4000)


@every_request
@pytest.mark.row("HUB-08", "HUB-31")
def test_a_receiver_that_does_not_know_the_hubs_token_is_not_connected(cpo, emsp, ask):
    emsp.answers.append(lambda request: enveloped(status_code=2000, http_status=401))

    answered = ask(cpo, **MSP)

    assert answered.codes == (200, 4003)
    assert answered.message == "DE*MSP does not know this hub's token; its operator has to mend that"


# ------------------------------------------------------------------------------------------- nobody answers
@every_request
@pytest.mark.row("HUB-29")
def test_an_unknown_receiver_is_4001(cpo, emsp, ask):
    with nothing_changes():
        answered = ask(cpo, **to("XX*XXX"))

    assert answered.codes == (200, 4001)
    assert answered.message == "OCPI-to names XX*XXX, and this hub knows no such party"
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")
    assert emsp.calls == []


@every_request
@pytest.mark.row("HUB-30")
@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout, httpx.ConnectTimeout, httpx.WriteTimeout, httpx.PoolTimeout]
)
def test_no_answer_in_time_is_4002_and_nothing_is_asked_twice(cpo, emsp, ask, error):
    emsp.answers.append(fail(error))

    answered = ask(cpo, **MSP)

    assert answered.codes == (200, 4002)
    assert answered.message == "DE*MSP did not answer in time, which its operator has to mend if it lasts"
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")
    assert len(emsp.calls) == 1


@pytest.mark.row("HUB-30")
def test_a_receiver_has_so_many_seconds_for_its_answer(cpo, emsp, settings):
    settings.HUB_TOTAL_TIMEOUT, settings.HUB_CONNECT_TIMEOUT = 7, 2.0
    given = []
    emsp.answers.append(lambda request: given.append(request.extensions["timeout"]))

    cpo.get("sender/tokens", **MSP)

    assert given == [{"connect": 2.0, "read": 7, "write": 7, "pool": 7}]


@pytest.mark.row("HUB-30")
def test_a_receiver_may_have_a_time_of_its_own(cpo, emsp):
    Platform.objects.filter(pk=emsp.platform.pk).update(connect_timeout=1, total_timeout=60)
    given = []
    emsp.answers.append(lambda request: given.append(request.extensions["timeout"]))

    cpo.get("sender/tokens", **MSP)

    assert given == [{"connect": 1.0, "read": 60.0, "write": 60.0, "pool": 60.0}]


@every_request
@pytest.mark.row("HUB-31")
def test_a_refused_connection_is_4003(cpo, emsp, ask):
    emsp.answers.append(fail(httpx.ConnectError))

    answered = ask(cpo, **MSP)

    assert answered.codes == (200, 4003)
    assert answered.message == "DE*MSP cannot be reached, which its operator has to mend"
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")


@every_request
@pytest.mark.row("HUB-32")
@pytest.mark.parametrize("error", [httpx.ReadError, httpx.RemoteProtocolError])
def test_a_connection_that_is_cut_is_4000(cpo, emsp, ask, error):
    emsp.answers.append(fail(error))

    answered = ask(cpo, **MSP)

    assert answered.codes == (200, 4000)
    assert answered.message == "DE*MSP answered what cannot be read, which its operator has to mend"


AWAY = {
    "offline": {"status": Status.OFFLINE, "offline_since": timezone.now()},
    "planned": {"status": Status.PLANNED},
    "suspended": {"status": Status.SUSPENDED},
    "unregistered": {"token_cipher": ""},
}


@every_request
@pytest.mark.row("HUB-31")
@pytest.mark.parametrize("state", AWAY)
def test_a_receiver_that_is_not_connected_is_4003_and_is_not_asked(cpo, emsp, ask, state):
    Platform.objects.filter(pk=emsp.platform.pk).update(**AWAY[state])

    answered = ask(cpo, **MSP)

    assert answered.codes == (200, 4003)
    assert answered.message == (
        "DE*MSP is offline: it does not answer this hub for now"
        if state == "offline"
        else "DE*MSP is not connected to this hub"
    )
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")
    assert emsp.calls == []


@pytest.mark.row("HUB-31")
def test_a_party_that_was_invited_and_has_not_come_yet_is_not_connected(cpo, emsp):
    emsp.platform.parties.create(country_code="DE", party_id="NEW", invited_roles=["EMSP"])

    assert cpo.get("sender/tokens", **to("DE*NEW")).codes == (200, 4003)
    assert emsp.calls == []


@every_request
@pytest.mark.row("HUB-32")
def test_a_receiver_without_the_interface_is_4000_and_the_answer_says_which(cpo, emsp, ask):
    emsp.platform.endpoints.all().delete()

    with nothing_changes():
        answered = ask(cpo, **MSP)

    _, _, _, role, module, *_ = answered.response.request["PATH_INFO"].split("/")
    assert answered.codes == (200, 4000)
    assert answered.message == f"DE*MSP is connected, but offers no {module} {role.upper()} interface"
    assert legs(answered.headers) == ("NL*HUB", "NL*ABC")


# ---------------------------------------------------------------------------------------------------- lists
@pytest.mark.row("HUB-37", "PAG-01", "PAG-08", "PAG-12")
def test_a_list_is_read_through_the_hub_to_its_end(cpo, emsp):
    emsp.lists["tokens"] = [examples.token(uid=f"T{number}") for number in range(7)]
    emsp.page_size = 3

    pages, path = [], "sender/tokens"
    while path:
        pages.append(cpo.get(path, **MSP))
        path = pages[-1].next_path

    assert [token["uid"] for page in pages for token in page.data] == [f"T{number}" for number in range(7)]
    assert [page.headers.get("X-Total-Count") for page in pages] == ["7"] * 3
    assert [page.headers.get("X-Limit") for page in pages] == ["3"] * 3
    assert [legs(page.headers) for page in pages] == [("DE*MSP", "NL*ABC")] * 3
    assert [legs(call.headers) for call in emsp.calls] == [("NL*ABC", "DE*MSP")] * 3
    assert pages[0].headers["Link"].startswith("<http://127.0.0.1:8000/ocpi/2.2.1/sender/tokens?")
    assert "Link" not in pages[-1].headers


@pytest.mark.row("HUB-37", "PAG-09")
def test_the_link_repeats_what_the_receiver_put_into_its_own(cpo, emsp):
    emsp.lists["tokens"] = [examples.token(uid=f"T{number}") for number in range(3)]

    first = cpo.get("sender/tokens?date_from=2026-01-01T00:00:00Z&limit=2", **MSP)
    cpo.get(first.next_path, **MSP)

    asked = [httpx.URL(call.url).params for call in emsp.calls]
    assert dict(asked[0]) == {"date_from": "2026-01-01T00:00:00Z", "limit": "2"}
    assert dict(asked[1]) == {"date_from": "2026-01-01T00:00:00Z", "limit": "2", "offset": "2"}


@pytest.mark.row("PAG-15")
def test_an_empty_list_of_a_receiver_is_a_success(cpo, emsp):
    emsp.lists["tokens"] = []

    answered = cpo.get("sender/tokens", **MSP)

    assert (answered.codes, answered.data, answered.next_path) == ((200, 1000), [], "")
    assert answered.headers["X-Total-Count"] == "0"


def test_a_page_of_a_list_may_be_large(cpo, emsp):
    emsp.lists["tokens"] = [examples.token(issuer="x" * 64, x_own="x" * 30_000) for _ in range(40)]

    assert len(cpo.get("sender/tokens", **MSP).data) == 40


def test_an_operator_may_be_asked_by_a_provider_as_well(cpo, emsp):
    cpo.lists["locations"] = [examples.location()]

    answered = emsp.get("sender/locations", **ABC)

    assert answered.data == [examples.location()]
    assert legs(answered.headers) == ("NL*ABC", "DE*MSP")


# ------------------------------------------------------------------------------- what no header opens
@pytest.mark.parametrize(("module", "made"), [("sessions", examples.session), ("cdrs", examples.cdr)])
def test_a_list_at_the_operator_shows_what_is_for_whoever_asks_and_nothing_else(
    cpo, emsp, network, module, made
):
    """Not every operator looks at OCPI-from before it answers the hub."""
    other = register(network, "OTH", "FR-OTH-EMSP")
    theirs = made(id="THEIRS")
    theirs["cdr_token"] |= {"country_code": "fr", "party_id": "oth"}
    cpo.lists[module] = [made(), theirs, {"id": "of nobody"}]

    mine, others, operators = (
        partner.get(f"sender/{module}", **to("NL*ABC"))
        for partner in (emsp, other, register(network, "CPX", "XX-CPX-CPO"))
    )

    assert (mine.codes, mine.data) == ((200, 1000), [made()])
    assert others.data == [theirs]
    assert operators.data == []
    assert "X-Total-Count" not in mine.headers


@pytest.mark.parametrize("path", ["sender/locations", "sender/locations/LOC1", "sender/tariffs"])
def test_what_is_for_providers_an_operator_does_not_get_from_another_one(cpo, network, path):
    rival = register(network, "CPX", "XX-CPX-CPO")

    with nothing_changes():
        answered = rival.get(path, **to("NL*ABC"))

    assert answered.codes == (200, 2001)
    assert answered.message.endswith("are for EMSP, NSP, OTHER, NAP, and XX*CPX is none")
    assert cpo.calls == []

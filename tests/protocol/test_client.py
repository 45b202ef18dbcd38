"""What the client decides; partners are functions behind httpx.MockTransport."""

import gzip
from collections.abc import Callable

import httpx
import pytest

from ocpi_hub.protocol.client import (
    Answer,
    AnswerTooLarge,
    BrokenAnswer,
    Call,
    CallFailed,
    CutOff,
    PlatformClient,
    TimedOut,
    Unreachable,
    join,
    same_origin,
)
from ocpi_hub.protocol.headers import MessageIDs, Routing
from ocpi_hub.protocol.types import PartyRef

IDS = MessageIDs("request-1", "correlation-1")
URL = "https://msp.example/ocpi/2.2.1/tokens"
SUCCESS = b'{"data":[],"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'

Partner = Callable[[httpx.Request], httpx.Response]


def client(partner: Partner, token: str = "secret.B", *, base64: bool = True) -> PlatformClient:
    return PlatformClient(token, base64=base64, transport=httpx.MockTransport(partner))


def answering(status: int = 200, content: bytes = SUCCESS, **headers: str) -> Partner:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: httpx.Response(status, content=content, headers=named)


def get(partner: Partner, url: str = URL, limit: int = 1_000_000) -> Answer:
    with client(partner) as platform:
        return platform.request("GET", url, ids=IDS, limit=limit)


def asked(method: str = "GET", routing: Routing | None = None, body: bytes | None = None) -> httpx.Request:
    """The request that a partner sees."""
    seen: list[httpx.Request] = []

    def partner(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=SUCCESS)

    with client(partner) as platform:
        platform.request(method, URL, ids=IDS, routing=routing, body=body)
    return seen[0]


@pytest.mark.row("TRN-01", "TRN-02", "TRN-03", "UID-01")
def test_every_request_names_caller_and_message() -> None:
    headers = asked().headers

    assert headers["Authorization"] == "Token c2VjcmV0LkI="
    assert headers["X-Request-ID"] == "request-1"
    assert headers["X-Correlation-ID"] == "correlation-1"
    assert "Content-Type" not in headers
    assert not [name for name in headers if name.startswith("ocpi-")]


@pytest.mark.row("TRN-10")
def test_a_body_is_sent_as_json_and_routing_as_headers() -> None:
    routing = Routing(to=PartyRef("DE", "MSP"), sender=PartyRef("NL", "ABC"))

    request = asked("PUT", routing, b'{"a":1E+2}')

    assert request.method == "PUT"
    assert request.content == b'{"a":1E+2}'
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["OCPI-to-party-id"] == "MSP"
    assert request.headers["OCPI-from-country-code"] == "NL"


@pytest.mark.row("TRN-07")
def test_a_raw_token_is_sent_raw() -> None:
    seen: list[str] = []

    def partner(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200)

    with client(partner, base64=False) as platform:
        platform.request("GET", "https://user:pass@msp.example/", ids=IDS)

    assert seen == ["Token secret.B"]


def test_an_answer_is_read() -> None:
    answer = get(answering(content=b'{"data":{"a":1.50},"status_code":1000}', X_Limit="5"))

    assert answer.ok
    assert (answer.http_status, answer.status_code, answer.status_message) == (200, 1000, None)
    assert answer.headers["x-limit"] == "5"
    assert answer.envelope is not None
    assert str(answer.envelope.data) == "{'a': Decimal('1.50')}"
    assert answer.duration >= 0


@pytest.mark.parametrize(
    ("status", "content", "ok", "status_code", "message"),
    [
        (201, b'{"status_code":1000}', True, 1000, None),
        (200, b'{"status_code":1999}', True, 1999, None),
        (200, b'{"status_code":2001,"status_message":"no"}', False, 2001, "no"),
        (404, b'{"status_code":2004,"status_message":5}', False, 2004, None),
        (404, b'{"status_code":1000}', False, 1000, None),
        (500, b"<html>", False, None, None),
        (200, b"", False, None, None),
        (200, b"[]", False, None, None),
        (200, b'{"status_code":"1000"}', False, None, None),
        (200, b'{"status_code":1000,"data":"\xff"}'[:-2], False, None, None),
    ],
)
def test_an_answer_is_ok_when_both_layers_say_so(
    status: int, content: bytes, ok: bool, status_code: int | None, message: str | None
) -> None:
    answer = get(answering(status, content))

    assert (answer.http_status, answer.ok) == (status, ok)
    assert (answer.status_code, answer.status_message) == (status_code, message)
    assert answer.body == content


def test_a_bad_object_does_not_spoil_its_list() -> None:
    answer = get(answering(content=b'{"data":[{"a": 1E+2}, {"b":"\\u0000"}],"status_code":1000}'))

    assert answer.ok
    assert answer.envelope is None
    assert answer.documents() == [b'{"a": 1E+2}', b'{"b":"\\u0000"}']


@pytest.mark.parametrize("content", [b'{"status_code":1000}', b'{"status_code":1000,"data":{}}', b"x"])
def test_an_answer_without_list_has_no_documents(content: bytes) -> None:
    with pytest.raises(BrokenAnswer, match="no list"):
        get(answering(content=content)).documents()


def test_a_compressed_answer_is_read() -> None:
    assert get(answering(content=gzip.compress(SUCCESS, mtime=0), Content_Encoding="gzip")).body == SUCCESS


@pytest.mark.parametrize(
    ("content", "encoding"),
    [(gzip.compress(SUCCESS, mtime=0)[:-9], "gzip"), (SUCCESS, "gzip"), (b"x", "br"), (b"x", "gzip, gzip")],
)
def test_a_badly_compressed_answer_is_broken(content: bytes, encoding: str) -> None:
    def partner(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(content), headers={"Content-Encoding": encoding})

    with pytest.raises(BrokenAnswer):
        get(partner)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_is_cut_off_at_its_limit_after_decompression(encoding: str) -> None:
    content = gzip.compress(b"x" * 11) if encoding == "gzip" else b"x" * 11
    partner = answering(content=content, Content_Encoding=encoding)

    assert get(partner, limit=11).body == b"x" * 11
    with pytest.raises(AnswerTooLarge) as failed:
        get(partner, limit=10)

    assert failed.value.permanent


@pytest.mark.parametrize(
    ("error", "failure", "permanent"),
    [
        (httpx.ConnectError("refused"), Unreachable, False),
        (httpx.ConnectTimeout(""), TimedOut, False),
        (httpx.ReadTimeout(""), TimedOut, False),
        (httpx.PoolTimeout(""), TimedOut, False),
        (httpx.ReadError("reset"), CutOff, False),
        (httpx.WriteError("reset"), CutOff, False),
        (httpx.RemoteProtocolError("cut"), CutOff, False),
        (httpx.DecodingError("no gzip"), BrokenAnswer, False),
        (httpx.LocalProtocolError("Illegal header b'Token secret.B'"), Unreachable, True),
        (httpx.UnsupportedProtocol("ftp"), Unreachable, True),
    ],
)
def test_each_failure_says_whether_it_is_permanent(
    error: Exception, failure: type[CallFailed], permanent: bool
) -> None:
    def partner(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(CallFailed) as failed:
        get(partner)

    assert type(failed.value) is failure
    assert failed.value.permanent == permanent
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("url", ["http://[::1", "https://msp.example:port/", "https://msp.example/\x00"])
def test_what_is_no_url_is_a_permanent_failure(url: str) -> None:
    with pytest.raises(Unreachable) as failed:
        get(answering(), url)

    assert failed.value.permanent


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "x" * 65, "é"])
def test_a_token_that_no_header_can_hold_is_refused_unseen(token: str) -> None:
    with pytest.raises(ValueError, match="1 to 64") as refused:
        client(answering(), token)

    assert not token or token not in str(refused.value)


def test_no_repr_shows_the_token() -> None:
    platform = client(answering())
    answer = get(answering(content=b'{"status_code":1000,"data":{"token":"secret.C"}}'))

    assert "secret" not in repr(platform) + repr(vars(platform)["_transport"]) + repr(answer)


def redirects(*hops: tuple[int, str]) -> tuple[Partner, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def partner(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) > len(hops):
            return httpx.Response(200, content=SUCCESS)
        status, target = hops[len(seen) - 1]
        return httpx.Response(status, headers={"Location": target}, content=b"moved")

    return partner, seen


def test_a_get_is_redirected_with_token_at_the_same_origin() -> None:
    partner, seen = redirects((301, "/new"), (307, "https://msp.example:443/newer"))

    assert get(partner).ok
    assert [str(request.url) for request in seen] == [
        URL,
        "https://msp.example/new",
        "https://msp.example/newer",
    ]
    assert all(request.headers["Authorization"] == "Token c2VjcmV0LkI=" for request in seen)


@pytest.mark.parametrize(
    "target",
    ["https://other.example/", "http://msp.example/", "https://msp.example:8443/", "//other.example/"],
)
def test_the_token_does_not_follow_to_another_origin(target: str) -> None:
    partner, seen = redirects((302, target), (302, URL))

    assert get(partner).ok
    assert ["Authorization" in request.headers for request in seen] == [True, False, False]


def test_the_fourth_redirect_is_the_answer() -> None:
    partner, seen = redirects(*[(302, f"/{hop}") for hop in range(9)])

    answer = get(partner)

    assert (answer.http_status, answer.ok, len(seen)) == (302, False, 4)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [301, 303, 307, 308])
def test_only_a_get_is_redirected(method: str, status: int) -> None:
    partner, seen = redirects((status, "/new"))

    with client(partner) as platform:
        answer = platform.request(method, URL, ids=IDS, body=b"{}")

    assert (answer.http_status, answer.ok, answer.body, len(seen)) == (status, False, b"moved", 1)


def test_cookies_are_not_kept() -> None:
    seen: list[bool] = []

    def partner(request: httpx.Request) -> httpx.Response:
        seen.append("Cookie" in request.headers)
        return httpx.Response(200, content=SUCCESS, headers={"Set-Cookie": "a=b"})

    with client(partner) as platform:
        for _ in range(2):
            platform.request("GET", URL, ids=IDS)

    assert seen == [False, False]


@pytest.mark.row("TRN-18")
@pytest.mark.parametrize(
    ("endpoint", "segments", "url"),
    [
        ("https://a.example/x", ("NL", "ABC"), "https://a.example/x/NL/ABC"),
        ("https://a.example/x/", ("NL",), "https://a.example/x/NL"),
        ("https://a.example", ("NL",), "https://a.example/NL"),
        ("https://a.example/x?key=1", ("NL",), "https://a.example/x/NL?key=1"),
        ("https://a.example/x/?key=1&b=%2F#f", ("NL",), "https://a.example/x/NL?key=1&b=%2F"),
        ("https://a.example/x/", (), "https://a.example/x/"),
        ("https://a.example/x", (), "https://a.example/x"),
        ("https://a.example/x", ("a/b", "c d", "#NA", "*", "%2F", "é?"), None),
        ("https://a.example/x", (".", "..", "..."), "https://a.example/x/%2E/%2E%2E/..."),
    ],
)
def test_segments_are_joined_by_one_slash_and_encoded(
    endpoint: str, segments: tuple[str, ...], url: str | None
) -> None:
    encoded = "https://a.example/x/a%2Fb/c%20d/%23NA/%2A/%252F/%C3%A9%3F"

    assert join(endpoint, *segments) == (url or encoded)


@pytest.mark.row("TRN-18")
@pytest.mark.parametrize("path", ["/x/%2E%2E/a%2Fb/%23NA/%2A/%252F?key=%2F&b=", "/no/slash", "/slash/", "/"])
def test_a_url_is_called_exactly_as_it_is_given(path: str) -> None:
    seen: list[bytes] = []

    def partner(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, content=SUCCESS)

    get(partner, "https://a.example" + path)

    assert seen == [path.encode()]


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://a.example/x/y?z=1", True),
        ("HTTPS://A.example/", True),
        ("https://a.example:443/", True),
        ("http://a.example/", False),
        ("https://a.example:8443/", False),
        ("https://b.example/", False),
        ("https://a.example.b.example/", False),
        ("https://a.example@b.example/", False),
        ("https://name@a.example/", False),
        ("https://a.example\\@b.example/", False),
        ("/path", False),
        ("", False),
        ("https://[a", False),
        ("https://a.example:port/", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, same: bool) -> None:
    assert same_origin(url, "https://a.example/receiver/cdrs") is same
    assert same_origin("", "") is False


def test_whoever_watches_is_told_of_every_call_with_what_came_of_it() -> None:
    told: list[Call] = []

    def partner(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            raise httpx.ReadTimeout("slow", request=request)
        return httpx.Response(200, content=SUCCESS)

    platform = PlatformClient("secret.B", transport=httpx.MockTransport(partner), watch=told.append)
    answer = platform.request("PUT", URL, ids=IDS, routing=Routing(to=PartyRef("DE", "MSP")), body=b"{}")
    with pytest.raises(TimedOut):
        platform.request("GET", URL, ids=IDS)

    put, get = told
    assert put[:-1] == ("PUT", URL, IDS, Routing(to=PartyRef("DE", "MSP")), b"{}", answer, None)
    assert (get.method, get.answer, type(get.failure)) == ("GET", None, TimedOut)
    assert put.seconds >= 0
    assert "secret.B" not in repr(told)

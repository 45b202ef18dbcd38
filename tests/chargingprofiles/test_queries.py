"""The query of GET and DELETE, which holds a URL of its own."""

from urllib.parse import parse_qsl

import pytest

from chargingprofiles.queries import must_have_duration, take_response_url, with_response_url
from ocpi_hub.exchange.exceptions import InvalidParameters

TAKEN = [
    # the query, the URL in it, and what is left
    ("response_url=https%3A%2F%2Fa.example", "https://a.example", ""),
    ("response_url=https%3A%2F%2Fa.example%2Fcb%3Fx%3D1%26y%3D2&z=3", "https://a.example/cb?x=1&y=2", "z=3"),
    # decoded once, and a plus is a plus
    ("response_url=https%3A%2F%2Fa.example%2F%253F%2526", "https://a.example/%3F%26", ""),
    ("response_url=https%3A%2F%2Fa.example%2Fa+b", "https://a.example/a+b", ""),
    # some encode all but what a query may hold
    ("response_url=https://a.example/cb%3Fx%3D1%26y%3D2&z=3", "https://a.example/cb?x=1&y=2", "z=3"),
    ("response_url=https%3A//a.example/cb?x%3D1%26y%3D2&z=3", "https://a.example/cb?x=1&y=2", "z=3"),
    # not encoded
    ("z=3&response_url=https://a.example/cb", "https://a.example/cb", "z=3"),
    ("response_url=https://a.example/cb&z=3", "https://a.example/cb", "z=3"),
    ("z=3&response_url=HTTPS://a.example/cb?x=1&y=2", "HTTPS://a.example/cb?x=1&y=2", "z=3"),
    ("z=3&response_url=https://a.example?x=1&y=2&", "https://a.example?x=1&y=2&", "z=3"),
    ("response_url=https://a.example/?n=https%3A%2F%2Fb&z=3", "https://a.example/?n=https%3A%2F%2Fb&z=3", ""),
    ("z=3&response_url=https://a.example/?response_url=b&y", "https://a.example/?response_url=b&y", "z=3"),
    # however the parameter is written, and the first of two
    ("response%5Furl=https%3A%2F%2Fa.example", "https://a.example", ""),
    ("response_url=https%3A%2F%2Fa.example&response_url=https%3A%2F%2Fb.example&z", "https://a.example", "z"),
    ("response_url=&response_url=https%3A%2F%2Fb.example", "https://b.example", ""),
    # what is left stays as it stands
    ("a=%20+&&b&response_url=https%3A%2F%2Fa.example&=c&a=1", "https://a.example", "a=%20+&&b&=c&a=1"),
]


@pytest.mark.parametrize(("query", "url", "rest"), TAKEN)
def test_the_response_url_is_taken_out_of_the_query(query, url, rest):
    assert take_response_url(query) == (url, rest)


REFUSED = [
    ("", "response_url: required in the query"),
    ("duration=9", "response_url: required in the query"),
    ("response_url", "response_url: required in the query"),
    ("Response_URL=https%3A%2F%2Fa.example", "response_url: required in the query"),
    (
        "response_url=a.example",
        "response_url: not an absolute http or https URL; in a query it is percent-encoded",
    ),
    (
        "response_url=https%253A%252F%252Fa.example",
        "response_url: not an absolute http or https URL; in a query it is percent-encoded",
    ),
    (
        "response_url=https%3A%2F%2Fa.example%2F%0A",
        "response_url: not an absolute http or https URL; in a query it is percent-encoded",
    ),
    (
        "response_url=https%3A%2F%2Fa.example%2F" + "x" * 240,
        "response_url: longer than 255 characters; in a query it is percent-encoded",
    ),
]


@pytest.mark.parametrize(("query", "message"), REFUSED)
def test_what_is_no_response_url_is_refused(query, message):
    with pytest.raises(InvalidParameters) as refused:
        take_response_url(query)

    assert str(refused.value) == message


@pytest.mark.parametrize("url", [row[1] for row in TAKEN])
@pytest.mark.parametrize("rest", ["", "duration=900", "a=%20+&b"])
def test_towards_the_operator_it_is_encoded_whole(url, rest):
    query = with_response_url(rest, url)

    assert take_response_url(query) == (url, rest)
    assert dict(parse_qsl(query))["response_url"] == url


@pytest.mark.parametrize("duration", ["0", "1", "900", "2147483647", "0900"])
def test_a_duration_is_a_whole_number_of_seconds(duration):
    must_have_duration(f"a=b&duration={duration}")


@pytest.mark.parametrize(
    "duration", ["-1", "1.5", "1e3", "%2B9", "9+", "nine", "%D9%A1", "²", "2147483648", "9" * 5000, "PT15M"]
)
def test_anything_else_is_none(duration):
    with pytest.raises(InvalidParameters, match=r"^duration: .* is no whole number of seconds$"):
        must_have_duration(f"duration={duration}")


@pytest.mark.parametrize("rest", ["", "duration=", "duration", "Duration=9"])
def test_without_a_duration_it_is_said_where_it_belongs(rest):
    with pytest.raises(InvalidParameters) as refused:
        must_have_duration(rest)

    assert str(refused.value) == "duration: required in the query, before a response_url that is not encoded"

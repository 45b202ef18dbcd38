import base64

import pytest

from ocpi_hub.protocol.codec import InvalidObject
from ocpi_hub.protocol.headers import MessageIDs, Routing, authorization, next_link, token_candidates
from ocpi_hub.protocol.types import PartyRef

ABC, MSP = PartyRef("NL", "ABC"), PartyRef("DE", "MSP")


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.row("TRN-02", "TRN-03")
def test_a_token_is_sent_encoded_without_line_feed() -> None:
    assert authorization("secret.B") == "Token c2VjcmV0LkI="


@pytest.mark.row("TRN-07")
def test_a_token_is_sent_raw_to_those_who_want_it() -> None:
    assert authorization("secret.B", base64=False) == "Token secret.B"


@pytest.mark.row("TRN-02", "TRN-03", "TRN-07")
@pytest.mark.parametrize(
    ("value", "candidates"),
    [
        ("Token c2VjcmV0LkI=", ("secret.B", "c2VjcmV0LkI=")),
        ("token c2VjcmV0LkI=", ("secret.B", "c2VjcmV0LkI=")),
        ("TOKEN  c2VjcmV0LkI= ", ("secret.B", "c2VjcmV0LkI=")),
        ("Token " + encoded("secret.B\n"), ("secret.B", encoded("secret.B\n"))),
        ("Token " + encoded("secret.B\r\n"), ("secret.B", encoded("secret.B\r\n"))),
        ("Token " + encoded("secret.B\n\n"), ("secret.B\n", encoded("secret.B\n\n"))),
        ("Token secret.B", ("secret.B",)),
        ("Token " + encoded(b"\xff\xfe\xfd"), (encoded(b"\xff\xfe\xfd"),)),
        ("Token c2VjcmV0LkI", ("c2VjcmV0LkI",)),
        ("Token " + encoded("\n"), (encoded("\n"),)),
        ("Token é", ("é",)),
        ("Bearer c2VjcmV0LkI=", ()),
        ("Token", ()),
        ("Token ", ()),
        ("", ()),
        ("c2VjcmV0LkI=", ()),
        ("Token " + "x" * 256, ()),
    ],
)
def test_a_token_may_be_encoded_or_raw(value: str, candidates: tuple[str, ...]) -> None:
    assert token_candidates(value) == candidates


def test_routing_goes_through_headers() -> None:
    headers = Routing(to=ABC, sender=MSP).as_headers()

    assert headers == {
        "OCPI-to-country-code": "NL",
        "OCPI-to-party-id": "ABC",
        "OCPI-from-country-code": "DE",
        "OCPI-from-party-id": "MSP",
    }
    assert Routing.from_headers(headers) == Routing(to=ABC, sender=MSP)


def test_routing_may_be_absent() -> None:
    assert Routing.from_headers({}) == Routing(None, None)
    assert Routing().as_headers() == {}


@pytest.mark.parametrize(
    ("headers", "place"),
    [
        ({"OCPI-to-party-id": "ABC"}, "OCPI-to-country-code"),
        ({"OCPI-from-country-code": "NL", "OCPI-from-party-id": ""}, "OCPI-from-party-id"),
        ({"OCPI-to-country-code": "NLD", "OCPI-to-party-id": "ABC"}, "OCPI-to-party-id"),
        ({"OCPI-to-country-code": "NL", "OCPI-to-party-id": "A*C"}, "OCPI-to-party-id"),
        ({"OCPI-to-country-code": "NL", "OCPI-to-party-id": "ABCD"}, "OCPI-to-party-id"),
    ],
)
def test_half_or_wrong_routing_is_refused(headers: dict[str, str], place: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        Routing.from_headers(headers)

    assert refused.value.place == place


@pytest.mark.row("UID-01")
def test_new_message_ids_are_all_different() -> None:
    ids = {text for _ in range(100) for text in MessageIDs.new()}

    assert len(ids) == 200


@pytest.mark.row("UID-03", "UID-04")
def test_a_request_because_of_another_keeps_the_correlation() -> None:
    ids = MessageIDs("r", "c")

    assert ids.child().correlation_id == "c"
    assert ids.child().request_id != "r"


def test_message_ids_go_through_headers() -> None:
    headers = {"X-Request-ID": "r 1", "X-Correlation-ID": "c" * 255}

    assert MessageIDs.from_headers(headers) == MessageIDs("r 1", "c" * 255)
    assert MessageIDs.from_headers(headers).as_headers() == headers


@pytest.mark.parametrize("value", [None, "", " ", "x" * 256, "a\r\nX: y", "a\x00", "é"])
def test_message_ids_that_cannot_be_repeated_are_replaced(value: str | None) -> None:
    headers = {} if value is None else {"X-Request-ID": value, "X-Correlation-ID": value}

    ids = MessageIDs.from_headers(headers)

    assert len(ids.request_id) == len(ids.correlation_id) == 36
    assert ids.request_id != ids.correlation_id


@pytest.mark.parametrize(
    ("header", "link"),
    [
        (None, None),
        ("", None),
        ('<https://a.example/x?offset=5&limit=5>; rel="next"', "https://a.example/x?offset=5&limit=5"),
        ("<https://a.example/x>;rel=next", "https://a.example/x"),
        ("<https://a.example/x> ; REL = NEXT", "https://a.example/x"),
        ('<https://a.example/x>; rel="last next"', "https://a.example/x"),
        ('<https://a.example/x>; title="a, b; rel=next"; rel="prev"', None),
        ('<https://a.example/1>; rel="prev", <https://a.example/2,3>; rel="next"', "https://a.example/2,3"),
        ('<https://a.example/1>; rel="next", <https://a.example/2>; rel="next"', "https://a.example/1"),
        ('<https://a.example/1>; rel="prev"; rel="next"', None),
        ('<https://a.example/1>; rel="nextpage"', None),
        ('<https://a.example/1>; rev="next"', None),
        ("<https://a.example/1>", None),
        ("https://a.example/1; rel=next", None),
        ('<>; rel="next"', None),
        ("<" * 5000, None),
    ],
)
def test_the_next_page_is_the_link_with_relation_next(header: str | None, link: str | None) -> None:
    assert next_link(header) == link

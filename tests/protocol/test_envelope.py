from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ocpi_hub.protocol.codec import InvalidObject, read
from ocpi_hub.protocol.envelope import Envelope, StatusCode, envelope, envelope_list
from ocpi_hub.protocol.versions import Version

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.row("RSP-01", "RSP-03")
def test_data_is_left_out_when_there_is_none() -> None:
    assert envelope(now=NOW) == b'{"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'


@pytest.mark.row("RSP-01")
def test_an_error_carries_its_message() -> None:
    answer = envelope(StatusCode.INVALID_PARAMETERS, status_message='$.name: "x"', now=NOW)

    assert answer == (
        b'{"status_code":2001,"status_message":"$.name: \\"x\\"","timestamp":"2026-01-01T00:00:00Z"}'
    )


@pytest.mark.row("RSP-02")
@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (Version(version="2.2.1", url="https://a.example"), b'{"version":"2.2.1","url":"https://a.example"}'),
        ([], b"[]"),
        (None, b"null"),
        ("ACCEPTED", b'"ACCEPTED"'),
        (msgspec.Raw(b'{"a":1E+2}'), b'{"a":1E+2}'),
        (b'{"a":1E+2}', b'{"a":1E+2}'),
    ],
)
def test_data_comes_first(data: Any, encoded: bytes) -> None:
    answer = envelope(data=data, now=NOW)

    assert answer == b'{"data":' + encoded + b',"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'


@pytest.mark.row("RSP-02", "PAG-15")
@pytest.mark.parametrize(
    ("documents", "data"), [([], b"[]"), (['{"a":"é"}', b'{"b":1E+2}'], '[{"a":"é"},{"b":1E+2}]'.encode())]
)
def test_stored_documents_are_put_in_as_they_are(documents: list[str | bytes], data: bytes) -> None:
    answer = envelope_list(iter(documents), now=NOW)

    assert answer == b'{"data":' + data + b',"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'


@pytest.mark.row("RSP-03")
def test_an_envelope_is_read_tolerantly() -> None:
    assert read(b'{"status_code":1000,"extra":1}', Envelope) == Envelope(status_code=1000)
    assert read(b'{"status_code":2001,"data":"x"}', Envelope).data == "x"


@pytest.mark.parametrize("body", [b"{}", b'{"status_code":"1000"}', b"[]", b'{"status_code":true}'])
def test_an_envelope_needs_a_status_code(body: bytes) -> None:
    with pytest.raises(InvalidObject):
        read(body, Envelope)


@pytest.mark.row("RSP-09")
def test_no_status_code_is_from_a_custom_range() -> None:
    assert not [code for code in StatusCode if code % 1000 >= 900]

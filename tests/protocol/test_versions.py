import pytest

from ocpi_hub.protocol.codec import InvalidObject, check, dump
from ocpi_hub.protocol.versions import Endpoint, Version, VersionDetails

URL = "https://abc.example/ocpi/x"


@pytest.mark.row("VER-08")
def test_unknown_versions_and_modules_are_read() -> None:
    details = {"version": "9.9", "endpoints": [{"identifier": "nltnm-foo", "role": "SENDER", "url": URL}]}

    assert check({"version": "9.9", "url": URL}, Version).version == "9.9"
    assert check(details, VersionDetails).endpoints[0].identifier == "nltnm-foo"


@pytest.mark.parametrize("role", ["SENDER", "RECEIVER", None])
def test_the_role_of_credentials_may_be_either_or_missing(role: str | None) -> None:
    endpoint = {"identifier": "credentials", "role": role, "url": URL}

    details = check({"version": "2.2.1", "endpoints": [endpoint, endpoint]}, VersionDetails)

    assert [endpoint.role for endpoint in details.endpoints] == [role, role]


@pytest.mark.row("VER-03")
def test_our_own_details_are_exact() -> None:
    details = VersionDetails(
        version="2.2.1", endpoints=[Endpoint(identifier="locations", role="SENDER", url=URL)]
    )

    assert dump(details) == (
        b'{"version":"2.2.1","endpoints":[{"identifier":"locations","role":"SENDER",'
        b'"url":"https://abc.example/ocpi/x"}]}'
    )


def test_an_endpoint_needs_a_url() -> None:
    with pytest.raises(InvalidObject) as refused:
        check({"version": "2.2.1", "endpoints": [{"identifier": "credentials"}]}, VersionDetails)

    assert str(refused.value) == "$.endpoints[0].url: required field is missing"

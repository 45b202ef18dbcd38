"""Whose credentials token is this?"""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone

from ocpi_hub.partners.models import IssuedToken, Platform

UNKNOWN = "the credentials token is not known to this hub, or no longer valid"
MALFORMED = "the Authorization header is not of the form: Token, one space, your token in Base64"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def get(partner, header):
    return partner.get("sender/tokens", Authorization=header)


@pytest.mark.parametrize(
    ("encoding", "form", "codes"),
    [
        ("AUTO", "raw", (200, 1000)),
        ("AUTO", "base64", (200, 1000)),
        ("BASE64", "base64", (200, 1000)),
        ("BASE64", "raw", (401, 2000)),
        ("RAW", "raw", (200, 1000)),
        ("RAW", "base64", (401, 2000)),
    ],
)
def test_a_token_comes_raw_or_in_base64_as_agreed(cpo, encoding, form, codes):
    Platform.objects.filter(pk=cpo.platform.pk).update(inbound_encoding=encoding)
    answered = get(cpo, f"Token {cpo.token if form == 'raw' else encoded(cpo.token)}")

    assert answered.codes == codes
    cpo.platform.refresh_from_db()
    assert cpo.platform.seen_encoding == (form.upper() if codes == (200, 1000) else "")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Token unknown", UNKNOWN),
        *((odd, MALFORMED) for odd in ("Token", "Token ", "Bearer x", f"Token {'x' * 300}", "x")),
    ],
)
def test_an_unknown_token_is_refused_with_a_challenge(cpo, header, message):
    answered = get(cpo, header)

    assert answered.codes == (401, 2000)
    assert answered.message == message
    assert answered.headers["WWW-Authenticate"] == "Token"


def test_a_missing_header_is_told(cpo):
    answered = cpo.client.get("/ocpi/2.2.1/sender/tokens")

    assert answered.status_code == 401
    assert answered.json()["status_message"].startswith("the Authorization header is missing")


@pytest.mark.parametrize(
    ("status", "codes"), [("CONNECTED", (200, 1000)), ("OFFLINE", (200, 1000)), ("SUSPENDED", (401, 2000))]
)
def test_a_suspended_platform_is_unknown(cpo, status, codes):
    Platform.objects.filter(pk=cpo.platform.pk).update(status=status)

    assert cpo.get("sender/tokens").codes == codes


@pytest.mark.parametrize(("seconds", "codes"), [(60, (200, 1000)), (-1, (401, 2000))])
def test_a_token_ends_when_it_expires(cpo, seconds, codes):
    IssuedToken.objects.update(expires_at=timezone.now() + timedelta(seconds=seconds))

    assert cpo.get("sender/tokens").codes == codes


def test_the_first_use_of_a_new_token_ends_the_older_ones(cpo):
    first = cpo.token
    second = IssuedToken.issue(cpo.platform, IssuedToken.Kind.CREDENTIALS)
    IssuedToken.expire_others(cpo.platform, second, timedelta(minutes=10))
    assert cpo.get("sender/tokens").codes == (200, 1000)

    cpo.token = second
    assert cpo.get("sender/tokens").codes == (200, 1000)
    cpo.token = first
    assert cpo.get("sender/tokens").codes == (401, 2000)
    assert IssuedToken.objects.get(platform=cpo.platform).first_used_at is not None


def test_a_token_that_fits_two_platforms_is_nobodys(cpo, emsp):
    """One platform's raw token may be another's in Base64; nobody is taken for somebody else."""
    from ocpi_hub.partners import secrets

    raw = encoded("shared-token-12")
    IssuedToken.objects.create(platform=cpo.platform, kind="C", digest=secrets.digests(raw)[0])
    assert get(cpo, f"Token {raw}").codes == (200, 1000)
    IssuedToken.objects.create(platform=emsp.platform, kind="C", digest=secrets.digests("shared-token-12")[0])

    assert get(cpo, f"Token {raw}").codes == (401, 2000)


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("/ocpi/versions", (200, 1000)),
        ("/ocpi/2.2.1", (200, 1000)),
        ("credentials", (200, 1000)),
        ("sender/tokens", (401, 2000)),
        ("receiver/locations/NL/ABC/LOC1", (401, 2000)),
    ],
)
def test_an_invitation_opens_versions_and_credentials_only(cpo, path, codes):
    cpo.token = IssuedToken.issue(cpo.platform, IssuedToken.Kind.INVITATION)

    assert cpo.get(path).codes == codes


def test_names_of_rows_tell_what_they_are(cpo):
    token = IssuedToken.objects.get()
    endpoint = cpo.platform.endpoints.get(module="locations", role="SENDER")

    assert str(token) == f"credentials of ABC (#{cpo.platform.pk})"
    assert str(endpoint) == f"locations SENDER of ABC (#{cpo.platform.pk})"
    assert str(cpo.platform.parties.get()) == "NL*ABC"

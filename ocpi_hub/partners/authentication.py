"""Whose credentials token is this? (transport_and_format.asciidoc, Authorization header)"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ocpi_hub.partners import lookup, secrets
from ocpi_hub.partners.directory import directory
from ocpi_hub.partners.models import IssuedToken, Platform
from ocpi_hub.protocol.headers import token_candidates

FORM = "Token, one space, your token in Base64"
UNKNOWN_TOKEN = "the credentials token is not known to this hub, or no longer valid"  # noqa: S105  # a message


class Presented(NamedTuple):
    """The token as the caller sent it, decoded, and our row for it."""

    token: str
    issued: IssuedToken


class CredentialsToken(BaseAuthentication):
    """Sets request.user to the calling Platform and request.auth to what it Presented."""

    issued_tokens = staticmethod(lookup.issued_tokens)

    def authenticate(self, request: Request) -> tuple[Platform, Presented]:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            raise NotAuthenticated(f"the Authorization header is missing; send: {FORM}")
        candidates = token_candidates(header)
        if not candidates:
            raise AuthenticationFailed(f"the Authorization header is not of the form: {FORM}")
        presented = find(candidates, self.issued_tokens)
        if presented.issued.first_used_at is None:
            note_first_use(presented.issued)
        return presented.issued.platform, presented

    def authenticate_header(self, request: Request) -> str:
        return "Token"


class RememberedToken(CredentialsToken):
    """The same, where the Platform is only read: it may be one that other requests have at the same time."""

    @staticmethod
    def issued_tokens(digests: Iterable[str], now: datetime) -> list[IssuedToken]:
        key = ("token", *digests)
        found = directory.get(key, lambda: lookup.issued_tokens(digests, now) or None) or []
        # Its time may have come since it was looked up.
        return [row for row in found if row.expires_at is None or row.expires_at > now]


def find(
    candidates: tuple[str, ...],
    issued_tokens: Callable[[Iterable[str], datetime], list[IssuedToken]] = lookup.issued_tokens,
) -> Presented:
    """The one platform that a token, decoded or raw, belongs to; AuthenticationFailed otherwise (P02, P03)."""
    by_digest = {digest: token for token in candidates for digest in secrets.digests(token)}
    rows = issued_tokens(by_digest, timezone.now())
    found = [Presented(by_digest[row.digest], row) for row in rows]
    found = [presented for presented in found if _encoding_is_allowed(presented, candidates)]
    if len({presented.issued.platform_id for presented in found}) != 1:
        raise AuthenticationFailed(UNKNOWN_TOKEN)
    return _with_the_writing_key(found[0])


def _encoding_is_allowed(presented: Presented, candidates: tuple[str, ...]) -> bool:
    platform = presented.issued.platform
    was_raw = presented.token == candidates[-1]
    seen = Platform.Encoding.RAW if was_raw else Platform.Encoding.BASE64
    if platform.inbound_encoding not in (Platform.Encoding.AUTO, seen):
        return False
    if platform.seen_encoding != seen:
        Platform.objects.filter(pk=platform.pk).update(seen_encoding=seen)
    return True


def _with_the_writing_key(presented: Presented) -> Presented:
    """After a change of keys a hash moves to the new key when its token is next seen."""
    digest = secrets.digests(presented.token)[0]
    if presented.issued.digest != digest:
        IssuedToken.objects.filter(pk=presented.issued.pk).update(digest=digest, key_id=secrets.key_id())
    return presented


def note_first_use(issued: IssuedToken) -> None:
    """The first call with a new token ends the grace of the older ones (P22)."""
    used = IssuedToken.objects.filter(pk=issued.pk, first_used_at=None).update(first_used_at=timezone.now())
    if used:
        older = IssuedToken.objects.filter(platform=issued.platform, pk__lt=issued.pk)
        older.exclude(expires_at=None).delete()


class IsRegistered(BasePermission):
    """Token A opens versions and credentials only; everything else wants a finished registration (TRN-06)."""

    def has_permission(self, request: Request, view: object) -> bool:
        if request.auth.issued.kind == IssuedToken.Kind.INVITATION or not request.user.registered:
            raise AuthenticationFailed(
                "register first: this token opens the versions and credentials modules only"
            )
        return True


class IsKnown(BasePermission):
    """Any valid token will do: versions and credentials."""

    def has_permission(self, request: Request, view: object) -> bool:
        return True

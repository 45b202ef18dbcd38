"""The credentials handshake, as the one who is registered with and as the one who starts (credentials.asciidoc).

No database transaction is open while a partner is called, and the partner may call us while we wait for it.
"""

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed

from ocpi_hub.errorreports.occurrences import Evidence, note
from ocpi_hub.exchange.calls import transports
from ocpi_hub.exchange.calls.verdicts import describe, masked
from ocpi_hub.exchange.exceptions import HandshakeFailed, InvalidParameters, MethodUnavailable
from ocpi_hub.exchange.messages import outbox
from ocpi_hub.exchange.models import Delivery, Lane
from ocpi_hub.exchange.pulls import pullplans, repairs
from ocpi_hub.exchange.routing import hub_party, interfaces
from ocpi_hub.partners import claims, secrets
from ocpi_hub.partners.authentication import UNKNOWN_TOKEN
from ocpi_hub.partners.claims import Claim, ClaimRefused
from ocpi_hub.partners.models import Endpoint, IssuedToken, Platform, Status
from ocpi_hub.protocol.client import Answer, CallFailed, PlatformClient
from ocpi_hub.protocol.codec import InvalidObject, check, dump
from ocpi_hub.protocol.credentials import Credentials, CredentialsRole
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.headers import MessageIDs
from ocpi_hub.protocol.locations import BusinessDetails
from ocpi_hub.protocol.versions import Version, VersionDetails

logger = logging.getLogger(__name__)

LONGEST_MODULE = 100  # characters; a longer module id is none that we could know
CALL_TIMEOUT = 10.0  # seconds for each call of the handshake


class Peer(NamedTuple):
    """What a partner's versions endpoints say, and how it wants its token written."""

    version: str
    endpoints: list[tuple[str, str, str]]  # module, interface role, URL
    base64: bool

    @property
    def credentials_url(self) -> str:
        return next(url for module, _, url in self.endpoints if module == "credentials")


def versions_url() -> str:
    return f"{settings.HUB_BASE_URL}/ocpi/versions"


def own_credentials(token: str) -> Credentials:
    """The hub's credentials object: one role, HUB (credentials.asciidoc, Credentials object)."""
    party = hub_party()
    role = CredentialsRole(
        role="HUB",
        business_details=BusinessDetails(name=settings.HUB_NAME),
        party_id=party.party_id,
        country_code=party.country_code,
    )
    return Credentials(token=token, url=versions_url(), roles=[role])


# ---------------------------------------------------------------------------------- asking a partner's versions
def discover(url: str, token: str, spoken: list[str], ids: MessageIDs) -> Peer:
    """Fetch versions and details with the token, written in Base64 or, when that is refused, raw (P02).

    The newest version of `spoken` that the partner has is chosen. Raises HandshakeFailed.
    """
    answer, base64 = _first_answer(url, token, ids)
    listed = _read(_data(answer, url, token), list[Version], url)
    offered = {row.version: row.url for row in listed}
    common = [version for version in spoken if version in offered]
    if not common:
        raise HandshakeFailed(
            f"{url} offers {', '.join(sorted(offered)) or 'nothing'}; this hub speaks {', '.join(spoken)}",
            StatusCode.UNSUPPORTED_VERSION,
        )
    details_url = offered[common[-1]]
    with transports.new_client(token, base64=base64) as client:
        data = _data(_get(client, details_url, ids), details_url, token)
    details = _read(data, VersionDetails, details_url)
    return Peer(common[-1], _needed(details, details_url), base64)


def _first_answer(url: str, token: str, ids: MessageIDs) -> tuple[Answer, bool]:
    for base64 in (True, False):
        with transports.new_client(token, base64=base64) as client:
            answer = _get(client, url, ids)
        if answer.http_status != 401:
            return answer, base64
    return answer, True


def _get(client: PlatformClient, url: str, ids: MessageIDs) -> Answer:
    transports.release_connection()
    try:
        return client.request("GET", url, ids=ids.child(), total_timeout=CALL_TIMEOUT)
    except CallFailed as failure:
        raise HandshakeFailed(f"GET {url}: {failure}") from failure


def _data(answer: Answer, url: str, token: str) -> Any:
    if not answer.ok or answer.envelope is None:
        raise HandshakeFailed(f"GET {url}: {describe(answer, token)}")
    return answer.envelope.data


def _read(data: Any, struct: Any, url: str, method: str = "GET") -> Any:
    try:
        return check(data, struct)
    except InvalidObject as fault:
        raise HandshakeFailed(f"{method} {url}: {fault}") from fault


def _needed(details: VersionDetails, url: str) -> list[tuple[str, str, str]]:
    """The endpoints that we can use; the credentials one is listed once whatever role it has (P18)."""
    rows: dict[tuple[str, str], str] = {}
    for endpoint in details.endpoints:
        role = Endpoint.Role.SENDER if endpoint.identifier == "credentials" else endpoint.role
        if role and len(endpoint.identifier) <= LONGEST_MODULE:
            _must_be_callable(endpoint.url, url)
            rows.setdefault((endpoint.identifier, role), endpoint.url)
    if ("credentials", Endpoint.Role.SENDER) not in rows:
        raise HandshakeFailed(f"{url} lists no credentials endpoint", StatusCode.ENDPOINTS_MISSING)
    if not any(module in settings.OCPI_MODULES for module, _ in rows):
        raise HandshakeFailed(
            f"{url} lists none of the modules that this hub exchanges: {', '.join(settings.OCPI_MODULES)}",
            StatusCode.ENDPOINTS_MISSING,
        )
    return [(module, role, address) for (module, role), address in rows.items()]


def _must_be_callable(address: str, listed_at: str) -> None:
    try:
        callable_ = bool(urlsplit(address).hostname) and urlsplit(address).port != 0
    except ValueError:
        callable_ = False
    if not callable_:
        raise HandshakeFailed(f"{listed_at} lists an address that cannot be called: {address[:80]!r}")


# -------------------------------------------------------------------------------------------- as the receiver
def accept(issued: IssuedToken, theirs: Credentials, version: str, ids: MessageIDs) -> Credentials:
    """POST: call back with token B, then take the partner in and give it token C."""
    peer = discover(theirs.url, theirs.token, [version], ids)
    with transaction.atomic():
        row = _locked(issued.platform_id)
        if row.registered:
            raise MethodUnavailable(
                "you are registered already; use PUT to renew the credentials", ["GET", "PUT", "DELETE"]
            )
        _must_be_good(issued, row)
        token = IssuedToken.issue(row, IssuedToken.Kind.CREDENTIALS)
        row.issued_tokens.filter(kind=IssuedToken.Kind.INVITATION).delete()
        _take_in(row, theirs, peer)
    logger.info("%s registered with %s", row, ", ".join(_names(theirs)))
    return own_credentials(token)


def _locked(platform_id: int) -> Platform:
    """Its lane is taken first, as by whoever writes down what came of deliveries: neither then waits for ever."""
    Lane.objects.select_for_update().filter(pk=platform_id).first()
    return Platform.objects.select_for_update().get(pk=platform_id)


def _must_be_good(issued: IssuedToken, row: Platform) -> None:
    """The token that the request came with still is: much may happen while a partner is called back."""
    if not row.issued_tokens.valid(timezone.now()).filter(pk=issued.pk).exists():
        raise AuthenticationFailed(UNKNOWN_TOKEN)


def renew(issued: IssuedToken, theirs: Credentials, version: str, ids: MessageIDs) -> Credentials:
    """PUT: fetch everything again and exchange both tokens; the old one of ours works until the new one is used."""
    peer = discover(theirs.url, theirs.token, [version], ids)
    with transaction.atomic():
        row = _locked(issued.platform_id)
        _must_be_good(issued, row)
        if not row.registered:
            raise MethodUnavailable("you are not registered; use POST with your invitation", ["GET", "POST"])
        token = IssuedToken.issue(row, IssuedToken.Kind.CREDENTIALS)
        IssuedToken.expire_others(row, token, timedelta(seconds=settings.HUB_TOKEN_GRACE))
        _take_in(row, theirs, peer)
    logger.info("%s renewed its credentials", row)
    return own_credentials(token)


def leave(platform: Platform) -> None:
    """DELETE: no token of either side works any more and nothing moves; objects stay, for sessions and CDRs."""
    with transaction.atomic():
        outbox.take_turn(wait=True)  # what is being put into its lane is taken back as well
        row = _locked(platform.pk)
        row.issued_tokens.all().delete()
        row.endpoints.all().delete()
        row.token_cipher, row.status, row.offline_since = "", Status.SUSPENDED, None
        row.save()
        _stop_traffic(row)
    logger.info("%s ended its registration", platform)


def reset(platform: Platform) -> str:
    """The operator starts over with a partner that lost its token: token A, as after an invitation (P24)."""
    with transaction.atomic():
        row = _locked(platform.pk)
        row.issued_tokens.all().delete()
        row.token_cipher, row.status, row.offline_since = "", Status.PLANNED, None
        row.save()
        return IssuedToken.issue(row, IssuedToken.Kind.INVITATION)


def _stop_traffic(platform: Platform) -> None:
    open_states = [Delivery.State.PENDING, Delivery.State.SENDING]
    Delivery.objects.filter(platform=platform, state__in=open_states).update(
        state=Delivery.State.ABSORBED, finished_at=timezone.now(), reason="the partner ended its registration"
    )
    pullplans.stand_still(platform)


def _take_in(platform: Platform, theirs: Credentials, peer: Peer) -> None:
    """Write down a finished handshake, in the transaction of the caller. Raises InvalidParameters."""
    before = _kept(platform)
    try:
        claims.announce(platform, theirs.roles)
    except ClaimRefused as refused:
        raise InvalidParameters(f"$.roles: {refused}") from refused
    platform.token_cipher = secrets.encrypt(theirs.token)
    platform.versions_url, platform.version, platform.base64_token = theirs.url, peer.version, peer.base64
    platform.status, platform.offline_since = Status.CONNECTED, None
    platform.announced = announcement()
    platform.connected_at = platform.connected_at or timezone.now()
    platform.save()
    since = before.endpoints if before.roles == _roles(platform) else {}
    now = timezone.now()
    platform.endpoints.all().delete()
    Endpoint.objects.bulk_create(
        Endpoint(platform=platform, module=module, role=role, url=url, since=since.get((module, role), now))
        for module, role, url in peer.endpoints
    )
    Lane.objects.update_or_create(platform=platform, defaults={"failures": 0, "probe_at": None})
    repairs.seed(platform)
    pullplans.make(platform)
    pullplans.ask_platform(platform, full=True)


class _Kept(NamedTuple):
    """What a partner that renews its credentials had before."""

    roles: dict[str, list[str]]
    endpoints: dict[tuple[str, str], datetime | None]  # since when, by module and role


def _kept(platform: Platform) -> _Kept:
    """Nothing when it was not registered: what changed meanwhile was not pushed to it."""
    if not platform.registered:
        return _Kept({}, {})
    return _Kept(_roles(platform), {(row.module, row.role): row.since for row in platform.endpoints.all()})


def _roles(platform: Platform) -> dict[str, list[str]]:
    return {party.key: sorted(party.roles) for party in platform.parties.own() if party.roles}


def announcement() -> str:
    """A hash of what our versions endpoints say; when it changes, partners must be told (VER-09)."""
    offered = [
        settings.HUB_BASE_URL,
        *settings.SPOKEN,
        *(f"{module} {role}" for module, role in interfaces()),
    ]
    return hashlib.sha256("\n".join(offered).encode()).hexdigest()


def _names(credentials: Credentials) -> list[str]:
    return [f"{role.party} ({role.role})" for role in credentials.roles]


# --------------------------------------------------------------------------------------------- as the starter
def invite(name: str, wanted: list[Claim]) -> tuple[Platform, str]:
    """A platform that may start the handshake, and its token A. Raises ClaimRefused."""
    with transaction.atomic():
        platform = Platform.objects.create(name=name)
        claims.invite(platform, wanted)
        return platform, IssuedToken.issue(platform, IssuedToken.Kind.INVITATION)


def register(name: str, url: str, token_a: str, wanted: list[Claim]) -> Platform:
    """Start the handshake with a partner that gave us its token A. Raises HandshakeFailed, ClaimRefused.

    Token B works before it is sent, because the partner calls back with it; when the handshake fails, neither
    it nor the platform stays.
    """
    try:
        return _register(name, url, token_a, wanted)
    except (HandshakeFailed, InvalidParameters) as failure:
        logger.warning("registering with %s failed: %s", name, failure)
        evidence = Evidence("GET", url, secrets=(token_a,))
        note("handshake.failed", None, "credentials", f"{name}: {failure}", evidence=evidence)
        raise


def _register(name: str, url: str, token_a: str, wanted: list[Claim]) -> Platform:
    ids = MessageIDs.new()
    taken = Platform.objects.registered().filter(versions_url=url).first()
    if taken:
        raise HandshakeFailed(f"{taken} is registered with this versions URL already")
    peer = discover(url, token_a, settings.SPOKEN, ids)
    with transaction.atomic():
        platform = Platform.objects.create(name=name, version=peer.version, versions_url=url)
        claims.invite(platform, wanted)
        token_b = IssuedToken.issue(platform, IssuedToken.Kind.CREDENTIALS)
    try:
        theirs = _send("POST", peer, token_a, token_b, ids)
        with transaction.atomic():
            _take_in(platform, theirs, peer)
    except Exception:
        platform.delete()
        raise
    logger.info("%s took us in with %s", platform, ", ".join(_names(theirs)))
    return platform


def announce(platform: Platform) -> None:
    """PUT: tell a partner that our endpoints changed and exchange both tokens. Raises HandshakeFailed.

    The new token of ours works before it is sent; when the PUT fails, both old tokens stay in use.
    """
    ids = MessageIDs.new()
    peer = discover(platform.versions_url, platform.token, [platform.version], ids)
    token = IssuedToken.issue(platform, IssuedToken.Kind.CREDENTIALS)
    try:
        theirs = _send("PUT", peer, platform.token, token, ids)
        with transaction.atomic():
            row = _locked(platform.pk)
            if row.token_cipher != platform.token_cipher:
                raise HandshakeFailed("the connection changed meanwhile")
            IssuedToken.expire_others(row, token, timedelta(seconds=settings.HUB_TOKEN_GRACE))
            _take_in(row, theirs, peer)
    except Exception:
        IssuedToken.objects.filter(platform=platform, digest=secrets.digests(token)[0]).delete()
        raise
    logger.info("%s was told of our endpoints and exchanged tokens", platform)


def _send(method: str, peer: Peer, with_token: str, ours: str, ids: MessageIDs) -> Credentials:
    """POST or PUT our credentials to a partner; its own in return."""
    url = peer.credentials_url
    body = dump(own_credentials(ours))
    with transports.new_client(with_token, base64=peer.base64) as client:
        transports.release_connection()
        try:
            answer = client.request(method, url, ids=ids.child(), body=body)
        except CallFailed as failure:
            raise HandshakeFailed(f"{method} {url}: {failure}") from failure
    if not answer.ok or answer.envelope is None:
        raise HandshakeFailed(f"{method} {url}: {masked(describe(answer, with_token), ours)}")
    return _read(answer.envelope.data, Credentials, url, method)

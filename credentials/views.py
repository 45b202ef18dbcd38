"""Versions and credentials (version_information_endpoint.asciidoc, credentials.asciidoc)."""

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from credentials import handshake
from ocpi_hub.exchange.exceptions import MethodUnavailable, NotFound
from ocpi_hub.exchange.interfaces.renderers import answer
from ocpi_hub.exchange.interfaces.views import OCPIView
from ocpi_hub.exchange.routing import interfaces
from ocpi_hub.partners.authentication import IsKnown
from ocpi_hub.partners.models import IssuedToken
from ocpi_hub.protocol.codec import read
from ocpi_hub.protocol.credentials import Credentials
from ocpi_hub.protocol.envelope import StatusCode
from ocpi_hub.protocol.versions import Endpoint, Version, VersionDetails


class VersionsView(OCPIView):
    permission_classes = [IsKnown]

    def get(self, request: Request, **kwargs: Any) -> Response:
        url = f"{settings.HUB_BASE_URL}/ocpi"
        return answer([Version(version=version, url=f"{url}/{version}") for version in settings.SPOKEN])


class VersionDetailsView(OCPIView):
    permission_classes = [IsKnown]

    def get(self, request: Request, version: str, **kwargs: Any) -> Response:
        must_be_spoken(version)
        url = f"{settings.HUB_BASE_URL}/ocpi/{version}"
        rows = [
            Endpoint(
                identifier=module,
                role=role,
                url=f"{url}/credentials" if module == "credentials" else f"{url}/{role.lower()}/{module}",
            )
            for module, role in interfaces()
        ]
        return answer(VersionDetails(version=version, endpoints=rows))


class CredentialsView(OCPIView):
    permission_classes = [IsKnown]

    def get(self, request: Request, version: str, **kwargs: Any) -> Response:
        """The credentials that the caller uses toward the hub: the token is the one it just sent (P04)."""
        must_be_spoken(version)
        return answer(handshake.own_credentials(request.auth.token))

    def post(self, request: Request, version: str, **kwargs: Any) -> Response:
        must_be_spoken(version)
        if not self._is_invited():
            raise MethodUnavailable(
                "you are registered already; use PUT to renew the credentials", ["GET", "PUT", "DELETE"]
            )
        theirs = read(request.body, Credentials)
        return answer(handshake.accept(self.request.auth.issued, theirs, version, self.ids))

    def put(self, request: Request, version: str, **kwargs: Any) -> Response:
        must_be_spoken(version)
        self._must_be_registered()
        theirs = read(request.body, Credentials)
        return answer(handshake.renew(self.request.auth.issued, theirs, version, self.ids))

    def delete(self, request: Request, version: str, **kwargs: Any) -> Response:
        must_be_spoken(version)
        self._must_be_registered()
        handshake.leave(self.platform)
        return answer()

    def _is_invited(self) -> bool:
        return bool(self.request.auth.issued.kind == IssuedToken.Kind.INVITATION)

    def _must_be_registered(self) -> None:
        if self._is_invited() or not self.platform.registered:
            raise MethodUnavailable("you are not registered; use POST with your invitation", ["GET", "POST"])


def must_be_spoken(version: str) -> None:
    if version not in settings.SPOKEN:
        raise NotFound(f"this hub does not speak {version[:20]}", StatusCode.CLIENT_ERROR)

"""Registers many partners at once: JSON in, JSON out, in a process that has the settings of a hub."""

import json
import os
import sys
from typing import Any


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")
    import django

    django.setup()
    json.dump(register(json.load(sys.stdin)), sys.stdout)


def register(partners: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as a finished handshake leaves them; the tokens are issued as in a handshake."""
    from django.db import transaction
    from django.utils import timezone

    from ocpi_hub.partners import secrets
    from ocpi_hub.partners.models import Endpoint, IssuedToken, Party, Platform, Status

    now = timezone.now()
    with transaction.atomic():
        platforms = Platform.objects.bulk_create(
            Platform(
                name=one["name"],
                status=Status.CONNECTED,
                version="2.2.1",
                versions_url=f"{one['url']}/versions",
                token_cipher=secrets.encrypt(secrets.new_token()),
                pull_only=one["pull_only"],
                last_heard_at=now,
                connected_at=now,
            )
            for one in partners
        )
        tokens = [secrets.new_token() for _ in partners]
        IssuedToken.objects.bulk_create(
            IssuedToken(
                platform=platform,
                kind=IssuedToken.Kind.CREDENTIALS,
                digest=secrets.digests(token)[0],
                key_id=secrets.key_id(),
                first_used_at=now,
            )
            for platform, token in zip(platforms, tokens, strict=True)
        )
        Party.objects.bulk_create(
            party
            for platform, one in zip(platforms, partners, strict=True)
            for party in parties(platform, one)
        )
        Endpoint.objects.bulk_create(
            endpoint
            for platform, one in zip(platforms, partners, strict=True)
            for endpoint in endpoints(platform, one)
        )
        take_as_told(now)
    return [
        {"platform_id": platform.pk, "token": token}
        for platform, token in zip(platforms, tokens, strict=True)
    ]


def take_as_told(now: Any) -> None:
    """The list of clients is written, but a thousand partners are not told of a thousand others."""
    from hubclientinfo.listing import reconcile
    from ocpi_hub.exchange.models import Message

    reconcile(now)
    Message.objects.filter(module="hubclientinfo", expanded_at=None).update(expanded_at=now)


def parties(platform: Any, one: dict[str, Any]) -> list[Any]:
    from ocpi_hub.partners.models import Party

    found = [text.split("-") for text in one["parties"]]
    return [
        Party(
            platform=platform,
            country_code=country_code,
            party_id=party_id,
            roles=[role],
            business_details={role: {"name": one["name"]}},
        )
        for country_code, party_id, role in found
    ]


def endpoints(platform: Any, one: dict[str, Any]) -> list[Any]:
    from django.conf import settings

    from ocpi_hub.partners.models import Endpoint

    return [
        Endpoint(platform=platform, module=module, role=role, url=f"{one['url']}/{role.lower()}/{module}")
        for module in one["modules"] or settings.OCPI_MODULES
        for role in one["roles"]
    ]


if __name__ == "__main__":
    main()

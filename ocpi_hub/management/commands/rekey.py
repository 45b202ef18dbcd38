"""Move every kept secret to the first of HUB_KEYS, so that the other keys can be taken away."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from ocpi_hub.exchange.housekeeping import erasing
from ocpi_hub.partners import secrets
from ocpi_hub.partners.models import IssuedToken, Platform


class Command(BaseCommand):
    help = (
        "Encrypts the partners' tokens with the first key of HUB_KEYS. The hashes of the tokens we issued move by "
        "themselves when each is next used; the command says how many still wait for that."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            platforms = list(Platform.objects.select_for_update().exclude(token_cipher=""))
            for platform in platforms:
                try:
                    platform.token_cipher = secrets.reencrypt(platform.token_cipher)
                except secrets.UnreadableSecret as error:
                    raise CommandError(f"{platform}: {error}; nothing was changed") from error
                platform.save(update_fields=["token_cipher"])
            erasing.rekey()
        waiting = IssuedToken.objects.exclude(key_id=secrets.key_id()).count()
        self.stdout.write(
            f"{len(platforms)} tokens are under the first key; {waiting} hashes wait for their token's next use"
        )

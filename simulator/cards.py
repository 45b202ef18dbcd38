"""Invented Tokens: charging cards and app users. Token i depends on the seed and i only."""

import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from simulator.network import NEWEST, weighted
from simulator.ocpi import Party, encode, format_time

WHITELISTS = (("ALLOWED", 60), ("ALWAYS", 20), ("ALLOWED_OFFLINE", 15), ("NEVER", 5))
LANGUAGES = (("nl", 4), ("de", 4), ("en", 2))


def tokens(parties: Sequence[Party], count: int, seed: str) -> Iterator[bytes]:
    for index in range(count):
        yield encode(token(parties[index % len(parties)], index, seed))


def token(party: Party, index: int, seed: str) -> dict[str, Any]:
    chance = random.Random(f"{seed}/tokens/{index}")
    app = chance.random() < 0.15
    contract = f"{party.country_code}-{party.party_id}-C{index + 1:08}-{chance.randint(0, 9)}"
    fields: dict[str, Any] = {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "uid": str(uuid.UUID(int=chance.getrandbits(128), version=4)) if app else card_number(chance),
        "type": "APP_USER" if app else "RFID",
        "contract_id": contract,
        "issuer": f"{party} Mobility",
        "valid": chance.random() < 0.95,
        "whitelist": "NEVER" if app else weighted(chance, WHITELISTS),
        "language": weighted(chance, LANGUAGES),
        "last_updated": format_time(NEWEST - timedelta(seconds=chance.randint(0, 365 * 86_400))),
    }
    if not app:
        fields["visual_number"] = f"{party.country_code}{party.party_id}{index + 1:08}"
    if chance.random() < 0.2:
        fields["group_id"] = f"FLEET-{chance.randint(1, 9)}"
    if chance.random() < 0.1:
        fields["energy_contract"] = {"supplier_name": "Green Power", "contract_id": f"GP-{index + 1:06}"}
    return fields


def card_number(chance: random.Random) -> str:
    return f"04{chance.getrandbits(48):012X}"

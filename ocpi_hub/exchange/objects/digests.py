"""Whether two objects say the same, whatever their time stamps, key order, nulls and empty lists are (P75)."""

import hashlib
from decimal import Decimal
from typing import Any

import msgspec

_CANONICAL = msgspec.json.Encoder(order="deterministic", decimal_format="number")


def digest_of(raw: Any) -> str:
    """A hash of what parsed JSON says."""
    return hashlib.sha256(_CANONICAL.encode(_essence(raw))).hexdigest()


def _essence(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {
            name: _essence(value)
            for name, value in raw.items()
            if name != "last_updated" and value is not None and value != []
        }
    if isinstance(raw, Decimal):
        # 1, 1.0 and 1.00 are one number; one with many digits keeps them all.
        return int(raw) if raw == raw.to_integral_value() else raw.normalize()
    return [_essence(item) for item in raw] if isinstance(raw, list) else raw

"""Credentials tokens at rest: ours as keyed hashes, the partners' encrypted, both under HUB_KEYS."""

import base64
import hmac
import secrets as random
from functools import cache, lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class UnreadableSecret(Exception):
    """None of the present HUB_KEYS can read it; the operator must add the key it was written with."""


def new_token() -> str:
    """A token of 43 characters; the dot keeps it from being mistaken for Base64 (interpretations, P03)."""
    # Command lines take what begins with a dash for an option: `register --token -x…` fails.
    while (token := random.token_urlsafe(31)).startswith("-"):
        pass
    return f"{token[:20]}.{token[20:]}"


def digests(token: str) -> list[str]:
    """The hash of a token under every key, the writing key first."""
    return [_digest(key, token) for key in settings.HUB_KEYS]


def key_id() -> str:
    """Names the writing key without telling it."""
    return _digest(settings.HUB_KEYS[0], "")[:8]


# What comes with every request is not hashed anew each time.
@lru_cache(maxsize=10_000)
def _digest(key: str, token: str) -> str:
    return hmac.digest(_hashing_key(key), token.encode(), "sha256").hex()


@cache
def _hashing_key(key: str) -> bytes:
    return hmac.digest(key.encode(), b"ocpi-hub: hashes of issued tokens", "sha256")


def keyed_hashes(purpose: str, text: str) -> list[str]:
    """Hashes that only this hub can make, under every key, the writing key first; others for each purpose."""
    keys = [hmac.digest(key.encode(), f"ocpi-hub: {purpose}".encode(), "sha256") for key in settings.HUB_KEYS]
    return [hmac.digest(key, text.encode(), "sha256").hex() for key in keys]


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypt(cipher: str) -> str:
    try:
        return _fernet().decrypt(cipher.encode()).decode()
    except InvalidToken as error:
        raise UnreadableSecret("no key in HUB_KEYS reads this token") from error


def reencrypt(cipher: str) -> str:
    """The same text under the writing key, for a change of keys."""
    try:
        return _fernet().rotate(cipher.encode()).decode()
    except InvalidToken as error:
        raise UnreadableSecret("no key in HUB_KEYS reads this token") from error


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.HUB_KEYS])


def is_key(text: str) -> bool:
    """Whether the text is 32 bytes in URL-safe Base64, as HUB_KEYS must be."""
    try:
        return len(base64.urlsafe_b64decode(text.encode())) == 32
    except ValueError:
        return False

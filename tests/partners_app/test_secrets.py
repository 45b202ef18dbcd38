"""Credentials tokens at rest, and a change of keys."""

import pytest

from ocpi_hub.partners import secrets
from ocpi_hub.partners.models import IssuedToken, Platform

OLD = "b2xkLWtleS1vbGQta2V5LW9sZC1rZXktb2xkLWtleSE="
NEW = "bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleSE="


def test_a_token_is_long_random_and_no_base64():
    tokens = {secrets.new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) == 43 and "." in token for token in tokens)


def test_digests_depend_on_the_key_and_the_writing_key_is_first(settings):
    settings.HUB_KEYS = [OLD]
    old = secrets.digests("token")
    settings.HUB_KEYS = [NEW, OLD]

    new, still_old = secrets.digests("token")
    assert [still_old] == old
    assert new != still_old
    assert len(new) == 64
    assert secrets.key_id() not in new


def test_a_cipher_is_read_under_an_old_key_and_moves_to_the_new_one(settings):
    settings.HUB_KEYS = [OLD]
    cipher = secrets.encrypt("s3cret")
    settings.HUB_KEYS = [NEW, OLD]
    moved = secrets.reencrypt(cipher)
    settings.HUB_KEYS = [NEW]

    assert "s3cret" not in cipher
    assert secrets.decrypt(moved) == "s3cret"
    for function in (secrets.decrypt, secrets.reencrypt):
        with pytest.raises(secrets.UnreadableSecret, match="no key in HUB_KEYS reads this token"):
            function(cipher)


@pytest.mark.django_db
def test_a_platform_reads_its_token_under_an_old_key(settings):
    settings.HUB_KEYS = [OLD]
    platform = Platform.objects.create(name="x", token_cipher=secrets.encrypt("s3cret"))
    settings.HUB_KEYS = [NEW, OLD]

    assert platform.token == "s3cret"


def test_the_hash_of_our_token_moves_to_the_new_key_when_it_is_used(cpo, settings):
    (before,) = settings.HUB_KEYS
    settings.HUB_KEYS = [NEW, before]
    assert cpo.get("sender/tokens").codes == (200, 1000)
    settings.HUB_KEYS = [NEW]

    assert cpo.get("sender/tokens").codes == (200, 1000)
    row = IssuedToken.objects.get(platform=cpo.platform)
    assert (row.digest, row.key_id) == (secrets.digests(cpo.token)[0], secrets.key_id())


def test_without_the_old_key_an_unused_hash_is_unknown(cpo, settings):
    settings.HUB_KEYS = [NEW]

    assert cpo.get("sender/tokens").codes == (401, 2000)


@pytest.mark.parametrize(
    ("text", "key"),
    [(OLD, True), ("", False), ("short", False), ("b2xk", False), ("ä" * 44, False), (OLD[:-2], False)],
)
def test_a_key_is_32_bytes_in_base64(text, key):
    assert secrets.is_key(text) is key

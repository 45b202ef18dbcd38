"""`manage.py rekey`: secrets move to the first of HUB_KEYS."""

import pytest
from django.core.management import CommandError, call_command

from ocpi_hub.partners import secrets
from ocpi_hub.partners.models import Platform
from tests.partners import Partner

OLD, NEW = ("b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0=", "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldy0=")


@pytest.fixture
def old_key(settings: object) -> None:
    settings.HUB_KEYS = [OLD]


def test_secrets_move_to_the_new_key_and_the_old_one_may_go(
    old_key: None, cpo: Partner, settings: object, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.HUB_KEYS = [NEW, OLD]
    call_command("rekey")
    first = capsys.readouterr().out
    assert cpo.get("sender/tokens").codes == (200, 1000)
    call_command("rekey")

    assert first == "1 tokens are under the first key; 1 hashes wait for their token's next use\n"
    assert (
        capsys.readouterr().out
        == "1 tokens are under the first key; 0 hashes wait for their token's next use\n"
    )
    settings.HUB_KEYS = [NEW]
    assert Platform.objects.get().token == "token-of-abc"
    assert cpo.get("sender/tokens").codes == (200, 1000)


def test_a_token_that_no_key_reads_is_named_and_nothing_changes(
    old_key: None, cpo: Partner, settings: object
) -> None:
    before = Platform.objects.get().token_cipher
    settings.HUB_KEYS = [NEW]

    with pytest.raises(CommandError, match="no key in HUB_KEYS reads this token; nothing was changed"):
        call_command("rekey")

    assert Platform.objects.get().token_cipher == before
    settings.HUB_KEYS = [OLD]
    assert secrets.decrypt(before) == "token-of-abc"

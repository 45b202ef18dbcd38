"""How a request gets to a partner."""

import httpx
import pytest
from django.core.exceptions import ValidationError

from ocpi_hub.exchange.calls import transports
from ocpi_hub.partners import secrets
from ocpi_hub.partners.models import Platform


@pytest.fixture
def real(monkeypatch):
    """The real network, which nothing here calls."""
    monkeypatch.setattr(transports, "transport", None)
    monkeypatch.setattr(transports, "_clients", {})


@pytest.mark.usefixtures("real")
def test_a_partner_keeps_its_client_while_its_token_stays_the_same():
    one = Platform(pk=1, token_cipher=secrets.encrypt("token-1"))
    two = Platform(pk=2, token_cipher=secrets.encrypt("token-2"))
    first = transports.client_for(one)

    assert transports.client_for(one) is first
    assert transports.client_for(two) is not first
    one.token_cipher = secrets.encrypt("token-1b")
    second = transports.client_for(one)
    assert second is not first
    one.base64_token = False
    assert transports.client_for(one) is not second
    for _, client in transports._clients.values():
        client.close()
    first.close()
    second.close()


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("change", [{"connect_timeout": 2}, {"total_timeout": 9}, {"concurrent_relays": 3}])
def test_a_change_of_its_limits_is_a_new_client_at_once(change):
    token = secrets.encrypt("token-1")
    with (
        transports.client_for(Platform(pk=1, token_cipher=token)) as first,
        transports.client_for(Platform(pk=1, token_cipher=token, **change)) as second,
    ):
        assert second is not first
        assert transports.client_for(Platform(pk=1, token_cipher=token, **change)) is second


def test_what_a_partner_has_no_limit_of_its_own_for_is_the_hubs(settings):
    settings.HUB_CONNECT_TIMEOUT, settings.HUB_TOTAL_TIMEOUT, settings.HUB_CONCURRENT_RELAYS = 4, 20, 6
    usual, own = Platform(), Platform(connect_timeout=1, total_timeout=60, concurrent_relays=2)

    assert transports.terms_of(usual)[2:] == (4.0, 20.0, 6 + transports.BESIDES)
    assert transports.terms_of(own)[2:] == (1.0, 60.0, 2 + transports.BESIDES)


@pytest.mark.usefixtures("real")
def test_a_client_is_made_on_its_partners_terms():
    platform = Platform(
        pk=1, token_cipher=secrets.encrypt("token-1"), connect_timeout=1, total_timeout=7, concurrent_relays=2
    )

    with transports.client_for(platform) as client:
        assert (client._connect_timeout, client.total_timeout) == (1.0, 7.0)
        assert client._transport._free.qsize() == 2 + transports.BESIDES


def test_nobody_has_less_for_an_answer_than_to_connect(settings):
    settings.HUB_CONNECT_TIMEOUT, settings.HUB_TOTAL_TIMEOUT = 5, 30

    for own, whole in ({"connect_timeout": 11, "total_timeout": 10}, 10), ({"connect_timeout": 31}, 30):
        with pytest.raises(ValidationError, match=f"It has only {whole} seconds for a whole answer"):
            Platform(**own).clean()
    Platform(connect_timeout=10, total_timeout=10).clean()
    Platform(total_timeout=3).clean()
    assert Platform(total_timeout=3).seconds_to_connect == 3.0


@pytest.mark.django_db
def test_calls_to_nobody_in_particular_are_refused_in_tests(network):
    with pytest.raises(httpx.ConnectError):
        network.answer(httpx.Request("GET", "https://nobody.example"))

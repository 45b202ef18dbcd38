"""How a request gets to a partner."""

import httpx
import pytest

from ocpi_hub.exchange import transports
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


@pytest.mark.django_db
def test_calls_to_nobody_in_particular_are_refused_in_tests(network):
    with pytest.raises(httpx.ConnectError):
        network.answer(httpx.Request("GET", "https://nobody.example"))

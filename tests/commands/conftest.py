"""Fixtures of the tests of commands: an operator that accepts them, and the time at which all begins."""

from datetime import datetime

import pytest
from django.utils import timezone

from tests.conformance.orders import answering
from tests.partners import Network, Partner, register


@pytest.fixture
def cpo(cpo: Partner) -> Partner:
    cpo.answers.append(answering())
    return cpo


@pytest.fixture
def other_emsp(db: None, network: Network) -> Partner:
    """Another provider, AT*PRO."""
    return register(network, "PRO", "AT-PRO-EMSP")


@pytest.fixture
def start() -> datetime:
    return timezone.now().replace(microsecond=0)

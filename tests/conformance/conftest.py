import pytest

from tests.partners import Network, Partner, register


@pytest.fixture
def rival(db: None, network: Network) -> Partner:
    """Another charge point operator, BE*DEF, which has no business with what NL*ABC owns."""
    return register(network, "DEF", "BE-DEF-CPO")


@pytest.fixture
def other_emsp(db: None, network: Network) -> Partner:
    """Another provider, AT*PRO."""
    return register(network, "PRO", "AT-PRO-EMSP")

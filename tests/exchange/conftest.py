"""Fixtures of the tests of the machinery."""

import pytest


@pytest.fixture
def two_modules(settings) -> None:
    """Locations and Tokens are exchanged and nothing else: enough to show what holds for every module."""
    settings.OCPI_MODULES = ["locations", "tokens"]

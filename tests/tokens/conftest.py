"""More of the cast, for tests of authorize."""

import pytest

from ocpi_hub.partners.models import Platform
from tests.conformance.conftest import other_emsp as other_emsp
from tests.conformance.conftest import rival as rival
from tests.partners import Partner


@pytest.fixture
def flagged(emsp: Partner, other_emsp: Partner) -> tuple[Partner, Partner]:
    """Both providers, who are asked about tokens that nobody has pushed."""
    platforms = Platform.objects.filter(pk__in=[emsp.platform.pk, other_emsp.platform.pk])
    platforms.update(asked_about_unknown_tokens=True)
    return emsp, other_emsp

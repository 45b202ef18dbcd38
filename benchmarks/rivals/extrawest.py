"""The package extrawest-ocpi, serving its first Locations from memory: no database, no visibility, which favours it.

Runs in the environment of benchmarks/packages.py, under granian as the hub does, as the ASGI application that it is.
"""

from typing import Any

from py_ocpi import get_application
from py_ocpi.core.authentication.authenticator import Authenticator
from py_ocpi.core.crud import Crud
from py_ocpi.core.enums import ModuleID, RoleEnum
from py_ocpi.modules.versions.enums import VersionNumber

from benchmarks import documents

TOKEN = "the-token-of-a-measurement"  # noqa: S105
TOTAL = 80_000
LOCATIONS = [documents.location(number, "NL", "C00") for number in range(200)]


class Memory(Crud):
    """Answers lists; nothing else is asked here."""

    @classmethod
    async def list(cls, module: Any, role: Any, filters: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        offset, limit = filters["offset"], filters["limit"]
        return LOCATIONS[offset : offset + limit], TOTAL, offset + limit >= TOTAL


class Known(Authenticator):
    @classmethod
    async def get_valid_token_c(cls) -> list[str]:
        return [TOKEN]

    @classmethod
    async def get_valid_token_a(cls) -> list[str]:
        return []


def application() -> Any:
    return get_application(
        version_numbers=[VersionNumber.v_2_2_1],
        roles=[RoleEnum.cpo],
        crud=Memory,
        modules=[ModuleID.locations],
        authenticator=Known,
    )

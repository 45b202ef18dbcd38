"""Versions (version_information_endpoint.asciidoc).

What a peer lists is read tolerantly: module ids and versions that we do not know are plain strings, and the
role may be missing, as it was before 2.2.
"""

from typing import Annotated

from msgspec import Meta

from .types import URL, InterfaceRole, Text255, Wire

# Between a platform and its hub, not between parties; all others are functional modules, which are routed.
CONFIGURATION_MODULES = ("credentials", "hubclientinfo", "versions")


class Version(Wire, kw_only=True):
    version: Text255
    url: URL


class Endpoint(Wire, kw_only=True):
    identifier: Text255
    role: InterfaceRole | None = None
    url: URL


class VersionDetails(Wire, kw_only=True):
    version: Text255
    endpoints: Annotated[list[Endpoint], Meta(min_length=1)]

"""Export to Kubernetes for the system API, with the issuers that the platform trusts now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kapi.front.web.issuer_addresses import key_address
from kapi.gateway.kubernetes.context import export_context
from kapi.gateway.kubernetes.export import export_api
from kapi.gateway.kubernetes.files import as_zip
from kapi.policies import POLICIES
from kapi.policies.kubernetes import KeyAddress

if TYPE_CHECKING:
    from kapi.apis.compile import Compiled
    from kapi.identity.issuers.trust import Trust
    from kapi.settings import Settings


def exporting(
    settings: Settings, trust: Trust, compile_api: Callable[..., Compiled]
) -> Callable[[bytes, bytes, str], tuple[str, bytes]]:
    """Makes a function: conf, definition and organization to a file name and a zip."""

    def exported(
        conf: bytes, definition: bytes, organization: str
    ) -> tuple[str, bytes]:
        compiled = compile_api(
            conf, definition, organization=organization, policies=POLICIES
        )
        addresses = list(_followed(trust))
        api = compiled.api
        manifests = export_api(api, export_context(settings, addresses))
        return f"{api.name}-{api.version}.zip", as_zip(manifests)

    return exported


def _followed(trust: Trust) -> Iterable[KeyAddress]:
    for item in trust.followed():
        yield key_address(item.issuer, item.issuer.jwks_uri or item.state.jwks_uri)

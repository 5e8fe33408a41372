"""Objects for Kubernetes on the command line: without a platform, all is in the settings."""

from __future__ import annotations

from types import MappingProxyType

from kapi.apis.ir import Api
from kapi.apis.secrets import Secrets
from kapi.front.web.issuer_addresses import key_address
from kapi.gateway.kubernetes.context import ExportContext, export_context
from kapi.gateway.kubernetes.export import export_api
from kapi.gateway.kubernetes.names import Manifest
from kapi.gateway.secrets import of_settings
from kapi.identity.issuers.declaration import declare
from kapi.settings import Settings


def manifests_of(
    api: Api, settings: Settings, *, with_secrets: bool
) -> tuple[Manifest, ...]:
    """The objects of an API, without a running platform."""
    return export_api(api, context_of(settings, with_secrets=with_secrets))


def context_of(settings: Settings, *, with_secrets: bool) -> ExportContext:
    """What an export depends on, as the settings say it."""
    declared = [
        declare(item, settings.gateway.hosts) for item in settings.identity.issuers
    ]
    issuers = [key_address(item, item.jwks_uri) for item in declared]
    secrets = Secrets(MappingProxyType(of_settings(settings)))
    return export_context(settings, issuers, secrets, with_secrets=with_secrets)

"""What the objects depend on besides the API: settings, secrets and issuers."""

from __future__ import annotations

from collections.abc import Iterable

from kapi.apis.secrets import NO_SECRETS, Secrets
from kapi.dataclass import dataclass
from kapi.policies.kubernetes import KeyAddress
from kapi.settings import Settings

INBUILT = "kapi"
"""The name of the JWT provider of the inbuilt identity provider."""


@dataclass(frozen=True, slots=True)
class ExportContext:
    """One installation as the export sees it."""

    settings: Settings
    issuers: tuple[KeyAddress, ...]
    secrets: Secrets = NO_SECRETS
    with_secrets: bool = False
    """Whether Secrets with the credentials of backends are written too."""


def export_context(
    settings: Settings,
    issuers: Iterable[KeyAddress] = (),
    secrets: Secrets = NO_SECRETS,
    *,
    with_secrets: bool = False,
) -> ExportContext:
    """With the inbuilt provider before the other issuers, if it is enabled."""
    found = tuple(issuers)
    identity = settings.identity
    if identity.enabled:
        uri = f"{settings.gateway.origin(identity.host)}/oauth2/jwks"
        cluster = bool(settings.kubernetes.jwks_backend)
        found = (KeyAddress(INBUILT, identity.issuer, uri, in_cluster=cluster), *found)
    return ExportContext(settings, found, secrets, with_secrets)

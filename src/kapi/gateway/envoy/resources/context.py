"""The one input of the renderers besides the IR: a frozen value.

Renderers and policies get no other settings, so everything that can influence a rendered resource
is in this value. `gateway/deployment/fingerprint.py` hashes all of it: a stored resource that was
rendered from another input is not used again.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from kapi import run_files
from kapi.apis.secrets import NO_SECRETS, Secrets
from kapi.settings import GatewaySettings, Settings, SubscriptionsSettings, TracesSettings

_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)


@dataclass(frozen=True, slots=True)
class Provider:
    """The inbuilt identity provider, as far as routes lead to it."""

    enabled: bool
    host: str
    issuer: str
    testing: bool = False
    """Whether the powers of a test and further issuers are behind its host."""


@dataclass(frozen=True, slots=True)
class RenderContext:
    """The settings, files, sockets and secrets that resources are rendered from."""

    gateway: GatewaySettings
    subscriptions: SubscriptionsSettings
    provider: Provider
    organization: str
    """Owner of what names no organization."""
    ca_file: str
    """Certificate authorities that backends are checked against."""
    control_socket: str
    identity_sockets: tuple[str, ...]
    access_log: str = ""
    """File of the access log; empty means none."""
    backend_log: str = ""
    """File of the log of https backends that are not believed; empty means none."""
    counters_socket: str = ""
    """Where Envoy answers the control process about its counters; empty means nowhere."""
    rejected_tokens_socket: str = ""
    """Where refused tokens are told; empty means nowhere."""
    secrets: Secrets = NO_SECRETS
    traces: TracesSettings = field(default_factory=TracesSettings)
    """Where spans go."""
    threads: int = 1
    """Worker threads of Envoy."""

    def host(self, organization: str, environment: str, *, sandbox: bool = False) -> str:
        """Where the APIs of an organization answer."""
        return api_host(self.gateway, organization, environment, sandbox=sandbox)


def api_host(
    gateway: GatewaySettings, organization: str, environment: str, *, sandbox: bool
) -> str:
    """Where the APIs of an organization answer."""
    label = organization
    if environment:
        label = f"{organization}-{environment}"
    domain = gateway.domain
    if sandbox:
        domain = f"sandbox.{gateway.domain}"
    return f"{label}.{domain}".lower()


def render_context(settings: Settings, secrets: Secrets = NO_SECRETS) -> RenderContext:
    """The context of this installation."""
    workers = 0
    if settings.identity.enabled:
        workers = settings.identity.workers
    return render_context_from(
        settings,
        ca_file=system_ca_file(),
        control_socket=str(run_files.control_socket(settings)),
        identity_sockets=tuple(str(run_files.identity_socket(settings, n)) for n in range(workers)),
        backend_log=str(run_files.log_path(settings, "backends")),
        access_log=str(run_files.log_path(settings, "access"))
        if settings.gateway.access_log
        else "",
        counters_socket=str(run_files.counters_socket(settings)),
        rejected_tokens_socket=str(run_files.rejected_tokens_socket(settings)),
        secrets=secrets,
    )


def render_context_from(
    settings: Settings,
    *,
    ca_file: str,
    control_socket: str,
    identity_sockets: tuple[str, ...],
    access_log: str = "",
    backend_log: str = "",
    counters_socket: str = "",
    rejected_tokens_socket: str = "",
    secrets: Secrets = NO_SECRETS,
) -> RenderContext:
    """A context with these settings; the other arguments are fields of `RenderContext`."""
    identity = settings.identity
    return RenderContext(
        gateway=settings.gateway,
        subscriptions=settings.subscriptions,
        provider=Provider(identity.enabled, identity.host, identity.issuer, identity.testing),
        organization=settings.apis.organization,
        ca_file=ca_file,
        control_socket=control_socket,
        identity_sockets=identity_sockets,
        access_log=access_log,
        backend_log=backend_log,
        counters_socket=counters_socket,
        rejected_tokens_socket=rejected_tokens_socket,
        secrets=secrets,
        traces=settings.traces,
        threads=settings.gateway.threads,
    )


def system_ca_file() -> str:
    """The system's list of certificate authorities; SSL_CERT_FILE overrides it."""
    found = ssl.get_default_verify_paths().cafile
    for path in (found, *_CA_FILES):
        if path and Path(path).is_file():
            return path
    return _CA_FILES[0]

"""The one input of the renderers besides the IR: a frozen value.

Renderers and policies get no other settings, so everything that can influence a rendered resource
is in this value. `gateway/deployment/fingerprint.py` hashes all of it: a stored resource that was
rendered from another input is not used again.
"""

from __future__ import annotations

import ssl
from dataclasses import field
from pathlib import Path

from kapi import run_files
from kapi.apis.secrets import NO_SECRETS, Secrets
from kapi.dataclass import dataclass
from kapi.settings import (
    GatewaySettings,
    Settings,
    SubscriptionsSettings,
    TracesSettings,
)

_BESIDES_REDIS = 100
"""Milliseconds for the process between Envoy and Redis."""
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
    hosts: tuple[str, ...]
    """The names of its host; the configured one is the first."""
    issuer: str
    testing: bool = False
    """Whether the powers of a test and further issuers are behind its host."""


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """The process of this node that counts limits with other nodes."""

    socket: str
    away: str
    """What happens while the count of all nodes is away (settings `limits.away`)."""
    milliseconds: int
    """How long an answer may take."""


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
    loopback_socket: str = ""
    """Where the control process reaches backends by the routes of APIs; empty means nowhere."""
    rejected_tokens_socket: str = ""
    """Where refused tokens are told; empty means nowhere."""
    shared_limits: SharedLimits | None = None
    """Where limits are counted with other nodes; None means that each node counts alone."""
    secrets: Secrets = NO_SECRETS
    traces: TracesSettings = field(default_factory=TracesSettings)
    """Where spans go."""
    threads: int = 1
    """Worker threads of Envoy."""
    console_hosts: tuple[str, ...] = ()
    """The names of the console's host; none if there is no console."""

    def host(
        self, organization: str, environment: str, *, sandbox: bool = False
    ) -> str:
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
        identity_sockets=tuple(
            str(run_files.identity_socket(settings, n)) for n in range(workers)
        ),
        backend_log=str(run_files.log_path(settings, "backends")),
        access_log=str(run_files.log_path(settings, "access"))
        if settings.gateway.access_log
        else "",
        counters_socket=str(run_files.counters_socket(settings)),
        loopback_socket=str(run_files.loopback_socket(settings)),
        rejected_tokens_socket=str(run_files.rejected_tokens_socket(settings)),
        shared_limits=_shared_limits(settings),
        secrets=secrets,
    )


def _shared_limits(settings: Settings) -> SharedLimits | None:
    limits = settings.limits
    if not limits.redis:
        return None
    # Envoy waits a little longer than the process does for Redis.
    milliseconds = int(limits.timeout * 1000) + _BESIDES_REDIS
    return SharedLimits(
        str(run_files.limits_socket(settings)), limits.away, milliseconds
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
    loopback_socket: str = "",
    rejected_tokens_socket: str = "",
    shared_limits: SharedLimits | None = None,
    secrets: Secrets = NO_SECRETS,
) -> RenderContext:
    """A context with these settings; the other arguments are fields of `RenderContext`."""
    identity = settings.identity
    return RenderContext(
        gateway=settings.gateway,
        subscriptions=settings.subscriptions,
        provider=Provider(
            identity.enabled, settings.provider_hosts, identity.issuer, identity.testing
        ),
        organization=settings.apis.organization,
        ca_file=ca_file,
        control_socket=control_socket,
        identity_sockets=identity_sockets,
        access_log=access_log,
        backend_log=backend_log,
        counters_socket=counters_socket,
        loopback_socket=loopback_socket,
        rejected_tokens_socket=rejected_tokens_socket,
        shared_limits=shared_limits,
        secrets=secrets,
        traces=settings.traces,
        threads=settings.gateway.threads,
        console_hosts=settings.console_hosts,
    )


def system_ca_file() -> str:
    """The system's list of certificate authorities; SSL_CERT_FILE overrides it."""
    found = ssl.get_default_verify_paths().cafile
    for path in (found, *_CA_FILES):
        if path and Path(path).is_file():
            return path
    return _CA_FILES[0]

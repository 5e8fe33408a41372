"""What the renderers must know of the machine besides the IR. A value, so that they stay pure; `site_of` makes it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from kapi import run_files
from kapi.apis.secrets import NO_SECRETS, Secrets
from kapi.settings import Settings

_CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem")


@dataclass(frozen=True, slots=True)
class Site:
    """One installation as Envoy sees it."""

    settings: Settings
    ca_file: str
    """Certificate authorities that backends are checked against."""
    control_socket: str
    identity_sockets: tuple[str, ...]
    access_log: str = ""
    """File of the access log; empty means none."""
    ledger_socket: str = ""
    refusals_socket: str = ""
    """Where refused tokens are told; empty means nowhere."""
    """Where Envoy answers the control process about its counters; empty means nowhere."""
    secrets: Secrets = NO_SECRETS

    def host(self, organization: str, environment: str, *, sandbox: bool = False) -> str:
        """Where the APIs of an organization answer."""
        label = f"{organization}-{environment}" if environment else organization
        return f"{label}.{'sandbox.' if sandbox else ''}{self.settings.gateway.domain}".lower()


def site_of(settings: Settings) -> Site:
    """The site on this machine."""
    return Site(
        settings=settings,
        ca_file=system_ca_file(),
        control_socket=str(run_files.control_socket(settings)),
        identity_sockets=tuple(
            str(run_files.identity_socket(settings, n)) for n in range(settings.identity.workers if settings.identity.enabled else 0)
        ),
        access_log=str(run_files.log_path(settings, "access")) if settings.gateway.access_log else "",
        ledger_socket=str(run_files.ledger_socket(settings)),
        refusals_socket=str(run_files.refusals_socket(settings)),
    )


def system_ca_file() -> str:
    """The system's list of certificate authorities; SSL_CERT_FILE overrides it."""
    found = ssl.get_default_verify_paths().cafile
    candidates = (*((found,) if found else ()), *_CA_FILES)
    return next((path for path in candidates if Path(path).is_file()), _CA_FILES[0])

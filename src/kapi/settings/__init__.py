"""The one settings tree. Defaults here make `kapi up` work with no file at all.

Plain frozen dataclasses, so that the long-running processes carry nothing else; `settings/reading.py` fills and
checks them from kapi.toml, KAPI_… variables and flags.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kapi.settings.ai import AiProviderSettings
from kapi.settings.identity import (
    DEFAULT_ALGORITHM,
    WELL_KNOWN_CLIENT_ID,
    WELL_KNOWN_CLIENT_SECRET,
    AssertionIssuerSettings,
    ClientSettings,
    IdentitySettings,
    UserSettings,
)
from kapi.settings.issuers import IssuerSettings
from kapi.settings.limits import ApplicationSettings, SubscriptionsSettings, TierSettings
from kapi.settings.resources import ResourceSettings
from kapi.settings.values import built
from kapi.settings.words import SIGNING_ALGORITHMS

__all__ = [
    "DEFAULT_ALGORITHM",
    "SECTIONS",
    "SIGNING_ALGORITHMS",
    "WELL_KNOWN_CLIENT_ID",
    "WELL_KNOWN_CLIENT_SECRET",
    "AiProviderSettings",
    "ApisSettings",
    "ApplicationSettings",
    "AssertionIssuerSettings",
    "ClientSettings",
    "GatewaySettings",
    "IdentitySettings",
    "IssuerSettings",
    "ResourceSettings",
    "Settings",
    "SubscriptionsSettings",
    "TierSettings",
    "UserSettings",
    "default_data_dir",
    "from_json_value",
    "to_json_value",
]


FLOWS = ("request", "response")
"""Where an interceptor service is asked."""


@dataclass(frozen=True, slots=True)
class InterceptorSettings:
    """One interceptor service for every API, asked after those of the API itself on the way in, before them on the way out."""

    url: str = field(metadata={"key": True, "needed": True})
    flows: tuple[str, ...] = field(default=FLOWS, metadata={"choices": FLOWS})
    headers: bool = True
    body: bool = False
    trailers: bool = False
    context: bool = True
    tls_secret_name: str = ""
    """A named secret with the certificate authorities that an https service is checked against; empty takes the system's."""
    tls_secret_key: str = ""


@dataclass(frozen=True, slots=True)
class EnforcerSettings:
    """What the gateway asks others about in the middle of a call: interceptor services, and our own process for backend JWTs."""

    timeout: int = field(default=5, metadata={"range": (1, 300)})
    """Seconds for an answer of the enforcer."""
    interceptor_timeout: int = field(default=10, metadata={"range": (1, 300)})
    """Seconds for an answer of an interceptor service."""
    max_body_bytes: int = field(default=100 * 1024, metadata={"range": (1024, 16 * 1024**2)})
    """Largest body that an interceptor service or a script may see."""
    max_reply_bytes: int = field(default=1024**2, metadata={"range": (1024, 16 * 1024**2)})
    """Longest answer of an interceptor service."""
    backend_jwt_issuer: str = "wso2.org/products/am"


@dataclass(frozen=True, slots=True)
class WasmSettings:
    """WebAssembly modules of APIs."""

    folder: str = ""
    """Folder of modules that confs name by `file:NAME`; relative to the data directory."""
    max_module_bytes: int = field(default=16 * 1024**2, metadata={"range": (1024, 1024**3)})
    host_keys: tuple[str, ...] = ()
    """Environment variables of Envoy that a conf may hand to its modules."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Envoy and what it listens on."""

    listen: str = "127.0.0.1"
    port: int = field(default=9095, metadata={"range": (1, 65535)})
    public_port: int = field(default=0, metadata={"range": (0, 65535)})
    """The port that callers use, where a front or a port mapping stands before the gateway; 0 means `port`."""
    envoy: str = ""
    """Path of an Envoy binary; empty means the one that came with the package, else `envoy` on PATH."""
    concurrency: int = field(default=0, metadata={"range": (0, 256)})
    """Envoy worker threads; 0 means one per processor."""
    api_host: str = "api.am.wso2.com"
    domain: str = "gw.wso2.com"
    """Deployed APIs answer on `<organization>[-<environment>].<domain>` and `….sandbox.<domain>`."""
    hosts: dict[str, str] = field(default_factory=dict)
    """Backend host names to addresses: `backend = "127.0.0.1"`, `"backend:80" = "127.0.0.1:3000"`."""
    version_routing: bool = False
    """Route `/base/v1` to the newest deployed version `v1.x`."""
    apk_methods: bool = False
    """As in APK: 404 for a method that no operation of a target has, and HEAD only where an operation has it."""
    client_certificate_header: str = ""
    """Header in which trusted fronts send the client's certificate (PEM); empty means TLS connections only."""
    trusted_fronts: tuple[str, ...] = ()
    """Networks of the fronts whose certificate header is believed."""
    header_certificate_dates: bool = True
    """Whether the dates of a pinned certificate count when it comes in that header."""
    code_of_apis: str = field(default="auto", metadata={"choices": ("auto", "on", "off")})
    """Whether APIs may bring Lua scripts and WebAssembly modules; `auto`: only while `listen` is a loopback address."""
    watchdog_seconds: int = field(default=10, metadata={"range": (5, 600)})
    """How long a thread of Envoy may take before the process is ended and started again."""
    access_log: bool = False
    access_log_bytes: int = field(default=100 * 1024**2, metadata={"range": (0, 1024**4)})
    """Largest access log; one older file is kept. 0 is no bound, for a rotation from outside."""
    token_cache_size: int = field(default=10_000, metadata={"range": (1, 10_000_000)})
    """Most verified tokens of an issuer that each thread of Envoy remembers."""
    token_cache_bytes: int = field(default=128 * 1024**2, metadata={"range": (1024**2, 1024**4)})
    """Memory for them, of all threads and issuers together."""
    drain_seconds: int = field(default=5, metadata={"range": (0, 3600)})
    max_heap_bytes: int = field(default=2 * 1024**3, metadata={"range": (64 * 1024**2, 1024**4)})
    max_connections: int = field(default=10_000, metadata={"range": (1, 10_000_000)})
    interceptors: tuple[InterceptorSettings, ...] = ()
    enforcer: EnforcerSettings = EnforcerSettings()
    wasm: WasmSettings = WasmSettings()
    ai_providers: tuple[AiProviderSettings, ...] = ()
    """AI providers besides the built-in ones."""

    def origin(self, host: str) -> str:
        """How callers write this host's address (RFC 6454 §6.2): the usual port is left out."""
        port = self.public_port or self.port
        return f"https://{host}" if port == 443 else f"https://{host}:{port}"


@dataclass(frozen=True, slots=True)
class ApisSettings:
    """Limits and defaults of the system APIs."""

    organization: str = "default"
    """Owner of an API when the token carries no organization."""
    max_conf_bytes: int = field(default=1024 * 1024, metadata={"range": (1024, 1024**3)})
    max_definition_bytes: int = field(default=16 * 1024 * 1024, metadata={"range": (1024, 1024**3)})
    fetch_timeout: int = field(default=10, metadata={"range": (1, 600)})
    """Seconds a definition URL may take."""
    notification_key: str = field(default="", repr=False, metadata={"secret": True})
    """What callers of the notification API send as `stsAuthKey`; empty turns that API off."""
    workers: int = field(default=0, metadata={"range": (0, 256)})
    """Documents that are read at the same time, of each kind (generate, deploy); 0 means half the processors, at least two."""
    work_seconds: int = field(default=30, metadata={"range": (1, 3600)})
    """Seconds that reading one document may take."""
    work_bytes: int = field(default=512 * 1024**2, metadata={"range": (64 * 1024**2, 1024**4)})
    """Memory that reading one document may take."""
    fetch_private_networks: bool = False
    """Fetch definitions from private addresses even when listening on the network."""


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """One value of a named secret or certificate, as confs address it."""

    name: str = field(metadata={"needed": True})
    key: str = field(metadata={"needed": True})
    value: str = field(default="", repr=False, metadata={"secret": True})
    value_variable: str = ""
    """Name of the environment variable that holds the value."""
    organization: str = ""
    """Whose secret it is; empty means `apis.organization`."""


@dataclass(frozen=True, slots=True)
class SecretsSettings:
    """Named secrets and certificates; others are set while kapi runs (`kapi secret set`)."""

    values: tuple[SecretSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings."""

    data_dir: Path
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    apis: ApisSettings = field(default_factory=ApisSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    subscriptions: SubscriptionsSettings = field(default_factory=SubscriptionsSettings)


def to_json_value(settings: Settings) -> dict[str, Any]:
    """Settings as JSON-ready values. Holds secrets: write it only to a 0600 file."""
    return {**asdict(settings), "data_dir": str(settings.data_dir)}


def default_data_dir(environ: Mapping[str, str]) -> Path | None:
    """Below the user's data home (XDG Base Directory); None for a user without a home directory."""
    if environ.get("XDG_DATA_HOME"):
        return Path(environ["XDG_DATA_HOME"]) / "kapi"
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError:  # no HOME, and no entry in the password database
        return None
    return (
        home
        / ("Library/Application Support" if sys.platform == "darwin" else ".local/share")
        / "kapi"
    )


SECTIONS: dict[str, type] = {
    "identity": IdentitySettings,
    "gateway": GatewaySettings,
    "apis": ApisSettings,
    "secrets": SecretsSettings,
    "subscriptions": SubscriptionsSettings,
}
"""The tables of kapi.toml."""


def from_json_value(value: dict[str, Any]) -> Settings:
    """The inverse of `to_json_value`, for child processes; the values were checked before they were written."""
    settings: Settings = built(Settings, value)
    return settings

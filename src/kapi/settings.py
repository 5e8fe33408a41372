"""The one settings tree. Defaults here make `kapi up` work with no file at all.

Plain frozen dataclasses, so that the long-running processes carry nothing else; `settings_reading.py` fills and
checks them from kapi.toml, KAPI_… variables and flags.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

WELL_KNOWN_CLIENT_ID = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
WELL_KNOWN_CLIENT_SECRET = "4fbd62ec-a92e-11ed-afa1-0242ac120002"  # noqa: S105 - published in the guide, for tests only


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One OAuth client of the inbuilt provider."""

    id: str
    secret: str = field(repr=False)
    name: str = ""
    grants: tuple[str, ...] = ("client_credentials",)
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("*",)
    """Scopes the client may ask for; `*` grants whatever it asks for (non-production)."""


def _seeded_clients() -> tuple[ClientSettings, ...]:
    return (
        ClientSettings(
            id=WELL_KNOWN_CLIENT_ID,
            secret=WELL_KNOWN_CLIENT_SECRET,
            name="seeded non-production client",
            grants=("client_credentials", "refresh_token", "authorization_code"),
            redirect_uris=("http://httpbin.org",),
        ),
    )


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The inbuilt, non-production identity provider."""

    host: str = "idp.am.wso2.com"
    issuer: str = "https://idp.am.wso2.com/token"
    key_id: str = "gateway_certificate_alias"
    token_lifetime: int = 3600
    """Seconds an access token is valid."""
    default_audience: str = ""
    """Added as `aud` to every access token when not empty (APK 1.1 and later send `aud1`)."""
    workers: int = 1
    clients: tuple[ClientSettings, ...] = field(default_factory=_seeded_clients)
    non_production_on_network: bool = False
    """Allow the well-known client while listening on a non-loopback address."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Envoy and what it listens on."""

    listen: str = "127.0.0.1"
    port: int = 9095
    envoy: str = ""
    """Path of an Envoy binary; empty means the one that came with the package, else `envoy` on PATH."""
    concurrency: int = 0
    """Envoy worker threads; 0 means one per processor."""
    api_host: str = "api.am.wso2.com"
    domain: str = "gw.wso2.com"
    """Deployed APIs answer on `<organization>[-<environment>].<domain>` and `….sandbox.<domain>`."""
    hosts: dict[str, str] = field(default_factory=dict)
    """Backend host names to addresses: `backend = "127.0.0.1"`, `"backend:80" = "127.0.0.1:3000"`."""
    access_log: bool = False
    token_cache_size: int = 10_000
    drain_seconds: int = 5
    max_heap_bytes: int = 2 * 1024**3
    max_connections: int = 10_000


@dataclass(frozen=True, slots=True)
class ApisSettings:
    """Limits and defaults of the system APIs."""

    organization: str = "default"
    """Owner of an API when the token carries no organization."""
    max_conf_bytes: int = 1024 * 1024
    max_definition_bytes: int = 10 * 1024 * 1024
    fetch_timeout: int = 10
    """Seconds a definition URL may take."""
    fetch_private_networks: bool = False
    """Fetch definitions from private addresses even when listening on the network."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings."""

    data_dir: Path
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    apis: ApisSettings = field(default_factory=ApisSettings)


def to_json_value(settings: Settings) -> dict[str, Any]:
    """Settings as JSON-ready values. Holds secrets: write it only to a 0600 file."""
    return {**asdict(settings), "data_dir": str(settings.data_dir)}


def from_json_value(value: dict[str, Any]) -> Settings:
    """The inverse of `to_json_value`, for child processes; the values were checked before they were written."""
    identity = dict(value["identity"])
    identity["clients"] = tuple(client_of(client) for client in identity["clients"])
    return Settings(
        data_dir=Path(value["data_dir"]),
        identity=IdentitySettings(**identity),
        gateway=GatewaySettings(**value["gateway"]),
        apis=ApisSettings(**value["apis"]),
    )


def client_of(value: dict[str, Any]) -> ClientSettings:
    """A client from checked JSON or TOML values."""
    fields: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
    return ClientSettings(**fields)

"""The settings: one package, one file for each section, checks beside the fields.

The dataclasses are frozen and plain, so that the processes import nothing else for them. The
defaults make `kapi up` work without a file. `reading.py` fills them from kapi.toml, KAPI_…
variables and flags, and `checks.py` runs the checks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from kapi.dataclass import dataclass
from kapi.settings.ai import AiProviderSettings
from kapi.settings.apis import ApisSettings
from kapi.settings.checks import Mistake
from kapi.settings.gateway import (
    LOCAL_CONSOLE,
    LOCAL_PROVIDER,
    EnforcerSettings,
    GatewaySettings,
    InterceptorSettings,
    WasmSettings,
)
from kapi.settings.identity import (
    AssertionIssuerSettings,
    IdentitySettings,
    RegistrationSettings,
)
from kapi.settings.identity.clients import ClientSettings
from kapi.settings.identity.issuers import IssuerSettings
from kapi.settings.identity.resources import ResourceSettings
from kapi.settings.identity.users import UserSettings
from kapi.settings.identity.well_known import (
    WELL_KNOWN_CLIENT_ID,
    WELL_KNOWN_CLIENT_SECRET,
)
from kapi.settings.kubernetes import KubernetesSettings
from kapi.settings.limits import LimitsSettings
from kapi.settings.operate.audit import AuditSettings
from kapi.settings.operate.console import ConsoleSettings
from kapi.settings.operate.metrics import MetricsSettings
from kapi.settings.operate.traces import TracesSettings
from kapi.settings.secrets import SecretSettings, SecretsSettings
from kapi.settings.store import StoreSettings
from kapi.settings.subscriptions import (
    ApplicationSettings,
    SubscriptionsSettings,
    TierSettings,
)
from kapi.settings.values import built
from kapi.settings.words import DEFAULT_ALGORITHM, SIGNING_ALGORITHMS

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
    "AuditSettings",
    "ClientSettings",
    "ConsoleSettings",
    "EnforcerSettings",
    "GatewaySettings",
    "IdentitySettings",
    "InterceptorSettings",
    "IssuerSettings",
    "KubernetesSettings",
    "LimitsSettings",
    "MetricsSettings",
    "RegistrationSettings",
    "ResourceSettings",
    "SecretSettings",
    "SecretsSettings",
    "Settings",
    "StoreSettings",
    "SubscriptionsSettings",
    "TierSettings",
    "TracesSettings",
    "UserSettings",
    "WasmSettings",
    "default_data_dir",
    "from_json_value",
    "to_json_value",
]


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a platform, checked."""

    data_dir: Path
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    apis: ApisSettings = field(default_factory=ApisSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    subscriptions: SubscriptionsSettings = field(default_factory=SubscriptionsSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    traces: TracesSettings = field(default_factory=TracesSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    sources: dict[str, str] = field(default_factory=dict, compare=False)
    """Where each value came from, by dotted name: a file, a variable or a flag."""

    @property
    def console_hosts(self) -> tuple[str, ...]:
        """The names of the console's host; none if there is no console."""
        if not self.console.enabled or not self.identity.enabled:
            return ()
        names = [self.console.host.lower()]
        if self.gateway.localhost_names and LOCAL_CONSOLE not in (
            *names,
            *self._other_hosts,
        ):
            names.append(LOCAL_CONSOLE)
        return tuple(names)

    @property
    def _other_hosts(self) -> tuple[str, ...]:
        """The names of the hosts of the provider and of the system APIs."""
        return (*self.provider_hosts, *self.gateway.api_hosts)

    @property
    def provider_hosts(self) -> tuple[str, ...]:
        """The names of the inbuilt provider's host; the configured one is the first."""
        host = self.identity.host.lower()
        if (
            not self.gateway.localhost_names
            or self.gateway.api_host.lower() == LOCAL_PROVIDER
        ):
            return (host,)
        return tuple(dict.fromkeys((host, LOCAL_PROVIDER)))

    @property
    def own_issuers(self) -> tuple[str, ...]:
        """`iss` of the inbuilt provider under each of its names; the configured one is the first.

        A client must find the issuer that it asked for (OpenID Connect Discovery §4.3).
        """
        more = map(self.gateway.origin, self.provider_hosts[1:])
        return tuple(dict.fromkeys((self.identity.issuer, *more)))

    def mistakes(self) -> Iterator[Mistake]:
        """What the sections say together."""
        if (
            self.identity.enabled
            and self.identity.host.lower() in self.gateway.api_hosts
        ):
            what = f"is {self.identity.host}, a host of the system APIs"
            hint = "Give the provider a host of its own, or say gateway.localhost_names = false."
            yield Mistake(what, hint, ".identity.host")
        if self.console.host.lower() in self._other_hosts and self.console_hosts:
            what = (
                f"is {self.console.host}, a host of the provider or of the system APIs"
            )
            yield Mistake(what, "Give the console a host of its own.", ".console.host")
        for mistake in self.subscriptions.repeated_applications(self.apis.organization):
            yield mistake.below(".subscriptions")


SECTIONS: dict[str, type] = {
    "identity": IdentitySettings,
    "gateway": GatewaySettings,
    "apis": ApisSettings,
    "secrets": SecretsSettings,
    "subscriptions": SubscriptionsSettings,
    "store": StoreSettings,
    "limits": LimitsSettings,
    "kubernetes": KubernetesSettings,
    "metrics": MetricsSettings,
    "audit": AuditSettings,
    "traces": TracesSettings,
    "console": ConsoleSettings,
}
"""The tables of kapi.toml."""


def to_json_value(settings: Settings) -> dict[str, Any]:
    """Settings as JSON-ready values. They contain secrets: write them only to a 0600 file."""
    return {**asdict(settings), "data_dir": str(settings.data_dir)}


def from_json_value(value: dict[str, Any]) -> Settings:
    """The inverse of `to_json_value`, for child processes: the values were checked before."""
    settings: Settings = built(Settings, value)
    return settings


def default_data_dir(environ: Mapping[str, str]) -> Path | None:
    """Below the user's data home (XDG Base Directory); None for a user without a home directory."""
    if environ.get("XDG_DATA_HOME"):
        return Path(environ["XDG_DATA_HOME"]) / "kapi"
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError:  # no HOME, and no entry in the password database
        return None
    if sys.platform == "darwin":
        return home / "Library/Application Support/kapi"
    return home / ".local/share/kapi"

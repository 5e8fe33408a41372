"""Named secrets and certificates of an installation. Called by `front/web/system/secrets.py`.

Those of the settings do not change while kapi runs; others are set through the system API.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from kapi import error_codes
from kapi.apis.secrets import SecretId, Secrets
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.gateway.deployment.change import Key
from kapi.gateway.deployment.planning import Planning
from kapi.settings import Settings
from kapi.store import Rendered
from kapi.store.gateway.secrets import SecretStore, StoredSecret


class Gateway(Protocol):
    """The part of the deployer that is used here."""

    def planning(self, secrets: Mapping[SecretId, str]) -> Planning:
        """Says what changes would do, once these secrets are set."""

    def use_secret(
        self,
        changed: SecretId,
        value: str | None,
        keep: Callable[[Sequence[Rendered], Sequence[Key], int], None],
    ) -> None:
        """Render again whatever names the secret; raise with nothing changed if that fails."""


@dataclass(frozen=True, slots=True)
class SecretName:
    """A secret without its value. `source` is `settings` or `stored`.

    `updated_at` is 0 for a secret of the settings.
    """

    name: str
    key: str
    source: str
    updated_at: int = 0


def of_settings(settings: Settings) -> dict[SecretId, str]:
    """The secrets that kapi.toml, files and variables give."""
    owner = settings.apis.organization
    return {
        (item.organization or owner, item.name, item.key): item.value
        for item in settings.secrets.values
        if item.value
    }


def known_secrets(settings: Settings, store: SecretStore) -> Secrets:
    """All secrets as one value."""
    stored = {
        (item.organization, item.name, item.key): item.value for item in store.all()
    }
    return Secrets(MappingProxyType({**stored, **of_settings(settings)}))


class NamedSecrets:
    """Sets, lists and removes secrets, one change at a time."""

    def __init__(
        self,
        settings: Settings,
        store: SecretStore,
        gateway: Gateway,
        now: Callable[[], float],
    ) -> None:
        self._fixed: Mapping[SecretId, str] = of_settings(settings)
        self._settings = settings
        self._store = store
        self._gateway = gateway
        self._now = now
        self._lock = threading.Lock()

    def list(self, organization: str) -> tuple[SecretName, ...]:
        """The names and keys of an organization's secrets, never a value."""
        fixed = [
            SecretName(name, key, "settings")
            for owner, name, key in self._fixed
            if owner == organization
        ]
        names = [*fixed, *self._stored(organization)]
        return tuple(sorted(names, key=lambda item: (item.name, item.key)))

    def _stored(self, organization: str) -> Iterator[SecretName]:
        """The stored secrets; those of the settings take precedence."""
        for item in self._store.all():
            key = (item.organization, item.name, item.key)
            if item.organization == organization and key not in self._fixed:
                yield SecretName(item.name, item.key, "stored", item.updated_at)

    def stored(self) -> tuple[StoredSecret, ...]:
        """All that are not in the settings, with their values."""
        return self._store.all()

    def values(self) -> dict[str, str]:
        """The values of these, by `organization/name/key`."""
        return {
            f"{item.organization}/{item.name}/{item.key}": item.value
            for item in self.stored()
        }

    def value(self, organization: str, name: str, key: str) -> str | None:
        """The current value, or None."""
        known = known_secrets(self._settings, self._store)
        return known.values.get((organization, name, key))

    def check(self, organization: str, name: str, key: str, value: str) -> None:
        """Raise Problem if `set` would refuse this, but for what Envoy says."""
        changed = (organization, name, key)
        self._refuse_fixed(changed)
        self._gateway.planning({changed: value}).refuse_unusable((changed,))

    def set(self, organization: str, name: str, key: str, value: str) -> None:
        """Set a value. When this returns, every API that names it uses it.

        Raises Problem or GatewayError with nothing changed.
        """
        changed = (organization, name, key)
        with self._lock:
            self._refuse_fixed(changed)
            stored = StoredSecret(organization, name, key, value, int(self._now()))
            self._gateway.use_secret(
                changed,
                value,
                lambda rendered, dropped, after: self._store.put(
                    stored, rendered, dropped, after=after
                ),
            )

    def remove(self, organization: str, name: str, key: str) -> None:
        """Remove a value. Raises Problem 404 when there is none, 409 while an API names it."""
        changed = (organization, name, key)
        with self._lock:
            self._refuse_fixed(changed)
            if changed not in known_secrets(self._settings, self._store).values:
                raise Problem.of(
                    error_codes.NOT_FOUND,
                    f"there is no secret {name} with the key {key}",
                    hint="See the secrets: kapi secret list.",
                )
            self._gateway.use_secret(
                changed,
                None,
                lambda _rendered, _dropped, after: self._store.remove(
                    organization, name, key, after=after
                ),
            )

    def _refuse_fixed(self, changed: SecretId) -> None:
        if changed in self._fixed:
            hint = "Change it there and restart, or choose another name."
            raise Problem.of(
                error_codes.VALUE_UNUSABLE,
                f"the secret {changed[1]} with the key {changed[2]} comes from the settings",
                hint=hint,
                status=409,
            )

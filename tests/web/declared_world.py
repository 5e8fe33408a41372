"""Declared objects of every kind on one store, without a gateway."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapi.apis.merge import Placement
from kapi.errors import Diagnostic, Invalid, KapiError
from kapi.fetch import get
from kapi.front.web.declared.applying import Applying, Asked, Outcome
from kapi.front.web.declared.endpoint import items_of
from kapi.front.web.declared.kinds.apis import Apis
from kapi.front.web.declared.kinds.applications import ApplicationKind
from kapi.front.web.declared.kinds.clients import Clients
from kapi.front.web.declared.kinds.issuers import Issuers
from kapi.front.web.declared.kinds.secrets import Secrets
from kapi.front.web.declared.kinds.settings import SettingsKind
from kapi.front.web.declared.kinds.subscriptions import Subscriptions
from kapi.front.web.declared.kinds.users import Users
from kapi.front.web.declared.objects import Stored
from kapi.gateway.applications import Applications
from kapi.gateway.deployment.planning import Planned, Upload
from kapi.gateway.secrets import NamedSecrets
from kapi.identity.accounts.users import Users as People
from kapi.identity.client_policy import ANYTHING, client_policy
from kapi.identity.issuers.trust import Trust
from kapi.identity.keys.keyring import wanted_algorithms
from kapi.settings import (
    ApisSettings,
    ClientSettings,
    IdentitySettings,
    ResourceSettings,
    SecretSettings,
    SecretsSettings,
    Settings,
    SubscriptionsSettings,
    UserSettings,
)
from kapi.settings.subscriptions import (
    ApplicationSettings,
    ConsumerKeySettings,
    TierSettings,
)
from kapi.store import Store
from kapi.store.gateway.applications import ApplicationStore
from kapi.store.gateway.declared import DeclaredObjects
from kapi.store.gateway.secrets import SecretStore
from kapi.store.issuers import IssuerStore
from kapi.store.registered_clients import RegisteredClients
from kapi.store.users import UserStore
from standin import Key

NOW = 1_800_000_000
PEM = Key.make("k", "ES256").pem()
RESOURCE = ResourceSettings("https://a.example", token_lifetime=60)
SETTINGS = Settings(
    Path("/nowhere"),
    IdentitySettings(
        clients=(ClientSettings("fixed", secret="s" * 32),),
        users=(UserSettings("root", "correct horse"),),
        resources=(RESOURCE,),
    ),
    secrets=SecretsSettings((SecretSettings("db", "fixed", "v", organization="acme"),)),
    subscriptions=SubscriptionsSettings(
        tiers=(TierSettings("gold", requests=5),),
        applications=(
            ApplicationSettings(
                "Fixed", "f1", "acme", keys=(ConsumerKeySettings("fixed-key"),)
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Deployed:
    """An API that the gateway has."""

    id: str
    organization: str
    name: str
    version: str = "1"
    environment: str = ""
    base_paths: tuple[str, ...] = ()


@dataclass
class Gateway:
    """Deploys files whose conf is the name of an API; one that begins with `wrong` has mistakes."""

    sources: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    apis: dict[str, Deployed] = field(default_factory=dict)
    compiled: list[str] = field(default_factory=list)
    used: list[tuple[Any, str | None]] = field(default_factory=list)
    secrets: Mapping[Any, str] = field(default_factory=dict)
    refuses_secrets: KapiError | None = None

    @property
    def deployed(self) -> tuple[Deployed, ...]:
        return tuple(self.apis.values())

    def list(self, organization: str) -> list[Deployed]:
        return [api for api in self.deployed if api.organization == organization]

    def api_source(self, api_id: str) -> tuple[str, bytes] | None:
        return self.sources.get(api_id)

    def planning(self, secrets: Mapping[Any, str]) -> Gateway:
        self.secrets = secrets
        return self

    def refuse_unusable(self, _changed: Any) -> None:
        if self.refuses_secrets is not None:
            raise self.refuses_secrets

    def plan(
        self,
        uploads: Sequence[Upload],
        organization: str,
        _beside: Sequence[Placement],
    ) -> tuple[Planned, ...]:
        return tuple(self._planned(upload, organization) for upload in uploads)

    def _planned(self, upload: Upload, organization: str) -> Planned:
        name = upload.conf.decode("utf-8-sig", "replace")
        self.compiled.append(name)
        if name.startswith("wrong"):
            source = name.removeprefix("wrong ")
            return Planned(None, (Diagnostic("X", "is wrong", "", "", source=source),))
        made: Any = Deployed(f"{organization}-{name}", organization, name)
        return Planned(made)

    def deploy(self, conf: bytes, definition: bytes, organization: str) -> None:
        name = conf.decode("utf-8-sig")
        api = Deployed(f"{organization}-{name}", organization, name)
        self.apis[api.id], self.sources[api.id] = api, (name, definition)

    def undeploy(self, api_id: str, organization: str) -> None:
        assert self.apis.pop(api_id).organization == organization

    def use_secret(
        self, changed: Any, value: str | None, keep: Callable[..., None]
    ) -> None:
        keep((), (), None)
        self.used.append((changed, value))


@dataclass
class World:
    """All kinds on one store."""

    applying: Applying
    store: Store
    users: UserStore
    clients: RegisteredClients
    applications: Applications
    secrets: NamedSecrets
    trust: Trust
    gateway: Gateway

    def apply(
        self,
        *objects: dict[str, Any],
        organization: str = "acme",
        caller: str = "",
        prune: bool = False,
    ) -> list[str]:
        """The kind, the name and the status of each object."""
        made = self.applying.apply(
            self._asked(objects, caller, prune=prune), organization
        )
        if made.failure is not None:
            raise made.failure
        return [
            f"{item['kind']} {item['name']}: {item['status']}" for item in made.objects
        ]

    def plan(self, *objects: dict[str, Any], organization: str = "acme") -> Outcome:
        return self.applying.plan(self._asked(objects, ""), organization)

    def mistakes(
        self, *objects: dict[str, Any], organization: str = "acme", caller: str = ""
    ) -> list[tuple[str, str]]:
        """Place and message of each mistake; nothing is changed then."""
        asked = self._asked(objects, caller)
        try:
            self.applying.plan(asked, organization)
        except Invalid as error:
            return [
                (item.pointer.removeprefix("#/objects/"), item.message)
                for item in error.diagnostics
            ]
        return []

    def _asked(
        self, objects: Sequence[dict[str, Any]], caller: str, *, prune: bool = False
    ) -> Asked:
        items = items_of(list(objects), self.applying.kinds)
        return Asked(items, "me", prune, caller)

    def stored(self, kind: str) -> list[Stored]:
        return list(self.applying.kinds[kind].stored())

    def documents(self, kind: str) -> dict[str, Any]:
        """What a dump has of a kind, by id."""
        return {item.id: dict(item.document) for item in self.stored(kind)}


@contextmanager
def declared_world(folder: Path, settings: Settings) -> Iterator[World]:
    """The kinds as the platform has them."""
    store = Store.open(folder / "kapi.db")
    database, identity = store.database, settings.identity
    gateway, numbers = Gateway(), itertools.count()
    users, clients = UserStore(database), RegisteredClients(database)
    secrets = NamedSecrets(
        settings,
        SecretStore(database),
        gateway,  # type: ignore[arg-type]
        lambda: float(NOW),
    )
    applications = Applications(
        settings,
        ApplicationStore(database),
        lambda: float(NOW),
        new_id=lambda: f"new-{next(numbers)}",
    )
    trust = Trust(settings=settings, store=IssuerStore(database), get=get, inbuilt=None)
    trust.start(lambda _: None)
    policy = client_policy(identity, wanted_algorithms(identity), ANYTHING)
    limits = ApisSettings(max_conf_bytes=100, max_definition_bytes=200)
    kinds = (
        SettingsKind("Provider", identity),
        SettingsKind("Resource", identity, "resources", "resource"),
        Secrets(secrets),
        Issuers(trust, "default"),
        Clients(identity.clients, clients, policy, os.urandom, lambda: float(NOW)),
        Users(
            People(identity.users, users),
            users,
            identity.issuer,
            lambda: f"subject-{next(numbers)}",
            lambda: float(NOW),
            "default",
        ),
        Apis(limits, gateway, gateway),  # type: ignore[arg-type]
        ApplicationKind(applications),
        Subscriptions(applications),
    )
    applying = Applying(kinds, DeclaredObjects(database))
    try:
        yield World(
            applying, store, users, clients, applications, secrets, trust, gateway
        )
    finally:
        trust.stop()
        store.close()

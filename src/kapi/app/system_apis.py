"""The system APIs, each bound to what it works with. Imported late: Envoy gets its configuration first."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kapi.settings import Settings
from kapi.store import Store
from kapi.store.keys import Keys
from kapi.store.registered_clients import RegisteredClients
from kapi.store.revocations import Revocations

if TYPE_CHECKING:
    from collections.abc import Callable

    from kapi.gateway.applications import Applications
    from kapi.gateway.deployment.deployer import Deployer
    from kapi.gateway.envoy.stream.server import Publisher
    from kapi.gateway.rate_limit_counters import RateLimitCounters
    from kapi.identity.clients.api_keys import ApiKeyIssuer
    from kapi.identity.issuers.trust import Trust
    from kapi.identity.possession.dpop import Nonces


@dataclass(frozen=True, slots=True)
class Control:
    """What the system APIs work with."""

    settings: Settings
    store: Store
    deployer: Deployer
    publisher: Publisher
    trust: Trust
    revocations: Revocations
    counters: RateLimitCounters
    applications: Applications
    key_issuer: ApiKeyIssuer

    def ready(self) -> bool:
        """Whether Envoy has its configuration and its counters."""
        return self.publisher.status().connected > 0 and self.counters.ready


def system_apis(control: Control) -> Any:
    """The ASGI application with every system API."""
    import uuid

    import uuid_utils

    from kapi.app.work import generating, places
    from kapi.fetch import fetch
    from kapi.front.web.http.access import Access
    from kapi.front.web.http.holders import Holders
    from kapi.front.web.openapi.document import described
    from kapi.front.web.system.api_keys import ApiKeysApi
    from kapi.front.web.system.apis import Lanes, SystemApi, build_system_api
    from kapi.front.web.system.applications import ApplicationsApi
    from kapi.front.web.system.clients import ClientsApi
    from kapi.front.web.system.definitions import Definitions
    from kapi.front.web.system.home import HomePages
    from kapi.front.web.system.issuers import IssuersApi
    from kapi.front.web.system.keys import KeysApi
    from kapi.front.web.system.metrics import Metrics
    from kapi.front.web.system.notifications import Notifications
    from kapi.front.web.system.protected_resources import ProtectedResources
    from kapi.front.web.system.secrets import SecretsApi
    from kapi.front.web.system.users import UsersApi
    from kapi.gateway.secrets import NamedSecrets
    from kapi.identity.clients.remote_documents import RemoteDocuments, fetches_private
    from kapi.identity.keys.rotation import rotating
    from kapi.identity.people.users import Users
    from kapi.store.secrets import SecretStore
    from kapi.store.users import UserStore

    settings, revocations = control.settings, control.revocations
    holders = Holders(settings, control.store.database, os.urandom, time.time)
    access = Access(
        control.trust.issuers,
        settings.apis.organization,
        revocations.is_revoked,
        control.trust.refused,
        holders,
    )
    lanes = Lanes.of(places(settings))
    apis = SystemApi(
        settings=settings,
        deployer=control.deployer,
        access=access,
        fetch=fetch,
        ready=control.ready,
        generate=generating(settings),
        lanes=lanes,
    )
    notifications = Notifications(settings.apis.notification_key, revocations, time.time)
    secrets = SecretsApi(
        NamedSecrets(settings, SecretStore(control.store.database), control.deployer, time.time),
        access,
    )
    stored = UserStore(control.store.database)
    people = Users(settings.identity.users, stored)
    users = UsersApi(
        access, people, stored, settings.identity.issuer, lambda: str(uuid.uuid4()), time.time
    )
    issuers = IssuersApi(access, control.trust, lanes.fetching)
    enforcer = _enforcer(settings, control, lambda: holders.nonces)
    applications = ApplicationsApi(control.applications, access)
    clients = ClientsApi(
        access,
        settings,
        RegisteredClients(control.store.database),
        RemoteDocuments(fetch, allow_private=fetches_private(settings)),
        os.urandom,
        lambda: str(uuid_utils.uuid7()),
        time.time,
    )
    metrics = Metrics(access, control.trust, time.time)
    rotation = rotating(
        settings.identity,
        Keys(control.store.database),
        control.trust,
        lambda: control.publisher.status().connected > 0,
    )
    keys = (KeysApi(access, rotation),) if settings.identity.enabled else ()
    resources = ProtectedResources(settings, control.store, control.deployer, control.trust.issuers)
    definitions = Definitions(control.store)
    api_keys = ApiKeysApi(control.key_issuer, access)
    every = (
        resources,
        enforcer,
        apis,
        api_keys,
        definitions,
        notifications,
        secrets,
        issuers,
        metrics,
        users,
        clients,
        applications,
        *keys,
    )
    routes = described(settings, [route for api in every for route in api.routes()])
    return build_system_api([*routes, *HomePages(settings).routes()])


def _enforcer(settings: Settings, control: Control, nonces: Callable[[], Nonces | None]) -> Any:
    import uuid

    from kapi.front.web.enforcer.proofs import Proofs
    from kapi.front.web.enforcer.questions import Enforcer
    from kapi.gateway.enforcer.backend_jwt import BackendJwts
    from kapi.gateway.enforcer.callers import find_caller
    from kapi.gateway.enforcer.replays import Replays
    from kapi.gateway.enforcer.signing import ensure_key
    from kapi.gateway.issuers import consumer_of
    from kapi.store.enforcer_keys import EnforcerKeys
    from kapi.store.records import Records

    issuer, store = settings.gateway.enforcer.backend_jwt_issuer, control.store
    return Enforcer(
        lambda: ensure_key(EnforcerKeys(store.database), int(time.time())),
        lambda keys: BackendJwts(
            keys,
            issuer,
            now=time.time,
            random_id=lambda: str(uuid.uuid4()),
            callers=partial(find_caller, control.applications.all),
            consumer=lambda claims: consumer_of(claims, control.deployer.issuers),
        ),
        Proofs(settings.gateway, Replays(time.time), Records(store.database), time.time, nonces),
        time.time,
    )

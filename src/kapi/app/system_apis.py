"""The system APIs, each with the parts that it works with.

Imported late: Envoy gets its configuration first.
"""

from __future__ import annotations

import os
import time
import uuid
from functools import partial
from typing import Any

import uuid_utils

from kapi import __version__
from kapi.app.control_parts import Control
from kapi.app.kubernetes_export import exporting
from kapi.app.operate.figures import sources
from kapi.app.operate.health_checks import health_checks
from kapi.app.operate.metrics_listener import serve_metrics
from kapi.app.process import audit_of
from kapi.app.work import compiling, generating, places
from kapi.audit import Record
from kapi.fetch import fetch
from kapi.front.web.enforcer.proofs import Proofs
from kapi.front.web.enforcer.questions import Enforcer
from kapi.front.web.http.access import Access
from kapi.front.web.http.holders import Holders
from kapi.front.web.openapi.document import described
from kapi.front.web.operate.audit import AuditApi
from kapi.front.web.operate.auditing import Auditing
from kapi.front.web.operate.health import Health
from kapi.front.web.operate.logs import LogsApi
from kapi.front.web.operate.metrics import Metrics
from kapi.front.web.system.api_keys import ApiKeysApi
from kapi.front.web.system.apis import Lanes, SystemApi, build_system_api
from kapi.front.web.system.applications import ApplicationsApi
from kapi.front.web.system.clients import ClientsApi
from kapi.front.web.system.definitions import Definitions
from kapi.front.web.system.home import HomePages
from kapi.front.web.system.issuers import IssuersApi
from kapi.front.web.system.keys import KeysApi
from kapi.front.web.system.kubernetes import KubernetesResources
from kapi.front.web.system.nodes import NodesApi
from kapi.front.web.system.notifications import Notifications
from kapi.front.web.system.protected_resources import ProtectedResources
from kapi.front.web.system.secrets import SecretsApi
from kapi.front.web.system.users import UsersApi
from kapi.gateway.calls.call_log import CallLog
from kapi.gateway.enforcer.backend_jwt import BackendJwts
from kapi.gateway.enforcer.callers import find_caller
from kapi.gateway.enforcer.replays import Replays
from kapi.gateway.enforcer.signing import ensure_key
from kapi.gateway.issuers import consumer_of
from kapi.gateway.nodes import OtherNodes
from kapi.gateway.secrets import NamedSecrets
from kapi.identity.accounts.users import Users
from kapi.identity.clients.remote_documents import RemoteDocuments, fetches_private
from kapi.identity.keys.rotation import Rotation, rotating
from kapi.run_files import log_path
from kapi.store.audit import AuditStore, Event
from kapi.store.gateway.enforcer_keys import EnforcerKeys
from kapi.store.gateway.secrets import SecretStore
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.leases import Lease
from kapi.store.nodes import Confirmed, Nodes, StoredNode
from kapi.store.records import Records
from kapi.store.registered_clients import RegisteredClients
from kapi.store.users import UserStore

KEYS_SECONDS = 10.0
"""How long a signing key waits for the gateways of the other nodes."""


def system_apis(control: Control) -> Any:
    """The ASGI application with all system APIs."""
    record = audit_of(control.settings, control.store).record
    routes = [route for api in _apis(control, record) for route in api.routes()]
    described_routes = described(control.settings, routes)
    app = build_system_api([*described_routes, *HomePages(control.settings).routes()])
    record(Event("platform.start", detail=f"version {__version__}"))
    return Auditing(record, control.settings.apis.organization, routes).around(app)


def _apis(control: Control, record: Record) -> tuple[Any, ...]:
    """The system APIs, in the order in which their routes are tried."""
    settings, database = control.settings, control.store.database
    trust, deployer = control.trust, control.deployer
    holders = Holders(settings, database, os.urandom, time.time)
    access = _access(control, holders)
    lanes = Lanes.of(places(settings))
    apis: tuple[Any, ...] = (
        ProtectedResources(settings, control.store, deployer, trust.issuers),
        _enforcer(control, holders),
        _deployments(control, access, lanes),
        ApiKeysApi(control.key_issuer, access),
        _kubernetes(control, lanes),
        Definitions(control.store),
        Notifications(settings.apis.notification_key, control.revocations, time.time),
        SecretsApi(NamedSecrets(settings, SecretStore(database), deployer, time.time), access),
        IssuersApi(access, trust, lanes.fetching),
        *_seen(control, access),
        AuditApi(
            access,
            AuditStore(database, settings.audit.max_events),
            settings.apis.organization,
        ),
        LogsApi(
            access,
            CallLog(log_path(settings, "access")),
            settings.apis.organization,
        ),
        _users(control, access),
        _clients(control, access),
        ApplicationsApi(control.applications, access),
        NodesApi(access, partial(_nodes, control), control.store.change),
    )
    if not settings.identity.enabled:
        return apis
    return (*apis, KeysApi(access, _rotation(control, record)))


def _nodes(control: Control) -> tuple[StoredNode, ...]:
    """The nodes of the database; without other nodes, this platform alone."""
    database = control.store.database
    if database.has_nodes:
        return Nodes(database).all()
    me, confirmed = (
        control.this_node.node,
        Confirmed(control.store.change(), database.version(KEYS)),
    )
    return (StoredNode(me.id, me.name, me.version, control.this_node.started_at, 0, confirmed),)


def _rotation(control: Control, record: Record) -> Rotation:
    database, me = control.store.database, control.this_node.node.id
    nodes = OtherNodes(Nodes(database))

    def unconfirmed() -> tuple[str, ...]:
        newest = database.version(KEYS)
        left = nodes.missing("signing_keys", newest, KEYS_SECONDS)
        return tuple(node.name for node in left)

    rotation = rotating(
        control.settings.identity,
        Keys(database),
        control.trust,
        control.is_connected,
        turn=Lease(database, "signing keys", me).held,
        unconfirmed=unconfirmed,
    )

    def told(event: str, kid: str) -> None:
        record(Event(event, target=kid, detail="by schedule"))

    rotation.told = told
    return rotation


def _seen(control: Control, access: Access) -> tuple[Health, Metrics]:
    """Health and metrics, on the listener of the settings too."""
    checks = health_checks(control)
    health, metrics = Health(checks), Metrics(access, sources(control, checks))
    if place := control.settings.metrics.listen:
        serve_metrics(place, [*metrics.local_routes(), *health.routes()])
    return health, metrics


def _access(control: Control, holders: Holders) -> Access:
    return Access(
        control.trust.issuers,
        control.settings.apis.organization,
        control.revocations.is_revoked,
        control.trust.refused,
        holders,
    )


def _deployments(control: Control, access: Access, lanes: Lanes) -> SystemApi:
    return SystemApi(
        settings=control.settings,
        deployer=control.deployer,
        access=access,
        fetch=fetch,
        ready=control.is_ready,
        generate=generating(control.settings),
        lanes=lanes,
        deployments=control.deployments,
    )


def _kubernetes(control: Control, lanes: Lanes) -> KubernetesResources:
    settings = control.settings
    export = exporting(settings, control.trust, compiling(settings, for_anybody=True))
    return KubernetesResources(settings.apis, lanes.generating, export)


def _users(control: Control, access: Access) -> UsersApi:
    identity, stored = control.settings.identity, UserStore(control.store.database)
    people = Users(identity.users, stored)
    return UsersApi(access, people, stored, identity.issuer, _random_id, time.time)


def _clients(control: Control, access: Access) -> ClientsApi:
    return ClientsApi(
        access,
        control.settings,
        RegisteredClients(control.store.database),
        RemoteDocuments(fetch, allow_private=fetches_private(control.settings)),
        os.urandom,
        lambda: str(uuid_utils.uuid7()),
        time.time,
    )


def _enforcer(control: Control, holders: Holders) -> Enforcer:
    gateway, database = control.settings.gateway, control.store.database
    return Enforcer(
        lambda: ensure_key(EnforcerKeys(database), int(time.time())),
        lambda keys: BackendJwts(
            keys,
            gateway.enforcer.backend_jwt_issuer,
            now=time.time,
            random_id=_random_id,
            callers=partial(find_caller, control.applications.all),
            consumer=lambda claims: consumer_of(claims, control.deployer.issuers),
        ),
        Proofs(
            gateway,
            Replays(time.time),
            Records(database),
            time.time,
            lambda: holders.nonces,
            shared=database.has_nodes,
        ),
        time.time,
    )


def _random_id() -> str:
    return str(uuid.uuid4())

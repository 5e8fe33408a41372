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
from kapi.app.gateway_issuers import inbuilt
from kapi.app.operate.figures import sources
from kapi.app.operate.health_checks import health_checks
from kapi.app.operate.metrics_listener import serve_metrics
from kapi.app.process import audit_of
from kapi.app.system.console import console_routes
from kapi.app.system.declared import applying
from kapi.app.system.kubernetes_export import exporting
from kapi.app.system.people import people_apis
from kapi.app.work import compiling, generating, places
from kapi.audit import Record
from kapi.fetch import fetch
from kapi.front.web.declared.dumping import Dumps
from kapi.front.web.declared.endpoint import ApplyApi
from kapi.front.web.declared.state import StateApi
from kapi.front.web.enforcer.mcp import McpChanges
from kapi.front.web.enforcer.proofs import Proofs
from kapi.front.web.enforcer.questions import Enforcer
from kapi.front.web.http.access import Access
from kapi.front.web.http.draining import App
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
from kapi.front.web.system.whoami import WhoamiApi
from kapi.gateway.calls.call_log import CallLog
from kapi.gateway.enforcer.backend_jwt import BackendJwts
from kapi.gateway.enforcer.callers import find_caller
from kapi.gateway.enforcer.replays import Replays
from kapi.gateway.enforcer.signing import ensure_key
from kapi.gateway.issuers import consumer_of
from kapi.gateway.mcp_changes.sessions import Sessions
from kapi.gateway.nodes import OtherNodes
from kapi.gateway.secrets import NamedSecrets
from kapi.identity.accounts.users import Users
from kapi.identity.clients.remote_documents import RemoteDocuments, fetches_private
from kapi.identity.keys.keyring import Keyring
from kapi.identity.keys.rotation import Rotation, rotating
from kapi.run_files import log_path, loopback_socket
from kapi.store.audit import AuditStore, Event
from kapi.store.gateway.api_keys import TOPIC as API_KEYS
from kapi.store.gateway.enforcer_keys import EnforcerKeys
from kapi.store.gateway.mcp_sessions import TOPIC as MCP_SESSIONS
from kapi.store.gateway.mcp_sessions import McpSessions
from kapi.store.gateway.secrets import SecretStore
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.leases import Lease
from kapi.store.nodes import Confirmed, Nodes, StoredNode
from kapi.store.records import Records
from kapi.store.registered_clients import RegisteredClients
from kapi.store.users import UserStore
from kapi.store.whole.backups import Backups

KEYS_SECONDS = 10.0
"""How long a signing key waits for the gateways of the other nodes."""
_KEY_SECONDS = 5.0
"""How long the answer with a new API key waits for the gateway of this node."""


def system_apis(control: Control) -> Any:
    """The ASGI application with all system APIs."""
    audit = audit_of(control.settings, control.store)
    record = audit.record
    routes = [route for api in _apis(control, record) for route in api.routes()]
    described_routes = described(control.settings, routes)
    pages = [
        *console_routes(control, lambda: app, record),
        *HomePages(control.settings).routes(),
    ]
    organization = control.settings.apis.organization
    auditing = Auditing(record, organization, routes, audit.record_within)
    app: App = auditing.around(build_system_api([*described_routes, *pages]))
    record(Event("platform.start", detail=f"version {__version__}"))
    return app


def _apis(control: Control, record: Record) -> tuple[Any, ...]:
    """The system APIs, in the order in which their routes are tried."""
    settings, database = control.settings, control.store.database
    trust, deployer = control.trust, control.deployer
    holders = Holders(settings, database, os.urandom, time.time)
    access = _access(control, holders)
    lanes = Lanes.of(places(settings))
    secrets = NamedSecrets(settings, SecretStore(database), deployer, time.time)
    apis: tuple[Any, ...] = (
        ProtectedResources(settings, control.store, deployer, trust.issuers),
        *_during_calls(control, holders),
        _deployments(control, access, lanes),
        _api_keys(control, access),
        _kubernetes(control, lanes),
        Definitions(control.store),
        _notifications(control),
        SecretsApi(secrets, access),
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
        WhoamiApi(access),
        _users(control, access),
        _clients(control, access),
        ApplicationsApi(control.applications, access, deployer.list),
        *_declared(control, access, lanes, secrets),
        NodesApi(access, partial(_nodes, control), control.store.change),
    )
    if not settings.identity.enabled:
        return apis
    keys = KeysApi(access, _rotation(control, record))
    return (*apis, *people_apis(control, access), keys)


def _api_keys(control: Control, access: Access) -> ApiKeysApi:
    keys = control.caller_state[API_KEYS]
    in_force = partial(keys.reach_envoy, _KEY_SECONDS)
    return ApiKeysApi(control.key_issuer, access, control.deployer.list, in_force)


def _declared(
    control: Control, access: Access, lanes: Lanes, secrets: NamedSecrets
) -> tuple[ApplyApi, StateApi]:
    """What makes the platform as files declare it, and writes such files."""
    kinds = applying(control, secrets)
    dumps = Dumps(
        kinds,
        Backups(control.store.database),
        secrets.values,
        control.settings.apis.organization,
        os.urandom,
    )
    return (
        ApplyApi(access, kinds, lanes.deploying),
        StateApi(access, dumps, kinds, lanes.state),
    )


def _nodes(control: Control) -> tuple[StoredNode, ...]:
    """The nodes of the database; without other nodes, this platform alone."""
    database = control.store.database
    if database.has_nodes:
        return Nodes(database).all()
    me, confirmed = (
        control.this_node.node,
        Confirmed(control.store.change(), database.version(KEYS)),
    )
    return (
        StoredNode(
            me.id, me.name, me.version, control.this_node.started_at, 0, confirmed
        ),
    )


def _rotation(control: Control, record: Record) -> Rotation:
    database, me = control.store.database, control.this_node.node.id
    nodes = OtherNodes(Nodes(database))

    def unconfirmed() -> tuple[str, ...]:
        newest = database.version(KEYS)
        left = nodes.missing("signing_keys", newest, KEYS_SECONDS)
        return tuple(node.name for node in left)

    def publish(keyring: Keyring) -> None:
        control.trust.publish_inbuilt(inbuilt(control.settings, keyring))

    rotation = rotating(
        control.settings.identity,
        Keys(database),
        publish,
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


def _notifications(control: Control) -> Notifications:
    settings = control.settings
    key, issuers = settings.apis.notification_key, settings.own_issuers
    return Notifications(key, control.revocations, time.time, issuers)


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


def _during_calls(control: Control, holders: Holders) -> tuple[Enforcer, McpChanges]:
    """What Envoy asks during a call."""
    socket, revision = loopback_socket(control.settings), control.deployer.revision
    stored = McpSessions(control.store.database)
    sessions = Sessions(stored, control.this_node.node.id, time.time)
    control.watch.on(MCP_SESSIONS, sessions.changed)
    return _enforcer(control, holders), McpChanges(socket, sessions, revision)


def _random_id() -> str:
    return str(uuid.uuid4())

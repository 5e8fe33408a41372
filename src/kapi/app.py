"""The porch: wires the rooms together for each kind of child process. `python -m kapi.app ROLE RUN_SETTINGS FD`.

control   system APIs, the configuration stream to Envoy; one process
identity  the inbuilt, non-production provider; one or more processes
"""

from __future__ import annotations

import fcntl
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapi.identity.keys import Keyring, ensure_keyring, load_keyring, needed_algorithms
from kapi.run_files import admin_socket, database_path, ledger_socket, refusals_socket, xds_socket
from kapi.settings import Settings, from_json_value
from kapi.store import Store
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.registered_clients import TOPIC as CLIENTS
from kapi.store.registered_clients import RegisteredClients
from kapi.store.revocations import Revocations
from kapi.store.watch import Watch

if TYPE_CHECKING:
    from kapi.gateway.applications import Applications
    from kapi.gateway.deployer import Deployer
    from kapi.gateway.envoy.xds import Publisher
    from kapi.gateway.issuers import TrustedIssuer
    from kapi.gateway.ledger import Ledger
    from kapi.identity.issuers.trust import Trust
    from kapi.identity.verify import IssuerKeys

PURGE_SECONDS = 600.0
"""How often expired records are thrown away."""

REFUSALS_SECONDS = 60.0
"""How often the log says which tokens were refused."""


@contextmanager
def _first_start(settings: Settings) -> Iterator[None]:
    """One child at a time makes tables, keys and certificates; the others then find them made."""
    descriptor = os.open(settings.data_dir / "prepare.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_store(settings: Settings) -> tuple[Store, Keyring]:
    """The store with its tables and first signing keys in place."""
    with _first_start(settings):
        store = Store.open(database_path(settings))
        identity = settings.identity
        return store, ensure_keyring(Keys(store.database), identity.key_id, int(time.time()), needed_algorithms(identity))


def run_identity(settings: Settings, listener: socket.socket) -> None:
    """Serve the inbuilt provider until told to stop."""
    import uuid_utils

    from kapi.front.web.oauth import build_identity_app, token_endpoint_of
    from kapi.front.web.token_lane import protocol_with, token_lane
    from kapi.identity.provider import make_provider

    store, keyring = open_store(settings)
    provider = make_provider(settings, store, keyring, os.urandom, lambda: str(uuid_utils.uuid7()))
    keys = Keys(store.database)
    watch = Watch(store.database.path)
    watch.on(KEYS, lambda: provider.use_keys(load_keyring(keys)))
    watch.on(CLIENTS, provider.use_clients)
    watch.start()
    _every(PURGE_SECONDS, lambda: provider.records.purge(int(time.time())))
    _serve(build_identity_app(provider, time.time), listener, protocol_with(token_lane(token_endpoint_of(provider), time.time)))
    watch.stop()
    store.close()


def _every(seconds: float, work: Callable[[], object]) -> None:
    """Do `work` again and again in a thread of its own, for as long as the process lives."""

    def run() -> None:
        while True:
            time.sleep(seconds)
            try:
                work()
            except Exception:
                logging.getLogger("kapi").exception("housekeeping failed")

    threading.Thread(target=run, name="housekeeping", daemon=True).start()


def run_control(settings: Settings, listener: socket.socket) -> None:
    """Serve Envoy's configuration and the system APIs until told to stop."""
    from kapi.fetch import fetch
    from kapi.gateway.applications import Applications
    from kapi.gateway.deployer import Deployer
    from kapi.gateway.directory import directory
    from kapi.gateway.envoy.check import EnvoyCheck
    from kapi.gateway.envoy.process import find_envoy, members
    from kapi.gateway.envoy.xds import Publisher
    from kapi.gateway.ledger import Ledger
    from kapi.gateway.modules import Modules
    from kapi.gateway.refusals import RefusalLog
    from kapi.gateway.revocation import DenyList
    from kapi.gateway.secrets import known_secrets
    from kapi.store.applications import TOPIC as APPLICATIONS
    from kapi.store.applications import ApplicationStore
    from kapi.store.counters import Counters
    from kapi.store.modules import PinnedModules
    from kapi.store.revocations import TOPIC as REVOKED
    from kapi.store.secrets import SecretStore

    store, keyring = open_store(settings)
    revocations = Revocations(store.database)
    trust = _trust(settings, store, keyring)
    publisher = Publisher(xds_socket(settings), members=partial(members, admin_socket(settings)))
    ledger = Ledger(
        ledger_socket(settings),
        Counters(store.database),
        lambda: directory(applications.all(), store.apis, deployer.issuers, settings.subscriptions),
        str(time.time_ns()),
        lambda: deployer.counts,
    )
    deployer = Deployer(
        store=store,
        publisher=publisher,
        check=EnvoyCheck(find_envoy(settings.gateway.envoy)),
        settings=settings,
        now=time.time,
        issuers=_gateway_issuers(trust.issuers()),
        secrets=known_secrets(settings, SecretStore(store.database)),
        initial=lambda: (denied.resource(),),
        changed=ledger.refresh,
        modules=Modules(PinnedModules(store.database), settings, fetch),
    )
    denied = DenyList(revocations, publisher, time.time)
    applications = Applications(settings, ApplicationStore(store.database), time.time, ledger.refresh)
    # Envoy tells from each of its threads; a thread that ends may overlap with the one that follows.
    threads = 2 * (settings.gateway.concurrency or os.cpu_count() or 1) + 2
    refusals = RefusalLog(refusals_socket(settings), trust.refused, trust.name_of, threads)
    watch = Watch(store.database.path)
    watch.on(REVOKED, denied.changed)
    watch.on(KEYS, lambda: trust.use_inbuilt(_inbuilt(settings, load_keyring(Keys(store.database)))))
    watch.on(APPLICATIONS, ledger.changed)
    watch.start()
    deployer.restore()
    publisher.start()
    denied.start()
    ledger.start()
    refusals.start()
    _every(REFUSALS_SECONDS, trust.log_refusals)
    trust.start(lambda issuers: deployer.trust(_gateway_issuers(issuers)))
    # Envoy is taking its configuration by now; the rest is imported meanwhile.
    _serve(_system_api(Control(settings, store, deployer, publisher, trust, revocations, ledger, applications)), listener)
    trust.stop()
    refusals.stop()
    watch.stop()
    denied.stop()
    # Envoy is stopped after us, so that it can still tell its counters.
    ledger.stop()
    publisher.stop()
    store.close()


@dataclass(frozen=True, slots=True)
class Control:
    """What the system APIs work with."""

    settings: Settings
    store: Store
    deployer: Deployer
    publisher: Publisher
    trust: Trust
    revocations: Revocations
    ledger: Ledger
    applications: Applications

    def ready(self) -> bool:
        """Whether Envoy has its configuration and its counters."""
        return self.publisher.status().connected > 0 and self.ledger.ready


def _inbuilt(settings: Settings, keyring: Keyring) -> IssuerKeys | None:
    """The inbuilt provider as an issuer, when there is one."""
    from kapi.identity.verify import IssuerKeys

    return IssuerKeys.inbuilt(settings.identity.issuer, keyring.keys) if settings.identity.enabled else None


def _trust(settings: Settings, store: Store, keyring: Keyring) -> Trust:
    """Every issuer that is trusted, the inbuilt provider among them when there is one."""
    from kapi.fetch import get
    from kapi.identity.issuers.trust import Trust
    from kapi.store.issuers import IssuerStore

    return Trust(settings=settings, store=IssuerStore(store.database), get=get, inbuilt=_inbuilt(settings, keyring))


def _gateway_issuers(issuers: Sequence[IssuerKeys]) -> tuple[TrustedIssuer, ...]:
    """The same issuers in the gateway's words: the two rooms do not know each other."""
    from kapi.gateway.issuers import ANY, TrustedIssuer

    return tuple(
        TrustedIssuer(
            name=item.issuer.name,
            issuer=item.issuer.issuer,
            jwks=item.keys.jwks(),
            audiences=item.issuer.audiences,
            consumer_key_claim=item.issuer.consumer_key_claim,
            scopes_claims=item.issuer.scopes_claims,
            organizations=() if item.issuer.organization == ANY else (item.issuer.organization,),
            environments=item.issuer.environments,
            algorithms=item.issuer.algorithms,
            token_types=tuple(dict.fromkeys((*item.issuer.types, *(f"application/{name}" for name in item.issuer.types if "+" in name)))),
            clock_skew=item.issuer.clock_skew,
            required_claims=item.issuer.required_claims,
            claim_mappings=item.issuer.claim_mappings,
        )
        for item in issuers
    )


def _system_api(control: Control) -> Any:
    import uuid_utils

    from kapi.fetch import fetch
    from kapi.front.web.access import Access
    from kapi.front.web.applications_api import ApplicationsApi
    from kapi.front.web.clients import ClientsApi
    from kapi.front.web.definitions import Definitions
    from kapi.front.web.holders import Holders
    from kapi.front.web.issuers import IssuersApi
    from kapi.front.web.keys import KeysApi
    from kapi.front.web.metrics import Metrics
    from kapi.front.web.notifications import Notifications
    from kapi.front.web.protected_resources import ProtectedResources
    from kapi.front.web.secrets_api import SecretsApi
    from kapi.front.web.system_api import SystemApi, build_system_api
    from kapi.front.web.users import UsersApi
    from kapi.gateway.secrets import NamedSecrets
    from kapi.identity.rotation import rotating
    from kapi.identity.users import Users
    from kapi.store.secrets import SecretStore
    from kapi.store.users import UserStore

    settings, revocations = control.settings, control.revocations
    holders = Holders(settings, control.store.database, os.urandom, time.time)
    access = Access(control.trust.issuers, settings.apis.organization, revocations.is_revoked, control.trust.refused, holders)
    apis = SystemApi(settings=settings, deployer=control.deployer, access=access, fetch=fetch, ready=control.ready)
    notifications = Notifications(settings.apis.notification_key, revocations, time.time)
    secrets = SecretsApi(NamedSecrets(settings, SecretStore(control.store.database), control.deployer, time.time), access)
    stored = UserStore(control.store.database)
    users = UsersApi(access, Users(settings.identity.users, stored), stored, time.time)
    issuers = IssuersApi(access, control.trust)
    enforcer = _enforcer(settings, control.store, control.applications)
    applications = ApplicationsApi(control.applications, access)
    clients = ClientsApi(
        access, settings, RegisteredClients(control.store.database), os.urandom, lambda: str(uuid_utils.uuid7()), time.time
    )
    metrics = Metrics(access, control.trust, time.time)
    rotation = rotating(settings.identity, Keys(control.store.database), control.trust, lambda: control.publisher.status().connected > 0)
    keys = (KeysApi(access, rotation),) if settings.identity.enabled else ()
    resources = ProtectedResources(settings, control.store, control.deployer, control.trust.issuers)
    definitions = Definitions(control.store)
    every = (resources, enforcer, apis, definitions, notifications, secrets, issuers, metrics, users, clients, applications, *keys)
    return build_system_api([route for api in every for route in api.routes()])


def _enforcer(settings: Settings, store: Store, applications: Applications) -> Any:
    import uuid

    from kapi.front.web.enforcer import Enforcer
    from kapi.gateway.enforcer.backend_jwt import BackendJwts
    from kapi.gateway.enforcer.callers import find_caller
    from kapi.gateway.enforcer.signing import ensure_key
    from kapi.store.enforcer_keys import EnforcerKeys

    issuer = settings.gateway.enforcer.backend_jwt_issuer
    return Enforcer(
        lambda: ensure_key(EnforcerKeys(store.database), int(time.time())),
        lambda keys: BackendJwts(
            keys, issuer, now=time.time, random_id=lambda: str(uuid.uuid4()), callers=partial(find_caller, applications.all)
        ),
    )


def _serve(app: Any, listener: socket.socket, http: Any = "httptools") -> None:
    import uvicorn

    # What was imported stays: the collector need not walk it again for every token.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except SystemExit as stopped:
        # uvicorn raises the signal again that stopped it; what comes after serving must still be done.
        if stopped.code:
            raise


def _stop(*_: object) -> None:
    raise SystemExit(0)


ROLES = {"control": run_control, "identity": run_identity}


def main(argv: list[str]) -> int:
    """Run one child process; its listening socket comes from the supervisor as an open descriptor."""
    role, settings_file, descriptor = argv
    signal.signal(signal.SIGTERM, _stop)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = from_json_value(json.loads(Path(settings_file).read_text("utf-8")))
    ROLES[role](settings, socket.socket(fileno=int(descriptor)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

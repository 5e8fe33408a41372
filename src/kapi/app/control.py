"""The control process: the configuration stream to Envoy and, once Envoy has what it needs, the system APIs."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kapi.app.issuers import Telling, inbuilt, trusted
from kapi.app.process import every, open_store, serve
from kapi.identity.keys.keyring import load_keyring
from kapi.run_files import admin_socket, counters_socket, rejected_tokens_socket, xds_socket
from kapi.settings import Settings
from kapi.store import Store
from kapi.store.housekeeping import keep_house
from kapi.store.issuers import WANTED as KEYS_WANTED
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.revocations import Revocations
from kapi.store.startup_requirements import TOPIC as STARTUP_REQUIREMENTS
from kapi.store.startup_requirements import StartupRequirements
from kapi.store.watch import Watch

if TYPE_CHECKING:
    from kapi.gateway.deployment.compiler import ApiCompiler
    from kapi.identity.issuers.trust import Trust

REFUSALS_SECONDS = 60.0
"""How often the log says which tokens were refused."""
PURGE_SECONDS = 60.0
"""How often what has expired is removed from the store."""
FIRST_PURGE_SECONDS = 10.0
"""How long after the start it is first."""


def run_control(settings: Settings, listener: socket.socket) -> None:
    """Serve Envoy's configuration and the system APIs until told to stop."""
    from kapi.gateway.applications import Applications
    from kapi.gateway.caller_resources import caller_resources
    from kapi.gateway.consumer_index import consumer_index
    from kapi.gateway.deployment.deployer import Deployer
    from kapi.gateway.deployment.shared_resources import SharedResources
    from kapi.gateway.envoy.process.process import members, threads_of
    from kapi.gateway.envoy.process.tls import ensure_certificate
    from kapi.gateway.envoy.resources.context import render_context
    from kapi.gateway.envoy.stream.server import Publisher
    from kapi.gateway.issuers import TrustedIssuer
    from kapi.gateway.rate_limit_counters import RateLimitCounters
    from kapi.gateway.rejected_tokens import RejectedTokenLog
    from kapi.gateway.secrets import known_secrets
    from kapi.identity.clients.api_keys import ApiKeyIssuer
    from kapi.store.applications import TOPIC as APPLICATIONS
    from kapi.store.applications import ApplicationStore
    from kapi.store.counters import Counters
    from kapi.store.secrets import SecretStore

    store, keyring = open_store(settings)
    revocations = Revocations(store.database)
    key_issuer = ApiKeyIssuer.of(settings.gateway.api_host, store.database, time.time, os.urandom)
    trust = trusted(settings, store, keyring)
    telling = Telling(StartupRequirements(store.database), trust)
    publisher = Publisher(xds_socket(settings), members=partial(members, admin_socket(settings)))
    counters = RateLimitCounters(
        counters_socket(settings),
        Counters(store.database),
        lambda: consumer_index(
            applications.all(), store.apis, deployer.issuers, settings.subscriptions
        ),
        str(time.time_ns()),
        lambda: deployer.counts,
    )
    shared = SharedResources(
        render_context(settings, known_secrets(settings, SecretStore(store.database))),
        ensure_certificate(settings, time.time),
        issuers=telling.issuers(),
        key_issuer=TrustedIssuer("api-keys", key_issuer.issuer, key_issuer.jwks(), api_keys=True),
        synced=lambda: [item.resource() for item in caller_state.values()],
    )
    deployer = Deployer(
        store=store,
        publisher=publisher,
        compiler=_compiler(settings, store),
        shared=shared,
        now=time.time,
        changed=counters.refresh,
    )
    caller_state = caller_resources(store.database, publisher, time.time)
    applications = Applications(
        settings, ApplicationStore(store.database), time.time, counters.refresh
    )
    # Envoy tells from each of its threads; a thread that ends may overlap with the one that follows.
    threads = 2 * threads_of(settings.gateway) + 2
    rejected_tokens = RejectedTokenLog(
        rejected_tokens_socket(settings), trust.refused, trust.name_of, threads
    )
    watch = Watch(store.database.path)
    changes: dict[str, Callable[[], None]] = {
        KEYS: lambda: trust.use_inbuilt(inbuilt(settings, load_keyring(Keys(store.database)))),
        KEYS_WANTED: trust.look_again,
        APPLICATIONS: counters.changed,
        STARTUP_REQUIREMENTS: partial(telling.take_up, deployer),
        **{topic: item.changed for topic, item in caller_state.items()},
    }
    for topic, changed in changes.items():
        watch.on(topic, changed)
    watch.start()
    deployer.restore()
    starts: list[Callable[[], None]] = [
        publisher.start,
        *(item.start for item in caller_state.values()),
        counters.start,
        rejected_tokens.start,
    ]
    for start in starts:
        start()
    _keep_house(store, trust)
    trust.start(lambda issuers: deployer.trust(telling.issuers(issuers)))
    # What was asked for just before a restart.
    threading.Thread(
        target=telling.take_up, args=(deployer,), name="requirements", daemon=True
    ).start()
    # Envoy is taking its configuration by now; the rest is imported meanwhile.
    from kapi.app.system_apis import Control, system_apis

    serve(
        system_apis(
            Control(
                settings,
                store,
                deployer,
                publisher,
                trust,
                revocations,
                counters,
                applications,
                key_issuer,
            )
        ),
        listener,
    )
    # Envoy is stopped after us, so that it can still tell its counters.
    stops: list[Callable[[], None]] = [
        trust.stop,
        rejected_tokens.stop,
        watch.stop,
        *(item.stop for item in caller_state.values()),
    ]
    for stop in (*stops, counters.stop, publisher.stop):
        stop()
    store.close()


def _keep_house(store: Store, trust: Trust) -> None:
    every(REFUSALS_SECONDS, trust.log_refusals)
    every(PURGE_SECONDS, lambda: keep_house(store.database, int(time.time())), FIRST_PURGE_SECONDS)


def _compiler(settings: Settings, store: Store) -> ApiCompiler:
    from kapi.apis.compile import compiler
    from kapi.app.work import compiling
    from kapi.fetch import fetch
    from kapi.gateway.deployment.compiler import ApiCompiler
    from kapi.gateway.deployment.modules import Modules
    from kapi.gateway.envoy.process.check import EnvoyCheck
    from kapi.gateway.envoy.process.process import find_envoy
    from kapi.store.modules import PinnedModules

    return ApiCompiler(
        check=EnvoyCheck(find_envoy(settings.gateway.envoy)),
        compile_new=compiling(settings),
        compile_stored=compiler(settings.gateway.ai_providers),
        modules=Modules(PinnedModules(store.database), settings, fetch),
    )

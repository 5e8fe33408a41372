"""The control process: the configuration stream to Envoy and, once Envoy has what it needs, the system APIs."""

from __future__ import annotations

import os
import socket
import time
from functools import partial

from kapi.app.issuers import gateway_issuers, inbuilt, trusted
from kapi.app.process import every, open_store, serve
from kapi.identity.keys import load_keyring
from kapi.run_files import admin_socket, ledger_socket, refusals_socket, xds_socket
from kapi.settings import Settings
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.revocations import Revocations
from kapi.store.watch import Watch

REFUSALS_SECONDS = 60.0
"""How often the log says which tokens were refused."""


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
    trust = trusted(settings, store, keyring)
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
        issuers=gateway_issuers(trust.issuers()),
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
    watch.on(KEYS, lambda: trust.use_inbuilt(inbuilt(settings, load_keyring(Keys(store.database)))))
    watch.on(APPLICATIONS, ledger.changed)
    watch.start()
    deployer.restore()
    publisher.start()
    denied.start()
    ledger.start()
    refusals.start()
    every(REFUSALS_SECONDS, trust.log_refusals)
    trust.start(lambda issuers: deployer.trust(gateway_issuers(issuers)))
    # Envoy is taking its configuration by now; the rest is imported meanwhile.
    from kapi.app.system_apis import Control, system_apis

    serve(system_apis(Control(settings, store, deployer, publisher, trust, revocations, ledger, applications)), listener)
    trust.stop()
    refusals.stop()
    watch.stop()
    denied.stop()
    # Envoy is stopped after us, so that it can still tell its counters.
    ledger.stop()
    publisher.stop()
    store.close()

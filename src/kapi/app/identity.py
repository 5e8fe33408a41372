"""An identity worker: the inbuilt, non-production provider."""

from __future__ import annotations

import os
import socket
import time
from functools import partial

from kapi.app.operate.traces import traced
from kapi.app.process import audit_of, open_store, serve
from kapi.identity.keys.keyring import load_keyring
from kapi.settings import Settings
from kapi.store.gateway.startup_requirements import CERTIFICATE_BOUND, StartupRequirements
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.registered_clients import TOPIC as CLIENTS


def run_identity(settings: Settings, listener: socket.socket) -> None:
    """Serve the inbuilt provider until a signal."""
    import uuid_utils

    from kapi.front.web.identity.app import build_identity_app, token_endpoint_of
    from kapi.front.web.identity.figures import with_figures
    from kapi.front.web.identity.token_lane import protocol_with, token_lane
    from kapi.identity.people.ended import settle_accounts
    from kapi.identity.wiring import make_provider

    store, keyring = open_store(settings)
    provider = make_provider(settings, store, keyring, os.urandom, lambda: str(uuid_utils.uuid7()))
    audit = audit_of(settings, store)
    provider.record, provider.record_later = audit.record, audit.record_later
    provider.before_binding = partial(StartupRequirements(store.database).ensure, CERTIFICATE_BOUND)
    settle_accounts(provider, int(time.time()))
    keys = Keys(store.database)
    watch = store.database.watch()
    watch.on(KEYS, lambda: provider.use_keys(load_keyring(keys)))
    watch.on(CLIENTS, provider.use_clients)
    watch.start()
    if settings.identity.testing:
        # Tests only: production does not import it.
        from kapi.testing.explain.apis import DeployedJudge
        from kapi.testing.http.dropping import DroppingProtocol
        from kapi.testing.server import Server

        judge = DeployedJudge(store, provider)
        server = Server(provider.base_url, platform=provider, judge=judge)
        serve(with_figures(server.app, provider.figures), listener, DroppingProtocol)
    else:
        app = with_figures(build_identity_app(provider, time.time), provider.figures)
        protocol = protocol_with(token_lane(token_endpoint_of(provider), time.time))
        if settings.traces.endpoint:
            protocol = "httptools"  # The short way of token requests makes no spans.
        serve(traced(app, settings, "identity"), listener, protocol)
    watch.stop()
    store.close()

"""An identity worker: the inbuilt, non-production provider."""

from __future__ import annotations

import os
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from kapi.app.operate.traces import traced
from kapi.app.process import audit_of, open_store, serve
from kapi.identity.keys.keyring import load_keyring
from kapi.settings import Settings
from kapi.store.gateway.startup_requirements import (
    CERTIFICATE_BOUND,
    StartupRequirements,
)
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys
from kapi.store.registered_clients import TOPIC as CLIENTS
from kapi.store.revocations import TOPIC as REVOCATIONS

if TYPE_CHECKING:
    from kapi.front.web.operate.judging import DeployedJudge
    from kapi.identity.provider import Provider
    from kapi.store import Store
    from kapi.store.engine.watch import Watch


def _new_id() -> str:
    import uuid_utils

    return str(uuid_utils.uuid7())


def run_identity(settings: Settings, listener: socket.socket) -> None:
    """Serve the inbuilt provider until a signal."""
    from kapi.front.web.identity.app import TokenEndpoints, build_identity_app
    from kapi.front.web.identity.figures import with_figures
    from kapi.front.web.identity.token_lane import protocol_with, token_lane
    from kapi.identity.people.ended import settle_accounts
    from kapi.identity.wiring import make_provider

    store, watch, keyring = open_store(settings)
    provider = make_provider(settings, store, keyring, os.urandom, _new_id)
    audit = audit_of(settings, store)
    provider.record, provider.record_later = audit.record, audit.record_later
    requirements = StartupRequirements(store.database)
    provider.before_binding = partial(requirements.ensure, CERTIFICATE_BOUND)
    settle_accounts(
        settings.identity, provider.accounts, provider.shared_keys, int(time.time())
    )
    _follow(watch, store, provider)
    if settings.identity.testing:
        # Tests only: production does not import it.
        from kapi.testing.http.dropping import DroppingProtocol
        from kapi.testing.server import DEFAULT, Server

        judge = _judge(settings, store, provider)
        server = Server(provider.base_url, platform=provider, judge=judge)
        server.issuer(DEFAULT)
        app = with_figures(server.app, provider.figures)
        protocol: Any = DroppingProtocol
    else:
        own = with_figures(build_identity_app(provider, time.time), provider.figures)
        app = traced(own, settings, "identity")
        protocol = protocol_with(token_lane(TokenEndpoints(provider), time.time))
        if settings.traces.endpoint:
            protocol = "httptools"  # The short way of token requests makes no spans.
    # The provider is made under each name of its host by now: all of them get new keys.
    watch.start()
    _tell_clients(provider)
    serve(app, listener, protocol)
    watch.stop()
    store.close()


def _follow(watch: Watch, store: Store, provider: Provider) -> None:
    """Take up what others write: keys, clients, ended accounts."""
    watch.on(KEYS, lambda: provider.use_keys(load_keyring(Keys(store.database))))
    watch.on(CLIENTS, provider.use_clients)
    watch.on(REVOCATIONS, partial(_tell_clients, provider))


def _tell_clients(provider: Provider) -> None:
    """Tell clients of ended sessions, also those that a process left which has ended."""
    from kapi.identity.people.logout import send_notices

    send_notices(provider.logout, int(time.time()))


def _judge(settings: Settings, store: Store, provider: Provider) -> DeployedJudge:
    """What says whether a deployed API lets a token in, for `kapi explain`."""
    from kapi.front.web.operate.judging import DeployedJudge
    from kapi.identity.issuers.verify import IssuerKeys

    def issuers() -> list[IssuerKeys]:
        own = IssuerKeys.inbuilt(
            provider.issuer, provider.keyring.keys, provider.issuers
        )
        return [own, *provider.trusted_issuers.all()]

    return DeployedJudge(store, settings, issuers)

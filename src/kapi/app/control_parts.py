"""The parts of the control process, and how they are connected."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial

from kapi import __version__
from kapi.apis.compile import compiler
from kapi.app.gateway_issuers import GatewayIssuers, InbuiltKeys, trusted
from kapi.app.process import open_store
from kapi.app.work import compiling
from kapi.dataclass import dataclass
from kapi.fetch import fetch
from kapi.figures import Counter
from kapi.gateway.applications import Applications
from kapi.gateway.caller_resources import caller_resources
from kapi.gateway.calls.history import CallHistory
from kapi.gateway.changed_streams import StreamEndingPublisher
from kapi.gateway.consumer_index import consumer_index
from kapi.gateway.deployment.compiler import ApiCompiler
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.deployment.fingerprint import code_hash
from kapi.gateway.deployment.modules import Modules
from kapi.gateway.deployment.shared_resources import SharedResources
from kapi.gateway.envoy.process.check import EnvoyCheck
from kapi.gateway.envoy.process.process import find_envoy, members
from kapi.gateway.envoy.process.tls import ensure_certificate
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.stream.kept import KeptEncodings
from kapi.gateway.envoy.stream.server import Publisher
from kapi.gateway.issuers import TrustedIssuer
from kapi.gateway.nodes import ThisNode
from kapi.gateway.rate_limit_counters import ConsumerIndex, RateLimitCounters
from kapi.gateway.rejected_tokens import RejectedTokenLog
from kapi.gateway.resource_sync import ResourceSync
from kapi.gateway.revoked_streams import RevokedStreams
from kapi.gateway.secrets import known_secrets
from kapi.identity.clients.api_keys import ApiKeyIssuer
from kapi.identity.issuers.trust import Trust
from kapi.run_files import (
    admin_socket,
    counters_socket,
    encodings_path,
    node_id,
    rejected_tokens_socket,
    xds_socket,
)
from kapi.settings import Settings
from kapi.store import Store
from kapi.store.engine.database import Database
from kapi.store.engine.watch import Watch
from kapi.store.gateway.applications import ApplicationStore
from kapi.store.gateway.counters import Counters
from kapi.store.gateway.modules import PinnedModules
from kapi.store.gateway.secrets import SecretStore
from kapi.store.gateway.startup_requirements import StartupRequirements
from kapi.store.nodes import Node, Nodes
from kapi.store.revocations import TOPIC as REVOCATIONS
from kapi.store.revocations import Revocations


def deployments_counter() -> Counter:
    """Counts what the system APIs did with deployments."""
    text = "Deployments by outcome: created, replaced, unchanged, removed, refused."
    return Counter("kapi_deployments_total", text, ("outcome",), 10)


@dataclass(frozen=True, slots=True)
class Control:
    """The parts of the control process."""

    settings: Settings
    store: Store
    revocations: Revocations
    trust: Trust
    gateway_issuers: GatewayIssuers
    key_issuer: ApiKeyIssuer
    publisher: Publisher
    caller_state: Mapping[str, ResourceSync]
    """What is published of the store's topics: revoked tokens, API keys."""
    counters: RateLimitCounters
    applications: Applications
    deployer: Deployer
    rejected_tokens: RejectedTokenLog
    watch: Watch
    """Notices what other processes and nodes write."""
    this_node: ThisNode
    kept: KeptEncodings
    deployments: Counter = field(default_factory=deployments_counter)
    calls: CallHistory = field(default_factory=CallHistory)
    """The calls of the last day; empty without the access log."""

    @classmethod
    def of(cls, settings: Settings) -> Control:
        """All parts, connected. Nothing is started."""
        store, watch, keyring = open_store(settings)
        database = store.database
        trust = trusted(settings, store, keyring)
        issuers = GatewayIssuers(StartupRequirements(database), trust)
        host = settings.gateway.api_host
        key_issuer = ApiKeyIssuer.of(host, database, time.time, os.urandom)
        publisher = _publisher(settings)
        counters = _counters(settings, store, lambda: applications, lambda: deployer)
        streams = RevokedStreams(counters, settings.own_issuers)
        kept = KeptEncodings(encodings_path(settings), code_hash())
        caller_state = _caller_state(settings, database, publisher, streams, kept)
        applications = _applications(settings, database, counters)
        deployer = Deployer(
            store=store,
            publisher=StreamEndingPublisher(publisher, _ending(streams, caller_state)),
            compiler=_compiler(settings, store),
            shared=_shared(settings, database, issuers, key_issuer, caller_state, kept),
            now=time.time,
            changed=counters.refresh,
            secrets=lambda: known_secrets(settings, SecretStore(database)),
        )
        return cls(
            settings=settings,
            store=store,
            revocations=Revocations(database),
            trust=trust,
            gateway_issuers=issuers,
            key_issuer=key_issuer,
            publisher=publisher,
            caller_state=caller_state,
            counters=counters,
            applications=applications,
            deployer=deployer,
            rejected_tokens=_rejected_tokens(settings, trust),
            watch=watch,
            this_node=_this_node(settings, database, trust, deployer),
            kept=kept,
        )

    def is_connected(self) -> bool:
        """Whether Envoy is connected to the configuration stream."""
        return self.publisher.status().connected > 0

    def is_ready(self) -> bool:
        """Whether Envoy has its configuration and its counters."""
        return self.publisher.status().live and self.counters.ready


def _caller_state(
    settings: Settings,
    database: Database,
    publisher: Publisher,
    streams: RevokedStreams,
    kept: KeptEncodings,
) -> Mapping[str, ResourceSync]:
    own = settings.own_issuers
    return caller_resources(database, publisher, time.time, streams, own, kept.encode)


def _ending(
    streams: RevokedStreams, caller_state: Mapping[str, ResourceSync]
) -> Callable[[frozenset[str]], None]:
    """Ends the open calls of changed operations: the thread of the deny list tells Envoy."""

    def ended(rules: frozenset[str]) -> None:
        streams.end(rules)
        caller_state[REVOCATIONS].changed()

    return ended


def _counters(
    settings: Settings,
    store: Store,
    applications: Callable[[], Applications],
    deployer: Callable[[], Deployer],
) -> RateLimitCounters:
    """The counters; what they need is made after them."""

    def index() -> ConsumerIndex:
        issuers, tiers = deployer().issuers, settings.subscriptions
        return consumer_index(applications().all(), store.apis, issuers, tiers)

    return RateLimitCounters(
        counters_socket(settings),
        kept_counters(settings, store.database),
        index,
        str(time.time_ns()),
        lambda: deployer().counts,
    )


def kept_counters(settings: Settings, database: Database) -> Counters:
    """The counters of this node in the store."""
    return Counters(database, node_id(settings) if database.has_nodes else "")


def _this_node(
    settings: Settings, database: Database, trust: Trust, deployer: Deployer
) -> ThisNode:
    name = f"{socket.gethostname()} {settings.gateway.listen}:{settings.gateway.port}"
    return ThisNode(
        Node(node_id(settings), name, __version__, deployer.fingerprint),
        Nodes(database),
        deployments=deployer.follow,
        signing_keys=InbuiltKeys(settings, database, trust).confirm,
        issuers=trust.take_up_stored,
    )


def _publisher(settings: Settings) -> Publisher:
    return Publisher(
        xds_socket(settings), members=partial(members, admin_socket(settings))
    )


def _shared(
    settings: Settings,
    database: Database,
    issuers: GatewayIssuers,
    keys: ApiKeyIssuer,
    caller_state: Mapping[str, ResourceSync],
    kept: KeptEncodings,
) -> SharedResources:
    return SharedResources(
        render_context(settings, known_secrets(settings, SecretStore(database))),
        ensure_certificate(settings, time.time),
        issuers=issuers.current(),
        key_issuer=TrustedIssuer("api-keys", keys.issuer, keys.jwks(), api_keys=True),
        synced=lambda: [item.resource() for item in caller_state.values()],
        encode=kept.encode,
    )


def _applications(
    settings: Settings, database: Database, counters: RateLimitCounters
) -> Applications:
    return Applications(
        settings, ApplicationStore(database), time.time, counters.refresh
    )


def _compiler(settings: Settings, store: Store) -> ApiCompiler:
    return ApiCompiler(
        check=EnvoyCheck(find_envoy(settings.gateway.envoy)),
        compile_new=compiling(settings),
        compile_stored=compiler(settings.gateway.ai_providers),
        modules=Modules(PinnedModules(store.database), settings, fetch),
    )


def _rejected_tokens(settings: Settings, trust: Trust) -> RejectedTokenLog:
    # Each thread of Envoy has a stream; those of a thread that ends and its successor may overlap.
    threads = 2 * settings.gateway.threads + 2
    socket = rejected_tokens_socket(settings)
    return RejectedTokenLog(socket, trust.refused, trust.name_of, threads)

"""Deploy, undeploy, list, restore: the story of an API from its two files to a gateway that confirmed it (design §4).

Called by the system APIs, from threads. The store is the truth: what Envoy holds is made from it again at start.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kapi.apis.compile import Compiled, compile_api
from kapi.apis.ir import Api
from kapi.apis.merge import Placement, conflicts
from kapi.apis.secrets import NO_SECRETS, SecretId, Secrets
from kapi.errors import Diagnostic, GatewayError, KapiError, Problem
from kapi.gateway.deploy_checks import (
    objections,
    refuse,
    refuse_secrets,
    refuse_value,
    refused_code,
)
from kapi.gateway.deployed_apis import DeployedApis
from kapi.gateway.envoy.process.tls import Certificate, ensure_certificate
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.names import (
    CLUSTER,
    EXTENSION,
    NOTHING,
    SCOPE,
    Names,
    names_in,
    secret_id,
)
from kapi.gateway.envoy.resources.on_demand import asked_for, on_demand
from kapi.gateway.envoy.resources.render import (
    render_backends,
    render_base,
    render_issuers,
    render_scope,
    segments,
    system_segments,
)
from kapi.gateway.envoy.stream.encode import Resource, encode, resource
from kapi.gateway.fingerprint import fingerprint
from kapi.gateway.issuers import TrustedIssuer
from kapi.gateway.modules import Modules
from kapi.policies import POLICIES
from kapi.policies.authentication.trust import Need, needs_in
from kapi.settings import Settings
from kapi.store import Rendered, Store, StoredApi

_LOG = logging.getLogger("kapi.gateway")
_KINDS = {"scope": SCOPE, "cluster": CLUSTER}
_NAMES = {type_url: kind for kind, type_url in _KINDS.items()}

Key = tuple[str, str]
"""Type and name of a resource."""


class ResourcePublisher(Protocol):
    """What the deployer needs of the configuration stream; `envoy.xds.Publisher` is it."""

    def set_initial(self, resources: Iterable[Resource]) -> None:
        """Want these and nothing else."""

    def publish(self, changed: Sequence[Resource], removed: Sequence[Key] = ()) -> None:
        """Return when confirmed; raise GatewayError with nothing changed."""

    def wanted(self, keys: Iterable[Key]) -> dict[Key, Resource | None]:
        """What is wanted now."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The answer to a deployment: the id, and the conf with its id."""

    id: str
    conf_text: str
    warnings: tuple[Diagnostic, ...] = ()
    stored: StoredApi | None = None
    before: StoredApi | None = None
    """The API that had the id until now, if one had it."""
    unchanged: bool = False
    """Whether conf and definition are those that were deployed already."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What one deployment means to Envoy and to the store."""

    changed: tuple[Resource, ...]
    removed: tuple[Key, ...]
    named: dict[str, Names]
    """For each touched segment, the backends and secrets it names afterwards."""
    kept: tuple[Rendered, ...]
    dropped: tuple[Key, ...]


class Deployer:
    """Safe to share between threads; one change at a time goes to Envoy."""

    def __init__(
        self,
        *,
        store: Store,
        publisher: ResourcePublisher,
        check: Callable[[Sequence[dict[str, Any]], Sequence[dict[str, Any]]], None],
        settings: Settings,
        now: Callable[[], float],
        issuers: Sequence[TrustedIssuer] = (),
        key_issuer: TrustedIssuer | None = None,
        initial: Callable[[], Sequence[Resource]] = tuple,
        modules: Modules | None = None,
        secrets: Secrets = NO_SECRETS,
        changed: Callable[[], None] = lambda: None,
        certificate: Certificate | None = None,
        compile: Callable[..., Compiled] = compile_api,  # noqa: A002 - the verb of the house
        compile_new: Callable[..., Compiled] | None = None,
    ) -> None:
        """`check` asks Envoy whether it would take clusters and scopes, and raises GatewayError.

        `compile_new` compiles what is deployed now, which nothing is known about; `compile` does it for what was deployed before.
        `key_issuer` signs API keys, and stays when the other issuers change.
        `initial` gives what others publish by themselves, and Envoy must hold from the start. `changed` is called when other APIs are
        deployed or other issuers trusted, before the call that did it returns.
        """
        self._store = store
        self._publisher = publisher
        self._check = check
        self._now = now
        self._compile = compile
        self._compile_new = compile_new or compile
        self._issuers = tuple(issuers)
        self._key_issuers = () if key_issuer is None else (key_issuer,)
        self._initial = initial
        self._changed = changed
        self._modules = modules
        self._needs: frozenset[Need] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._certificate = certificate or ensure_certificate(settings, now)
        self._site = render_context(settings, secrets)
        self._fingerprint = fingerprint(self._site)
        self._lock = threading.Lock()
        self._index = DeployedApis(self._compile_stored)

    def restore(self) -> None:
        """Want of Envoy what the store says. Call it once, before Envoy can connect; nothing is compiled unless something changed."""
        with self._lock:
            for api in self._store.apis():
                self._index.put(api)
            rendered = self._store.rendered()
            resources = tuple(
                resource(_KINDS[item.kind], item.name, item.body) for item in rendered
            )
            scopes = _scopes(resources)
            complete = scopes.keys() >= set(self._index.all_segments())
            if not complete or any(item.fingerprint != self._fingerprint for item in rendered):
                resources = self._render_everything()
                scopes = _scopes(resources)
            for segment, scope in scopes.items():
                self._index.use(segment, names_in(scope.body))
            bare = (
                render_scope(segment, (), self._site)
                for segment in system_segments(self._site)
                if segment not in scopes
            )
            self._needs = needs_in(scope.body for scope in scopes.values())
            self._asked = asked_for(scope.body for scope in scopes.values())
            pair = (self._certificate.chain, self._certificate.private_key)
            base = render_base(
                self._site, (*self._issuers, *self._key_issuers), *pair, self._needs, self._asked
            )
            own = [
                *(encode(kind, value) for kind, value in base),
                *(encode(SCOPE, value) for value in bare if value),
            ]
            self._publisher.set_initial([*own, *self._initial(), *resources])

    def deploy(self, conf: bytes, definition: bytes, organization: str) -> Deployment:
        """Compile, check, publish, wait for Envoy, keep. Raises Invalid with all mistakes, or GatewayError; then nothing has changed."""
        compiled = self._compile_new(conf, definition, organization=organization, policies=POLICIES)
        api, unfit = compiled.api, refused_code(compiled.api, self._site.gateway)
        if self._modules and not unfit:
            api, unfit = self._modules.fetched(api)
        refuse((*self._conflicts(api), *objections(api, self._site), *unfit))
        scopes = (render_scope(segment, (api,), self._site) for segment in sorted(segments(api)))
        self._check(render_backends((api,), self._site), [scope for scope in scopes if scope])
        with self._lock:
            # Again: another deployment may have come first while Envoy checked this one.
            refuse(self._conflicts(api))
            before, stored = self._index.get(api.id), self._stored(api)
            change = self._change(self._index.segments_of(api.id), but=api.id, new=api)
            text = conf.decode("utf-8-sig")
            unchanged = before is not None and self._store.api_source(api.id) == (text, definition)
            self._apply(
                change,
                lambda: self._store.save_api(stored, text, definition, change.kept, change.dropped),
            )
            self._index.put(stored, api)
            if self._modules:
                self._modules.keep(api)
        self._changed()
        for item in compiled.warnings:
            _LOG.warning("API %s %s, line %d: %s", api.name, api.version, item.line, item.message)
        return Deployment(api.id, compiled.conf_text, compiled.warnings, stored, before, unchanged)

    def undeploy(self, api_id: str, organization: str) -> None:
        """Take an API away. Raises Problem 404 when the organization has none with that id."""
        with self._lock:
            stored = self._index.get(api_id)
            if stored is None or stored.organization != organization:
                raise Problem(
                    404, "909001", f"{api_id} not found", hint="See the deployed APIs: kapi apis."
                )
            change = self._change(self._index.segments_of(api_id), but=api_id)
            self._apply(change, lambda: self._store.delete_api(api_id, change.kept, change.dropped))
            self._index.remove(api_id)
            if self._modules:
                self._modules.forget(api_id)
        self._changed()

    def list(self, organization: str) -> tuple[StoredApi, ...]:
        """The APIs of an organization, by name and version."""
        own = (item for item in self._index.all() if item.organization == organization)
        return tuple(sorted(own, key=lambda item: (item.name, item.version, item.id)))

    def trust(self, issuers: Sequence[TrustedIssuer]) -> None:
        """Accept the tokens of these issuers from now on; cached tokens of withdrawn keys are refused at once."""
        with self._lock:
            self._publish_issuers(tuple(issuers), self._needs)
        self._changed()

    @property
    def issuers(self) -> tuple[TrustedIssuer, ...]:
        """Whose tokens are accepted."""
        return self._issuers

    @property
    def counts(self) -> bool:
        """Whether Envoy has the filter that counts, and answers the ledger."""
        return bool(self._asked)

    def _publish_issuers(self, issuers: tuple[TrustedIssuer, ...], needs: frozenset[Need]) -> None:
        self._publisher.publish(
            [
                encode(EXTENSION, item)
                for item in render_issuers(self._site, (*issuers, *self._key_issuers), needs)
            ]
        )
        self._issuers, self._needs = issuers, needs

    def use_secrets(
        self,
        secrets: Secrets,
        changed: SecretId,
        keep: Callable[[Sequence[Rendered], Sequence[Key]], None],
    ) -> None:
        """Take a changed secret up wherever it is named, without a redeployment; `keep` stores it with what was rendered.

        Raises Invalid when an API cannot use the new value, or GatewayError; then nothing has changed.
        """
        with self._lock:
            before, self._site = self._site, dataclasses.replace(self._site, secrets=secrets)
            try:
                touched = self._index.segments_with(secret_id(changed))
                if touched:
                    self._check_again(touched)
                change = self._change(touched)
                self._apply(change, lambda: keep(change.kept, change.dropped))
            except BaseException:
                self._site = before
                raise

    def _check_again(self, touched: Sequence[str]) -> None:
        """Raise when the APIs of these segments cannot be what they are with the secrets of now."""
        here = {segment: self._index.irs(segment) for segment in touched}
        apis = {api.id: api for found in here.values() for api in found}
        for api in apis.values():
            refuse_value(api, self._site.secrets)
        scopes = (render_scope(segment, found, self._site) for segment, found in here.items())
        self._check(
            render_backends(apis.values(), self._site), [scope for scope in scopes if scope]
        )

    def uses_secret(self, changed: SecretId) -> bool:
        """Whether a deployed API names this secret."""
        with self._lock:
            return bool(self._index.segments_with(secret_id(changed)))

    def _conflicts(self, api: Api) -> tuple[Diagnostic, ...]:
        others = [
            Placement(
                item.id, item.organization, item.name, item.version, item.environment, _paths(item)
            )
            for item in self._index.all()
        ]
        new = Placement(
            api.id, api.organization, api.name, api.version, api.environment, api.base_paths
        )
        return conflicts(new, others)

    def _stored(self, api: Api) -> StoredApi:
        before = self._index.get(api.id)
        where = (api.environment, api.base_path, api.default_base_path)
        revision = before.revision + 1 if before else 1
        return StoredApi(
            api.id, api.organization, api.name, api.version, *where, revision, int(self._now())
        )

    def _change(self, touched: Iterable[str], *, but: str = "", new: Api | None = None) -> _Change:
        """Render segments with the APIs there: without the one with the id `but`, and with `new` where it belongs."""
        own = segments(new) if new else frozenset()
        scopes: list[Resource] = []
        gone: list[Key] = []
        apis: dict[str, Api] = {}
        named: dict[str, Names] = {}
        bare: list[str] = []
        for segment in sorted({*touched, *own}):
            here = self._index.irs(segment, but=but) + ([new] if new and segment in own else [])
            apis |= {api.id: api for api in here}
            scope = render_scope(segment, here, self._site)
            if scope is None:
                gone.append((SCOPE, segment))
            else:
                scopes.append(encode(SCOPE, scope))
            if not here:
                bare.append(segment)
            named[segment] = names_in(scopes[-1].body) if scope else NOTHING
        used = frozenset().union(*(names.backends for names in named.values()))
        clusters = [
            encode(CLUSTER, cluster)
            for cluster in render_backends(apis.values(), self._site)
            if cluster["name"] in used
        ]
        unused = self._index.unused_backends(named)
        kept = tuple(
            self._rendered(item)
            for item in (*clusters, *scopes)
            if item.type_url != SCOPE or item.name not in bare
        )
        dropped = (
            *(("scope", segment) for segment in bare),
            *(("cluster", name) for name in unused),
        )
        return _Change(
            (*clusters, *scopes),
            (*gone, *((CLUSTER, name) for name in unused)),
            named,
            kept,
            dropped,
        )

    def _apply(self, change: _Change, keep: Callable[[], None]) -> None:
        """Publish, then keep; if keeping fails, publish what was there before."""
        needs = needs_in(item.body for item in change.changed if item.type_url == SCOPE)
        if not needs <= self._needs:
            # Before the routes that name them: a route whose requirement is not there yet refuses everybody.
            self._publish_issuers(self._issuers, self._needs | needs)
        asked = asked_for(item.body for item in change.changed if item.type_url == SCOPE)
        if not asked <= self._asked:
            self._publisher.publish(
                [encode(kind, item) for kind, item in on_demand(self._site, self._asked | asked)]
            )
            self._asked |= asked
        keys = [*((item.type_url, item.name) for item in change.changed), *change.removed]
        before = self._publisher.wanted(keys)
        self._publisher.publish(change.changed, change.removed)
        try:
            keep()
        except Exception:
            try:
                self._publisher.publish(
                    [item for item in before.values() if item],
                    [key for key, item in before.items() if item is None],
                )
            except GatewayError as error:
                _LOG.error("could not take back what the store did not keep: %s", error.detail)
            raise
        for segment, names in change.named.items():
            self._index.use(segment, names)

    def _render_everything(self) -> tuple[Resource, ...]:
        apis: dict[str, Api] = {}
        scopes: list[Resource] = []
        for segment in self._index.all_segments():
            here = self._index.irs(segment)
            apis |= {api.id: api for api in here}
            scope = render_scope(segment, here, self._site) if here else None
            if scope is not None:
                scopes.append(encode(SCOPE, scope))
        resources = (
            *(encode(CLUSTER, cluster) for cluster in render_backends(apis.values(), self._site)),
            *scopes,
        )
        self._store.replace_rendered(self._rendered(item) for item in resources)
        return resources

    def _rendered(self, item: Resource) -> Rendered:
        return Rendered(_NAMES[item.type_url], item.name, self._fingerprint, item.body)

    def _compile_stored(self, stored: StoredApi) -> Api | None:
        """The IR of a stored API. One that no longer compiles must not stop the others."""
        source = self._store.api_source(stored.id)
        try:
            if source is None:
                return None
            conf, definition = source[0].encode("utf-8"), source[1]
            api = self._compile(
                conf, definition, organization=stored.organization, policies=POLICIES, restored=True
            ).api
            refuse(refused_code(api, self._site.gateway))
            refuse_secrets(api, self._site.secrets)
            api = (
                self._modules.pinned(dataclasses.replace(api, id=stored.id))
                if self._modules
                else api
            )
        except KapiError as error:
            _LOG.error(
                "API %s (%s %s) is left out: %s",
                stored.id,
                stored.name,
                stored.version,
                error.detail or error.title,
            )
            return None
        return dataclasses.replace(api, id=stored.id)


def _scopes(resources: Iterable[Resource]) -> dict[str, Resource]:
    return {item.name: item for item in resources if item.type_url == SCOPE}


def _paths(item: StoredApi) -> tuple[str, ...]:
    return (
        (item.base_path,)
        if item.default_base_path is None
        else (item.base_path, item.default_base_path)
    )

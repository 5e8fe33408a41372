"""Deploy, undeploy, list and restore APIs. Called by the system APIs, from threads.

The store is the source of truth: what Envoy holds is derived from it again at each start.
`change.py` computes what a deployment changes, `restore.py` what is there at the start.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TypeVar

from kapi import error_codes
from kapi.apis.compile import Compiled
from kapi.apis.ir import Api
from kapi.apis.merge import Placement, conflicts, host_paths, taken_calls
from kapi.apis.secrets import SecretId, Secrets
from kapi.errors import Diagnostic, GatewayError, GatewayRejected, Problem, StorageBusy
from kapi.gateway.deployment.change import Change, Key, change_of, scopes_in
from kapi.gateway.deployment.checks import raise_mistakes, raise_unusable_value
from kapi.gateway.deployment.compiler import ApiCompiler
from kapi.gateway.deployment.deployed_apis import DeployedApis
from kapi.gateway.deployment.fingerprint import fingerprint
from kapi.gateway.deployment.modules import pins
from kapi.gateway.deployment.other_changes import OtherChanges
from kapi.gateway.deployment.restore import restored
from kapi.gateway.deployment.shared_resources import SharedResources
from kapi.gateway.envoy.resources.names import names_in, secret_id
from kapi.gateway.envoy.resources.render import segments
from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.envoy.resources.routes.paths import first_segment
from kapi.gateway.issuers import TrustedIssuer
from kapi.store import Rendered, Store, StoredApi, StoreMoved

_LOG = logging.getLogger("kapi.gateway")
Result = TypeVar("Result")
Keep = Callable[[Sequence[Rendered], Sequence[Key], int], None]
"""Stores a secret with what is rendered and dropped. The newest change must have this number."""
_MOST_TURNS = 20
"""How often a change is tried while other nodes are faster."""


class ResourcePublisher(Protocol):
    """The part of the configuration stream that the deployer uses; see `envoy.stream.server`."""

    def set_initial(self, resources: Iterable[Resource]) -> None:
        """Replace the desired state by these resources."""

    def publish(self, changed: Sequence[Resource], removed: Sequence[Key] = ()) -> None:
        """Return when Envoy confirmed; raise GatewayError with nothing changed."""

    def wanted(self, keys: Iterable[Key]) -> dict[Key, Resource | None]:
        """The desired state of these resources; None for those that must not exist."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The result of a deployment."""

    id: str
    conf_text: str
    """The conf with the id of the API."""
    warnings: tuple[Diagnostic, ...] = ()
    stored: StoredApi | None = None
    before: StoredApi | None = None
    """The API that had the same id before, if there was one."""
    unchanged: bool = False
    """Whether conf and definition are the same as before."""
    change: int = 0
    """The number of the change in the store; nodes confirm it."""


class Deployer:
    """Safe to share between threads; one change at a time is published."""

    def __init__(
        self,
        *,
        store: Store,
        publisher: ResourcePublisher,
        compiler: ApiCompiler,
        shared: SharedResources,
        now: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
        secrets: Callable[[], Secrets] | None = None,
    ) -> None:
        """`secrets` reads them from the store again, for what other nodes changed.

        `changed` is called when APIs or issuers have changed, before the call returns.
        """
        self._store = store
        self._publisher = publisher
        self._compiler = compiler
        self._shared = shared
        self._now = now
        self._changed = changed
        self._read_secrets = secrets
        self._context = shared.context
        self.fingerprint = fingerprint(shared.context)
        """Of what this node renders; nodes with other settings have another."""
        self._lock = threading.Lock()
        self._apis = DeployedApis(self._compile_stored)
        self._changes = OtherChanges(store, self._apis)

    def restore(self) -> None:
        """Make the state of the store the desired state of Envoy.

        Call it once, before Envoy can connect. Nothing is compiled unless the input of rendering
        has changed.
        """
        with self._lock:
            self._changes.begin()
            resources = restored(self._store, self._apis, self._context, self.fingerprint)
            scopes = scopes_in(resources)
            for segment, scope in scopes.items():
                self._apis.use(segment, names_in(scope.body))
            self._shared = self._shared.extended_for(scope.body for scope in scopes.values())
            self._publisher.set_initial([*self._shared.initial(scopes), *resources])

    def deploy(self, conf: bytes, definition: bytes, organization: str) -> Deployment:
        """Compile, check, publish, wait for Envoy, store.

        Raises Invalid with all mistakes, or GatewayError; then nothing has changed.
        """
        compiled, mistakes = self._compiler.new(conf, definition, organization, self._context)
        api = compiled.api
        raise_mistakes((*self._conflicts(api), *mistakes))
        self._compiler.check_alone(api, self._context)

        def work() -> Deployment:
            # Again: another deployment may have come first while Envoy checked this one.
            raise_mistakes(self._conflicts(api))
            return self._deploy(compiled, conf.decode("utf-8-sig"), definition)

        done, change = self._in_turn(work)
        self._changed()
        for item in compiled.warnings:
            _LOG.warning("API %s %s, line %d: %s", api.name, api.version, item.line, item.message)
        return dataclasses.replace(done, change=change)

    def undeploy(self, api_id: str, organization: str) -> int:
        """Remove an API; returns the number of the change.

        Raises Problem 404 when the organization has none with that id.
        """
        _, change = self._in_turn(lambda: self._undeploy(api_id, organization))
        self._changed()
        return change

    def follow(self) -> int:
        """Take up what other nodes deployed; the newest change that Envoy of this node has.

        Raises GatewayError or StorageError; then call it again later.
        """
        with self._lock:
            before = self._changes.known
            self._catch_up()
            after, confirmed = self._changes.known, self._changes.confirmed
        if after != before:
            self._changed()
        return confirmed

    def list(self, organization: str) -> tuple[StoredApi, ...]:
        """The APIs of an organization, by name and version."""
        own = [item for item in self._apis.all() if item.organization == organization]
        return tuple(sorted(own, key=lambda item: (item.name, item.version, item.id)))

    @property
    def deployed(self) -> tuple[StoredApi, ...]:
        """All deployed APIs."""
        return self._apis.all()

    def trust(self, issuers: Sequence[TrustedIssuer]) -> None:
        """Accept the tokens of these issuers only, cached tokens included."""
        with self._lock:
            self._publish_token_filters(dataclasses.replace(self._shared, issuers=tuple(issuers)))
        self._changed()

    @property
    def issuers(self) -> tuple[TrustedIssuer, ...]:
        """The issuers of accepted access tokens."""
        return self._shared.issuers

    @property
    def counts(self) -> bool:
        """Whether Envoy has the filter that counts requests, and its listener."""
        return bool(self._shared.filters)

    def use_secret(self, changed: SecretId, value: str | None, keep: Keep) -> None:
        """Render again whatever names a secret; `keep` stores the secret and the result.

        `value` is None for a secret that is removed. Raises Invalid when an API cannot use the new
        value, or GatewayError; then nothing has changed.
        """
        self._in_turn(lambda: self._use_secret(changed, value, keep))

    def uses_secret(self, changed: SecretId) -> bool:
        """Whether a deployed API names this secret."""
        with self._lock:
            return bool(self._apis.segments_with(secret_id(changed)))

    def _in_turn(self, work: Callable[[], Result]) -> tuple[Result, int]:
        """Do `work` on the state of all nodes, again if another node was faster.

        Returns its result, and the number of the change.
        """
        with self._lock:
            for _ in range(_MOST_TURNS):
                self._catch_up()
                try:
                    done = work()
                except StoreMoved:
                    continue
                return done, self._changes.made()
        raise StorageBusy

    def _catch_up(self) -> None:
        """Publish what other nodes stored since. What Envoy refuses is tried again later."""
        if self._changes.read():
            self._take_up_secrets()
        due = self._changes.due()
        try:
            self._take_up(due)
        except GatewayRejected:
            for segment in sorted(due):
                self._take_up_alone(segment)

    def _take_up(self, due: frozenset[str]) -> None:
        if due:
            self._apply(self._change(due), lambda: None)

    def _take_up_alone(self, segment: str) -> None:
        try:
            self._take_up(frozenset({segment}))
        except GatewayRejected as error:
            _LOG.error("/%s of another node is refused by Envoy here: %s", segment, error.detail)

    def _take_up_secrets(self) -> None:
        if self._read_secrets is None:
            return
        before, secrets = self._context.secrets.values, self._read_secrets()
        self._context = dataclasses.replace(self._context, secrets=secrets)
        for name in before.keys() | secrets.values.keys():
            if before.get(name) != secrets.values.get(name):
                self._changes.add(self._apis.segments_with(secret_id(name)))

    def _undeploy(self, api_id: str, organization: str) -> None:
        stored = self._apis.get(api_id)
        if stored is None or stored.organization != organization:
            hint = "See the deployed APIs: kapi apis."
            raise Problem.of(error_codes.NOT_FOUND, f"{api_id} not found", hint=hint)
        change = self._change(self._apis.segments_of(api_id), without=api_id)
        after = self._changes.known
        self._apply(
            change,
            lambda: self._store.delete_api(api_id, change.rendered, change.dropped, after=after),
        )
        self._apis.remove(api_id)
        self._changes.forget(api_id)
        self._compiler.forget_modules(api_id)

    def _use_secret(self, changed: SecretId, value: str | None, keep: Keep) -> None:
        before = self._context
        values = {name: item for name, item in before.secrets.values.items() if name != changed}
        if value is not None:
            values[changed] = value
        secrets = Secrets(MappingProxyType(values))
        self._context = dataclasses.replace(before, secrets=secrets)
        try:
            touched = self._apis.segments_with(secret_id(changed))
            if touched:
                self._check_again(touched)
            change = self._change(touched)
            self._apply(change, lambda: keep(change.rendered, change.dropped, self._changes.known))
        except BaseException:
            self._context = before
            raise

    def _deploy(self, compiled: Compiled, conf: str, definition: bytes) -> Deployment:
        api = compiled.api
        before, stored = self._apis.get(api.id), self._stored(api)
        unchanged = before is not None and self._store.api_source(api.id) == (conf, definition)
        touched = self._apis.segments_of(api.id) | segments(api)
        change = self._change(touched, without=api.id, new=api)
        pinned = self._compiler.pinned_modules(api.id)
        self._apply(
            change,
            lambda: self._store.save_api(
                stored,
                conf,
                definition,
                change.rendered,
                change.dropped,
                modules=pins(api),
                after=self._changes.known,
            ),
        )
        self._apis.put(stored, api)
        self._changes.forget(api.id)
        self._compiler.clean_modules(pinned)
        return Deployment(api.id, compiled.conf_text, compiled.warnings, stored, before, unchanged)

    def _check_again(self, touched: Iterable[str]) -> None:
        """Raise when APIs of these segments can no longer be rendered with the current secrets."""
        apis = {segment: self._apis.irs(segment) for segment in touched}
        distinct = {api.id: api for here in apis.values() for api in here}
        raise_unusable_value(distinct.values(), self._context.secrets)
        self._compiler.check_with_envoy(apis, self._context)

    def _conflicts(self, api: Api) -> tuple[Diagnostic, ...]:
        deployed = [_placement(item) for item in self._apis.all()]
        new = _placement(api)
        beside = [
            other for path in host_paths(api) for other in self._apis.irs(first_segment(path))
        ]
        return (*conflicts(new, deployed), *taken_calls(api, beside))

    def _stored(self, api: Api) -> StoredApi:
        before = self._apis.get(api.id)
        return StoredApi(
            api.id,
            api.organization,
            api.name,
            api.version,
            api.environment,
            api.base_path,
            api.default_base_path,
            before.revision + 1 if before else 1,
            int(self._now()),
        )

    def _change(
        self, touched: Iterable[str], *, without: str = "", new: Api | None = None
    ) -> Change:
        """Render segments without the API that has the id `without`, and with the API `new`.

        Raises GatewayUnavailable for a segment with an API that this version cannot read.
        """
        touched = tuple(touched)
        self._changes.refuse_unreadable(touched, api_id=without)
        apis = {segment: self._apis.irs(segment, without=without) for segment in touched}
        if new is not None:
            for segment in segments(new):
                apis[segment].append(new)
        return change_of(apis, self._apis.names, self._context, self.fingerprint)

    def _apply(self, change: Change, keep: Callable[[], None]) -> None:
        """Publish, then store. If the store fails, publish the previous state again."""
        self._prepare(change)
        before = self._publisher.wanted(change.keys)
        self._publisher.publish(change.changed, change.removed)
        try:
            keep()
        except Exception:
            self._publish_previous(before)
            raise
        for segment, names in change.names.items():
            self._apis.use(segment, names)
        self._changes.published(change.names)

    def _prepare(self, change: Change) -> None:
        """Publish the token requirements and filters that the routes name, before the routes.

        A route whose requirement does not exist refuses every request.
        """
        extended = self._shared.extended_for(change.scopes)
        if extended.needs != self._shared.needs:
            self._publish_token_filters(dataclasses.replace(self._shared, needs=extended.needs))
        if extended.filters != self._shared.filters:
            # Each alone: Envoy compiles a WebAssembly module before it confirms.
            for resource in extended.on_demand_filters():
                self._publisher.publish([resource])
            self._shared = extended

    def _publish_token_filters(self, shared: SharedResources) -> None:
        self._publisher.publish(shared.token_filters())
        self._shared = shared

    def _publish_previous(self, before: dict[Key, Resource | None]) -> None:
        changed = [item for item in before.values() if item is not None]
        removed = [key for key, item in before.items() if item is None]
        try:
            self._publisher.publish(changed, removed)
        except GatewayError as error:
            _LOG.error("could not publish the previous state again: %s", error.detail)

    def _compile_stored(self, stored: StoredApi) -> Api | None:
        return self._compiler.stored(stored, self._store.api_source(stored.id), self._context)


def _placement(api: Api | StoredApi) -> Placement:
    place = (api.id, api.organization, api.name, api.version, api.environment)
    return Placement(*place, api.base_paths)

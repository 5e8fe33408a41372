"""Deploy, undeploy, list and restore APIs. Called by the system APIs, from threads.

The store is the source of truth: what Envoy holds is derived from it again at each start.
`change.py` computes what a deployment changes, `restore.py` what is there at the start.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from kapi import error_codes
from kapi.apis.compile import Compiled
from kapi.apis.ir import Api
from kapi.apis.model.choices import Wanted
from kapi.apis.secrets import SecretId, Secrets, secret_mistakes
from kapi.errors import Diagnostic, GatewayRejected, Problem, StorageBusy
from kapi.gateway.deployment.change import Change, Key, change_of, scopes_in
from kapi.gateway.deployment.checks import (
    needs_check_alone,
    raise_mistakes,
    raise_unusable_value,
    secret_in_use,
)
from kapi.gateway.deployment.compiler import ApiCompiler
from kapi.gateway.deployment.deployed_apis import DeployedApis
from kapi.gateway.deployment.deployment import AlsoOf, Deployment, nothing_else_of
from kapi.gateway.deployment.fingerprint import fingerprint
from kapi.gateway.deployment.modules import pins
from kapi.gateway.deployment.other_changes import OtherChanges
from kapi.gateway.deployment.planning import Planning, conflicts_beside, placement_of
from kapi.gateway.deployment.publishing import (
    ResourcePublisher,
    publish_change,
    publish_previous,
)
from kapi.gateway.deployment.restore import restored
from kapi.gateway.deployment.shared_resources import SharedResources
from kapi.gateway.envoy.resources.names import names_in, secret_id
from kapi.gateway.issuers import TrustedIssuer
from kapi.store import Also, Rendered, Store, StoredApi, StoreMoved, nothing_else

_LOG = logging.getLogger("kapi.gateway")
Result = TypeVar("Result")
Keep = Callable[[Sequence[Rendered], Sequence[Key], int], None]
"""Stores a secret with what is rendered and dropped. The newest change must have this number."""
_MOST_TURNS = 20
"""How often a change is tried while other nodes are faster."""


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
        self._apis = DeployedApis(
            self._compile_stored, version_routing=shared.context.gateway.version_routing
        )
        self._changes = OtherChanges(store, self._apis)

    def restore(self) -> None:
        """Make the state of the store the desired state of Envoy.

        Call it once, before Envoy can connect. Nothing is compiled unless the input of rendering
        has changed.
        """
        with self._lock:
            newest = self._changes.newest()
            self._take_up_secrets()
            self._changes.begin(newest)
            place = (self._context, self.fingerprint, newest)
            resources = restored(self._store, self._apis, *place)
            scopes = scopes_in(resources)
            for segment, scope in scopes.items():
                self._apis.use(segment, names_in(scope.body))
            self._shared = self._shared.extended_for(
                scope.body for scope in scopes.values()
            )
            self._publisher.set_initial([*self._shared.initial(scopes), *resources])

    def deploy(
        self,
        conf: bytes | Wanted,
        definition: bytes,
        organization: str,
        also: AlsoOf = nothing_else_of,
    ) -> Deployment:
        """Compile, check, publish, wait for Envoy, store; `also` writes in the same transaction.

        Raises Invalid with all mistakes, or GatewayError; then nothing has changed.
        """
        if self._changes.newest() != self._changes.known:
            self.follow()  # The API may name a secret that another node has stored.
        context = self._context
        compiled, mistakes = self._compiler.new(conf, definition, organization, context)
        api = compiled.api
        raise_mistakes((*self._conflicts(api), *mistakes))
        if needs_check_alone(api):
            self._compiler.check_alone(api, context)

        def work() -> Deployment:
            # Again: another change may have come first while this API was compiled.
            found = self._conflicts(api)
            if self._context is not context:
                found += secret_mistakes(api, self._context.secrets)
            raise_mistakes(found)
            text = compiled.generated
            if isinstance(conf, bytes):
                text = conf.decode("utf-8-sig")
            return self._deploy(compiled, text, definition, also)

        done, change = self._in_turn(work)
        self._changed()
        for item in compiled.warnings:
            _LOG.warning(
                "API %s %s, line %d: %s", api.name, api.version, item.line, item.message
            )
        return dataclasses.replace(done, change=change)

    def planning(self, secrets: Mapping[SecretId, str]) -> Planning:
        """Says what changes would do, once these secrets are set. Changes nothing."""
        return Planning(self._apis, self._compiler, self._context, secrets, self._lock)

    def undeploy(
        self, api_id: str, organization: str, also: Also = nothing_else
    ) -> int:
        """Remove an API; returns the number of the change. `also` writes in its transaction.

        Raises Problem 404 when the organization has none with that id.
        """
        _, change = self._in_turn(lambda: self._undeploy(api_id, organization, also))
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

    def revision(self, api_id: str) -> int | None:
        """The revision of a deployed API; None if it is not deployed."""
        stored = self._apis.get(api_id)
        return None if stored is None else stored.revision

    def trust(self, issuers: Sequence[TrustedIssuer]) -> None:
        """Accept the tokens of these issuers only, cached tokens included."""
        with self._lock:
            self._publish_token_filters(
                dataclasses.replace(self._shared, issuers=tuple(issuers))
            )
        self._changed()

    @property
    def issuers(self) -> tuple[TrustedIssuer, ...]:
        """The issuers of accepted access tokens."""
        return self._shared.issuers

    @property
    def counts(self) -> bool:
        """Whether Envoy has a filter that counts requests, and its listener."""
        return self._shared.counts

    def use_secret(self, changed: SecretId, value: str | None, keep: Keep) -> None:
        """Render again whatever names a secret; `keep` stores the secret and the result.

        `value` is None for a secret that is removed. Raises Invalid when an API cannot use the new
        value, Problem 409 for the removal of one that an API names, or GatewayError; then nothing
        has changed.
        """
        self._in_turn(lambda: self._use_secret(changed, value, keep))

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
        newest = self._changes.newest()
        if newest != self._changes.known:
            self._take_up_secrets()
            self._changes.read(newest)
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
            _LOG.error(
                "/%s of another node is refused by Envoy here: %s",
                segment,
                error.detail,
            )

    def _take_up_secrets(self) -> None:
        """Before the APIs are read: a stored API without its secret does not compile."""
        if self._read_secrets is None:
            return
        before, secrets = self._context.secrets.values, self._read_secrets()
        self._context = dataclasses.replace(self._context, secrets=secrets)
        for name in before.keys() | secrets.values.keys():
            if before.get(name) != secrets.values.get(name):
                self._changes.add(self._apis.segments_with(secret_id(name)))

    def _undeploy(self, api_id: str, organization: str, also: Also) -> None:
        stored = self._apis.get(api_id)
        if stored is None or stored.organization != organization:
            hint = (
                "See the deployed APIs: kapi apis. With a name: kapi delete api NAME."
            )
            raise Problem.of(error_codes.NOT_FOUND, f"{api_id} not found", hint=hint)
        change = self._change(self._apis.segments_of(api_id), without=api_id)
        after = self._changes.known
        self._apply(
            change,
            lambda: self._store.delete_api(
                api_id, change.rendered, change.dropped, after=after, also=also
            ),
        )
        self._apis.remove(api_id)
        self._changes.forget(api_id)
        self._compiler.forget_modules(api_id)

    def _use_secret(self, changed: SecretId, value: str | None, keep: Keep) -> None:
        before = self._context
        values = {
            name: item
            for name, item in before.secrets.values.items()
            if name != changed
        }
        if value is not None:
            values[changed] = value
        secrets = Secrets(MappingProxyType(values))
        self._context = dataclasses.replace(before, secrets=secrets)
        try:
            touched = self._apis.segments_with(secret_id(changed))
            if touched and value is None:
                raise secret_in_use(changed)
            if touched:
                self._check_again(touched)
            change = self._change(touched)
            self._apply(
                change,
                lambda: keep(change.rendered, change.dropped, self._changes.known),
            )
        except BaseException:
            self._context = before
            raise

    def _deploy(
        self,
        compiled: Compiled,
        conf: str,
        definition: bytes,
        also: AlsoOf,
    ) -> Deployment:
        api = compiled.api
        before, stored = self._apis.get(api.id), self._stored(api)
        unchanged = before is not None and self._store.api_source(api.id) == (
            conf,
            definition,
        )
        touched = self._apis.segments_of(api.id) | self._apis.segments(api)
        change = self._change(touched, without=api.id, new=api)
        pinned = self._compiler.pinned_modules(api.id)
        done = Deployment(
            api.id, compiled.conf_text, compiled.warnings, stored, before, unchanged
        )
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
                also=lambda db: also(db, done),
            ),
        )
        self._apis.put(stored, api)
        self._changes.forget(api.id)
        self._compiler.clean_modules(pinned)
        return done

    def _check_again(self, touched: Iterable[str]) -> None:
        """Raise when APIs of these segments can no longer be rendered with the current secrets."""
        apis = {segment: self._apis.irs(segment) for segment in touched}
        distinct = {api.id: api for here in apis.values() for api in here}
        raise_unusable_value(distinct.values(), self._context.secrets)
        self._compiler.check_with_envoy(apis, self._context)

    def _conflicts(self, api: Api) -> tuple[Diagnostic, ...]:
        return conflicts_beside(
            api, map(placement_of, self._apis.rivals(api)), self._apis
        )

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
        apis = {
            segment: self._apis.irs(segment, without=without) for segment in touched
        }
        if new is not None:
            for segment in self._apis.segments(new):
                apis[segment].append(new)
        return change_of(apis, self._apis.names, self._context, self.fingerprint)

    def _apply(self, change: Change, keep: Callable[[], None]) -> None:
        """Publish, then store. If the store fails, publish the previous state again."""
        self._prepare(change)
        before = self._publisher.wanted(change.keys)
        publish_change(self._publisher, change, lambda: self._check_change(change))
        try:
            keep()
        except Exception:
            publish_previous(self._publisher, before)
            raise
        for segment, names in change.names.items():
            self._apis.use(segment, names)
        self._changes.published(change.names)

    def _check_change(self, change: Change) -> None:
        self._compiler.check_with_envoy(change.apis, self._context)

    def _prepare(self, change: Change) -> None:
        """Publish the token requirements and filters that the routes name, before the routes.

        A route whose requirement does not exist refuses every request.
        """
        extended = self._shared.extended_for(change.scopes)
        if extended.needs != self._shared.needs:
            self._publish_token_filters(
                dataclasses.replace(self._shared, needs=extended.needs)
            )
        if extended.filters != self._shared.filters:
            # Each alone: Envoy compiles a WebAssembly module before it confirms.
            for resource in extended.on_demand_filters():
                self._publisher.publish([resource])
            self._shared = extended

    def _publish_token_filters(self, shared: SharedResources) -> None:
        self._publisher.publish(shared.token_filters())
        self._shared = shared

    def _compile_stored(self, stored: StoredApi) -> Api | None:
        return self._compiler.stored(
            stored, self._store.api_source(stored.id), self._context
        )

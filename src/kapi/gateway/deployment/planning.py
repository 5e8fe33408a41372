"""What deployments would do, without doing them: for a trial of several APIs at once.

Called by the deployer. The APIs are judged in their order, each beside those that are deployed and
those that come before it. Envoy checks all of them in one run, and each alone only if it refuses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType

from kapi import error_codes
from kapi.apis.compile import Compiled
from kapi.apis.ir import Api
from kapi.apis.merge import Placement, Places, conflicts, host_paths, taken_calls
from kapi.apis.secrets import SecretId, Secrets
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic, GatewayRejected, Invalid
from kapi.gateway.deployment.checks import raise_unusable_value
from kapi.gateway.deployment.compiler import ApiCompiler
from kapi.gateway.deployment.deployed_apis import DeployedApis
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import secret_id
from kapi.gateway.envoy.resources.render import segments
from kapi.gateway.envoy.resources.routes.paths import first_segment
from kapi.store import StoredApi


@dataclass(frozen=True, slots=True)
class Upload:
    """A conf and its definition."""

    conf: bytes
    definition: bytes


@dataclass(frozen=True, slots=True)
class Planned:
    """What would become of an upload; without an API if its files have mistakes."""

    api: Api | None
    mistakes: tuple[Diagnostic, ...] = ()


def placement_of(api: Api | StoredApi) -> Placement:
    """Where an API answers."""
    place = (api.id, api.organization, api.name, api.version, api.environment)
    return Placement(*place, api.base_paths)


def conflicts_beside(
    api: Api, others: Iterable[Placement], apis: DeployedApis, more: Iterable[Api] = ()
) -> tuple[Diagnostic, ...]:
    """Why an API cannot be deployed beside the others; `more` of them are not deployed yet."""
    coming = {item.id: item for item in more}
    beside = {
        other.id: other
        for path in host_paths(api)
        for other in apis.irs(first_segment(path))
    }
    calls = taken_calls(api, (beside | coming).values())
    return (*conflicts(placement_of(api), others), *calls)


class Planning:
    """Judges uploads of one organization, one after the other."""

    def __init__(
        self,
        apis: DeployedApis,
        compiler: ApiCompiler,
        context: RenderContext,
        secrets: Mapping[SecretId, str],
        lock: AbstractContextManager[object],
    ) -> None:
        """`secrets` are set before the APIs are deployed. `apis` are read under the lock."""
        self._apis = apis
        self._compiler = compiler
        values = MappingProxyType({**context.secrets.values, **secrets})
        self._context = dataclasses.replace(context, secrets=Secrets(values))
        self._lock = lock
        with lock:
            self._answering = Places(map(placement_of, apis.all()))
        self._coming: dict[str, Api] = {}

    def plan(
        self,
        uploads: Sequence[Upload],
        organization: str,
        beside: Iterable[Placement] = (),
    ) -> tuple[Planned, ...]:
        """What would become of each upload, with all mistakes.

        `beside` are APIs of this organization that are deployed before.
        """
        for place in beside:
            self._answering.add(place)
        planned = [self._compiled(item, organization) for item in uploads]
        accepted = []
        for item in planned:
            if item.api is not None and not item.mistakes:
                accepted.append(item.api)
        if self._refused(accepted) is None:
            return tuple(planned)
        return tuple(map(self._checked_alone, planned))

    def refuse_unusable(self, changed: Iterable[SecretId]) -> None:
        """Raise Invalid if a deployed API cannot use these secrets."""
        with self._lock:
            touched = {
                segment
                for name in changed
                for segment in self._apis.segments_with(secret_id(name))
            }
            apis = {
                api.id: api for segment in touched for api in self._apis.irs(segment)
            }
        raise_unusable_value(apis.values(), self._context.secrets)

    def _compiled(self, upload: Upload, organization: str) -> Planned:
        try:
            compiled, mistakes = self._compiler.new(
                upload.conf, upload.definition, organization, self._context
            )
        except Invalid as error:
            return Planned(None, error.diagnostics)
        return self._beside(compiled, mistakes)

    def _beside(self, compiled: Compiled, mistakes: tuple[Diagnostic, ...]) -> Planned:
        api = compiled.api
        with self._lock:
            others, more = (
                self._answering.rivals(placement_of(api)),
                self._coming.values(),
            )
            found = conflicts_beside(api, others, self._apis, more)
        if api.id in self._coming:
            message = f"another API of this request has the id {api.id}"
            found += (Diagnostic("object", message, "Declare each API once.", "#/id"),)
        self._answering.add(placement_of(api))
        self._coming[api.id] = api
        return Planned(api, (*found, *mistakes))

    def _checked_alone(self, item: Planned) -> Planned:
        if item.api is None or item.mistakes:
            return item
        refusal = self._refused([item.api])
        if refusal is None:
            return item
        code = str(error_codes.GATEWAY_REFUSED.number)
        mistake = Diagnostic(code, f"{refusal.title}: {refusal.detail}", refusal.hint)
        return dataclasses.replace(item, mistakes=(mistake,))

    def _refused(self, apis: Sequence[Api]) -> GatewayRejected | None:
        """Envoy's refusal of these APIs together, or None."""
        if not apis:
            return None
        here: dict[str, list[Api]] = {}
        for api in apis:
            routed = self._context.gateway.version_routing
            for segment in sorted(segments(api, version_routing=routed)):
                here.setdefault(segment, []).append(api)
        try:
            self._compiler.check_with_envoy(here, self._context)
        except GatewayRejected as error:
            return error
        return None

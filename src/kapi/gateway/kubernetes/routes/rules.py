"""Rules of an API with what the policies say about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from itertools import product
from typing import Any

from kapi.apis.ir import Endpoint
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.routes.operations import BACKEND_TIMEOUT
from kapi.gateway.envoy.resources.routes.paths import Rewrite
from kapi.gateway.kubernetes.backends import Backends
from kapi.gateway.kubernetes.names import Manifest, object_name
from kapi.gateway.kubernetes.routes.endpoints import traffic_of
from kapi.gateway.kubernetes.routes.entries import Entry, GrpcEntry, Rule
from kapi.gateway.kubernetes.routes.filters import (
    extension,
    forwarded,
    injected,
    modifier,
    rewritten,
    too_many,
)
from kapi.gateway.kubernetes.routes.matches import ordered_patterns
from kapi.gateway.kubernetes.routes.parts import joined, route_parts
from kapi.policies import Place
from kapi.policies.contract import HeaderCredential
from kapi.policies.kubernetes import (
    HeaderChanges,
    KubernetesPlace,
    KubernetesRoute,
    NotPossible,
)

_LARGEST_INLINE = 8 * 1024
"""Bytes of a body in an HTTPRouteFilter; a larger one is in a ConfigMap."""


@dataclass(slots=True)
class RuleMaker:
    """Makes the rules of one API, and collects the objects that they name."""

    backends: Backends
    objects: list[Manifest] = field(default_factory=list)
    faults: list[NotPossible] = field(default_factory=list)

    def http(self, entries: Sequence[Entry]) -> Iterable[Rule]:
        """The rules of one host, whose entries are in the order of their matches."""
        patterns = ordered_patterns([item.path for item in entries])
        for item, pattern in zip(entries, patterns, strict=True):
            matches = _matches(item, pattern)
            name = object_name(item.readable, (item.host, item.path.template, matches))
            if item.place is None:
                yield self._answer(item, name, matches)
                continue
            part = self._part(item.place)
            rewrite = None
            if item.rewrite:
                rewrite = item.rewrite(item.place.endpoint.base_path)
            fields = {"name": name, "matches": matches}
            fields |= self._forwarded(name, item.place, part, rewrite, "HTTPRoute")
            yield _rule("HTTPRoute", item.host, fields, part)

    def grpc(self, item: GrpcEntry) -> Rule:
        """The rule of a method."""
        part = self._part(item.place)
        method = {"type": "Exact", "service": item.service, "method": item.method}
        name = object_name(f"{item.service} {item.method}", (item.place.host, method))
        base_path = item.place.endpoint.base_path.rstrip("/")
        rewrite = Rewrite("", base_path + item.backend_path, is_fixed=True)
        fields = {"name": name, "matches": [{"method": method}]}
        fields |= self._forwarded(name, item.place, part, rewrite, "GRPCRoute")
        return _rule("GRPCRoute", item.place.host, fields, part)

    def _part(self, place: Place) -> KubernetesRoute:
        context = self.backends.context
        at = KubernetesPlace(place, context.settings.kubernetes, context.issuers)
        part = joined((traffic_of(place.endpoint), route_parts(at)))
        self.faults += part.not_possible
        if _differ(place.endpoints):
            what = "endpoints of one operation that differ in path, times, retries or credentials"
            self.faults.append(
                NotPossible(what, "Give them the same, or a path of their own each.")
            )
        return part

    def _answer(self, item: Entry, name: str, matches: list[dict[str, Any]]) -> Rule:
        answer = dict(item.answer)
        if item.body:
            answer["body"] = self._body(item.body, name)
        self._filter(name, {"directResponse": answer})
        fields = {"name": name, "matches": matches, "filters": [extension(name)]}
        return _rule("HTTPRoute", item.host, fields, KubernetesRoute())

    def _body(self, text: str, name: str) -> dict[str, Any]:
        # Envoy Gateway lets Envoy fill in variables, which begin with `%`.
        escaped = text.replace("%", "%%")
        if len(escaped.encode()) <= _LARGEST_INLINE:
            return {"type": "Inline", "inline": escaped}
        stored = self.backends.maker.make("ConfigMap", f"{name}-body")
        self.objects.append(stored | {"data": {"response.body": escaped}})
        reference = {"group": "", "kind": "ConfigMap", "name": f"{name}-body"}
        return {"type": "ValueRef", "valueRef": reference}

    def _forwarded(
        self,
        name: str,
        place: Place,
        part: KubernetesRoute,
        rewrite: Rewrite | None,
        kind: str,
    ) -> dict[str, Any]:
        """Filters, backends and timeout of a rule."""
        request = _request_headers(place, part)
        self.faults += (*too_many(request), *too_many(part.response_headers))
        filters = [
            *modifier("RequestHeaderModifier", request),
            *modifier("ResponseHeaderModifier", part.response_headers),
        ]
        if part.direct_response:
            self._filter(name, {"directResponse": dict(part.direct_response)})
            return {"filters": [*filters, extension(name)]}
        for mirror in part.mirrors:
            target = {"backendRef": self.backends.reference(mirror)}
            filters.append({"type": "RequestMirror", "requestMirror": target})
        used = tuple(_used(place.endpoints))
        self._filter(name, self._own_filter(part.credential, rewrite, used))
        fields: dict[str, Any] = {"filters": [*filters, extension(name)]}
        fields["backendRefs"] = self.backends.references(place.endpoints)
        if kind == "HTTPRoute" and not _has_own_timeout(part):
            fields["timeouts"] = {"request": _request_timeout(place.endpoint)}
        return fields

    def _own_filter(
        self,
        credential: HeaderCredential | None,
        rewrite: Rewrite | None,
        endpoints: tuple[Endpoint, ...],
    ) -> dict[str, Any]:
        spec: dict[str, Any] = {}
        if rewrite is not None:
            spec["urlRewrite"] = rewritten(rewrite, endpoints)
        if credential is not None:
            spec["credentialInjection"] = injected(credential, self._secret(credential))
        return spec

    def _secret(self, credential: HeaderCredential) -> str:
        """The name of the Secret of a credential; the Secret itself, if it is to be written."""
        context, maker = self.backends.context, self.backends.maker
        first = credential.parts[0]
        keys = [(item.name, item.key) for item in credential.parts]
        name = object_name(f"credential {first.name}", (maker.owner, keys))
        organization = self.backends.organization
        values = [context.secrets.get(organization, item) for item in credential.parts]
        known = tuple(value for value in values if value is not None)
        if context.with_secrets and len(known) == len(values):
            text = {"credential": credential.made(known)}
            self.objects.append(maker.make("Secret", name) | {"stringData": text})
        return name

    def _filter(self, name: str, spec: dict[str, Any]) -> None:
        self.objects.append(self.backends.maker.make("HTTPRouteFilter", name, spec))


def _matches(item: Entry, pattern: str) -> list[dict[str, Any]]:
    paths = [{"type": "Exact", "value": path} for path in item.path.exact]
    if not paths:
        paths = [{"type": "RegularExpression", "value": pattern}]
    if not item.methods:
        return [{"path": path} for path in paths]
    return [
        {"path": path, "method": method}
        for path, method in product(paths, item.methods)
    ]


def _rule(kind: str, host: str, fields: dict[str, Any], part: KubernetesRoute) -> Rule:
    lists = {"lua": list(part.lua), "wasm": list(part.wasm)}
    extensions = {}
    for name, items in lists.items():
        if items:
            extensions[name] = items
    return Rule(kind, host, fields, part.security, part.traffic, extensions)


def _used(endpoints: Sequence[Endpoint]) -> Iterable[Endpoint]:
    """The addresses that get requests."""
    for item in endpoints:
        if item.weight:
            yield from item.addresses


def _differ(endpoints: Sequence[Endpoint]) -> bool:
    """Whether endpoints differ in what all backends of a rule share."""
    traits = set()
    for item in endpoints:
        if item.weight:
            traits.add(
                (
                    item.base_path,
                    item.response_timeout,
                    item.idle_timeout,
                    item.retry,
                    item.security,
                    item.circuit_breaker,
                )
            )
    return len(traits) > 1


def _request_headers(place: Place, part: KubernetesRoute) -> HeaderChanges:
    """The public address, then what the policies change; a value of the conf wins."""
    own = part.request_headers
    named = {name for name, _ in (*own.set, *own.add)}
    added = tuple(pair for pair in forwarded(place).set if pair[0] not in named)
    kept = own.remove
    if part.credential is not None:
        # Its filter acts before headers are removed, and replaces what the caller sent.
        kept = tuple(name for name in kept if name != part.credential.header)
    return replace(own, set=(*added, *own.set), remove=kept)


def _has_own_timeout(part: KubernetesRoute) -> bool:
    times = part.traffic.get("timeout", {}).get("http", {})
    return "requestTimeout" in times


def _request_timeout(endpoint: Endpoint) -> str:
    if endpoint.response_timeout is None:
        return BACKEND_TIMEOUT
    return f"{endpoint.response_timeout}s"

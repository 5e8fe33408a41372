"""Request mirroring (apk-conf policy RequestMirror): a copy of each request goes to other backends, whose answers are thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kapi.apis.conf.model import ApiConf, OperationConf
from kapi.apis.conf.rules import endpoint_of
from kapi.apis.ir import Endpoint
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place

name = "mirror"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Mirror:
    """The backends that get a copy, with the same path as the operation's own endpoint."""

    policy: ClassVar[str] = name
    endpoints: tuple[Endpoint, ...]


def compile(conf: ApiConf, operation: OperationConf) -> Mirror | None:  # noqa: A001 - the verb of the policy contract
    """All URLs of all mirror policies; reading the conf has checked them."""
    policies = (
        item for item in conf.policies_of(operation).request if item.name == "RequestMirror"
    )
    urls = dict.fromkeys(url for item in policies for url in item.parameter("urls", ()))
    endpoints = tuple(
        endpoint for url in urls if isinstance(endpoint := endpoint_of(url), Endpoint)
    )
    return Mirror(endpoints) if endpoints else None


def envoy(node: Mirror, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Envoy sends the copies and waits for none of them."""
    return EnvoyRoute(mirrors=node.endpoints)

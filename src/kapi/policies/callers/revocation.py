"""Revocation: a filter without parameters that refuses revoked tokens on every route.

Its list travels by itself (ECDS). No field of the apk-conf switches it; it is a policy so that its
filter has a position among the others.
"""

from __future__ import annotations

from typing import Any

from kapi.apis.conf.policy_part import NOTHING
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.policies.authentication.unchecked import REVOKED_FILTER
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute

name = "revocation"
phase = Phase.REVOKE
conf_part = NOTHING

FILTER = REVOKED_FILTER
_RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"
filters = (HttpFilter(phase, FILTER, discovered=_RBAC, placeholder=True),)


def compile(conf: ApiConf, operation: OperationConf) -> None:
    """Nothing to say: it holds everywhere."""


def envoy(node: Any, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Never asked, as there are no nodes."""
    return EnvoyRoute()


def kubernetes(node: Any, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Never asked. Envoy Gateway accepts a revoked token until it expires."""
    return KubernetesRoute()

"""Another path at the backend than the target says (kapi's own policy `URLRewrite`).

The rewriting itself is part of an operation's routes, because it needs the base paths.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import operation_nodes, text_at
from kapi.apis.conf.policy_lists import uses_of
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Record, Text
from kapi.apis.ir import Operation
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.apis.model.rules import Fault, target_fault
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute
from kapi.typed import of_kind

name = "url_rewrite"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()

POLICY: Final = "URLRewrite"
_PARAMETER: Final = re.compile(r"\{([^{}/]*)\}")
_MOST: Final = 9
"""Parts of a path that a substitution can name."""


@dataclass(frozen=True, slots=True)
class UrlRewrite:
    """The path below the endpoint's own. It may have `{name}` and a last `*` of the target."""

    policy: ClassVar[str] = name
    path: str


def backend_path(operation: Operation) -> str:
    """The path that an operation has at its backend, if a policy says one; else empty."""
    for node in of_kind(operation.policies, UrlRewrite):
        return node.path
    return ""


def compile(conf: ApiConf, operation: OperationConf) -> UrlRewrite | None:
    """The one policy; reading the conf has checked it."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    return UrlRewrite(item.parameter("path"))


def envoy(node: UrlRewrite, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Nothing of its own: the operation's routes ask for `backend_path`."""
    return EnvoyRoute()


def kubernetes(node: UrlRewrite, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """No filter of its own: the operation's rule asks for `backend_path`."""
    return KubernetesRoute()


def _check(root: Mapping, report: Report) -> None:
    targets = {
        pointer: text_at(node, "target") for node, pointer in operation_nodes(root)
    }
    for use in uses_of(root, POLICY):
        operation = use.owner.rsplit("/", 2)[0]
        if use.parameters is None or operation not in targets:
            continue
        fault = _fault(text_at(use.parameters, "path"), targets[operation])
        if fault is not None:
            report.add(
                codes.FORMAT, fault.message, mark(use.node, use.pointer), fault.hint
            )


def _fault(path: str, target: str) -> Fault | None:
    """What is wrong with a path for an operation with this target."""
    if not path or not target:
        return None
    if (fault := target_fault(path)) is not None:
        return Fault(f"path: {fault.message}", fault.hint)
    known = Counter(_parts(target))
    for part in _parts(path):
        if part not in known:
            hint = "Use the parameters of the target, or change the target."
            return Fault(
                f"path has {part}, which the target {target[:80]} does not have", hint
            )
    if len(_parts(path)) > _MOST:
        return Fault(f"path has more than {_MOST} parameters", "Use fewer.")
    return None


def _parts(path: str) -> list[str]:
    """The parameters of a path, and its `*`."""
    found = [f"{{{name}}}" for name in _PARAMETER.findall(path)]
    return [*found, "*"] if path.endswith("/*") else found


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record({"path": Text(1, 512)}, ("path",)),
            descriptions={
                "path": "The path at the backend, with `{name}` and `/*` of the target.",
            },
            example={"path": "/v2/items"},
            levels=("operation",),
            once=True,
            types=("REST",),
        ),
    ),
    check=_check,
)

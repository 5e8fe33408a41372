"""What APK knows and nothing here enforces: in the schema, and refused by its name.

Read by `schema.py` and `reading.py`. A field that is silently ignored is a security hole (a rate
limit that is none), so nothing is ignored. When a policy claims one of these names, its row here
goes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import operation_nodes, text_at
from kapi.apis.conf.policy_lists import uses
from kapi.apis.conf.shapes import NAME, Items, Record, Shape, Text, Whole
from kapi.apis.kinds import KINDS, Kind, kind_at_best
from kapi.apis.report import Mark, Report, below
from kapi.apis.yaml_positions import Mapping, key_mark, mark, plain

if TYPE_CHECKING:
    from kapi.apis.conf.policy_part import Flow

_KEY_MANAGER: Final = Record(
    {
        "name": NAME,
        "issuer": Text(1, 2048),
        "JWKSEndpoint": Text(1, 2048),
        "claimMappings": Items(
            Record(
                {"localClaim": NAME, "remoteClaim": NAME}, ("localClaim", "remoteClaim")
            )
        ),
        "k8sBackend": Record(
            {"name": NAME, "namespace": NAME, "port": Whole(1, 65535)}, ("name", "port")
        ),
    },
    ("name", "issuer", "JWKSEndpoint"),
)

FIELDS: Final[dict[str, Shape]] = {"keyManagers": Items(_KEY_MANAGER)}
"""Fields of the API."""
POLICIES: Final[dict[str, tuple[Shape, tuple[Flow, ...]]]] = {}
"""Policies: the shape of the parameters, and the flows."""
DESCRIPTIONS: Final = {
    ".keyManagers": "Issuers whose tokens are accepted for this API.",
    "keyManagers.name": "Name of the issuer, for people.",
    "keyManagers.issuer": "`iss` of its tokens, byte for byte.",
    "keyManagers.JWKSEndpoint": "URL of its keys.",
    "keyManagers.claimMappings": "Claims under other names.",
    "claimMappings.localClaim": "Name of the claim here.",
    "claimMappings.remoteClaim": "Name of the claim in the token.",
    "keyManagers.k8sBackend": "Kubernetes service of the keys.",
    "k8sBackend.name": "Name of the service.",
    "k8sBackend.namespace": "Namespace of the service.",
    "k8sBackend.port": "Port of the service.",
}


def asks_for_something(value: Any) -> bool:
    """Whether a value differs from "nothing": false, empty, zero, or only such things inside."""
    if isinstance(value, dict):
        return any(map(asks_for_something, value.values()))
    if isinstance(value, list):
        return any(map(asks_for_something, value))
    return bool(value)


def refuse_unclaimed(
    root: Mapping,
    has_field: Callable[[str], bool],
    listed: Collection[str],
    report: Report,
) -> None:
    """Report every type, field and policy that nothing enforces.

    `has_field` says whether a policy claims a field; `listed` names the policies that are enforced.
    """
    _refuse_type(root, report)
    for name in FIELDS:
        if name not in root.entries or has_field(name):
            continue
        if not report.has_within(below("#", name)) and asks_for_something(
            plain(root.entries[name])
        ):
            _refuse(report, root, name, "#")
    for use in uses(root):
        if use.name not in listed and not report.has_within(use.pointer):
            _refuse(report, use.node, "policyName", use.pointer, f"policy {use.name}")


def _refuse_type(root: Mapping, report: Report) -> None:
    named = text_at(root, "type")
    if kind_at_best(named) is None:
        message = f"type {named} is not supported yet"
        place = mark(root.entries["type"], "#/type")
        types = " and ".join(kind.type for kind in KINDS)
        report.add(
            codes.NOT_SUPPORTED,
            message,
            place,
            f"Only {types} APIs can be deployed so far.",
        )


def refuse_excluded(root: Mapping, kind: Kind | None, report: Report) -> None:
    """Report every field and policy that an API of this kind cannot have."""
    if kind is None or not kind.excluded:
        return
    for owner, pointer in ((root, "#"), *operation_nodes(root)):
        for name in owner.entries:
            for excluded in (name, f"operations.{name}")[: 1 if owner is root else 2]:
                if excluded in kind.excluded:
                    _exclude(report, kind, excluded, key_mark(owner, name, pointer))
    for use in uses(root):
        if use.name in kind.excluded:
            _exclude(
                report, kind, use.name, key_mark(use.node, "policyName", use.pointer)
            )


def _exclude(report: Report, kind: Kind, name: str, place: Mark) -> None:
    message = f"an API of type {kind.type} cannot have {name}"
    report.add(codes.COMBINATION, message, place, kind.excluded[name])


def _refuse(
    report: Report, mapping: Mapping, name: str, pointer: str, what: str = ""
) -> None:
    message = f"{what or name} is not supported yet"
    place = key_mark(mapping, name, pointer)
    report.add(
        codes.NOT_SUPPORTED, message, place, "Remove it; nothing would enforce it."
    )

"""Every golden case with objects for Kubernetes, checked as an API server would check them.

And wrong objects, which the check refuses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from on_kubernetes.crd_validation import faults

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/kubernetes.yaml"))
Manifest = dict[str, Any]


def manifests(case: str) -> list[Manifest]:
    text = (GOLDEN / case / "kubernetes.yaml").read_text("utf-8")
    return list(yaml.load_all(text, yaml.CSafeLoader))


@pytest.mark.parametrize("case", CASES)
def test_the_published_crds_accept_each_object(case: str) -> None:
    assert {
        item["metadata"]["name"]: faults(item)
        for item in manifests(case)
        if faults(item)
    } == {}


@pytest.mark.parametrize("case", CASES)
def test_each_object_has_a_name_of_its_own_and_an_owner(case: str) -> None:
    objects = manifests(case)
    names = [item["metadata"]["name"] for item in objects]
    assert len(set(names)) == len(names)
    owners = [
        item["metadata"]["labels"]["app.kubernetes.io/managed-by"] for item in objects
    ]
    assert set(owners) == {"kapi"}


@pytest.mark.parametrize("case", CASES)
def test_what_an_object_refers_to_is_there(case: str) -> None:
    objects = manifests(case)
    there = {(item["kind"], item["metadata"]["name"]) for item in objects}
    named = {pair for item in objects for pair in references(item.get("spec"))}
    # Secrets are not written: these two kinds hold what only the installation has.
    assert {pair for pair in named if pair[0] != "Secret"} <= there
    sections = {
        (item["metadata"]["name"], rule["name"])
        for item in objects
        if item["kind"] in {"HTTPRoute", "GRPCRoute"}
        for rule in item["spec"]["rules"]
    }
    targets = [
        (target["name"], target["sectionName"])
        for item in objects
        for target in item.get("spec", {}).get("targetRefs", ())
        if "sectionName" in target
    ]
    assert set(targets) <= sections


def references(value: Any) -> list[tuple[str, str]]:
    """Kind and name of all references in a spec."""
    if isinstance(value, list):
        return [pair for item in value for pair in references(item)]
    if not isinstance(value, dict):
        return []
    own = [(value["kind"], value["name"])] if {"kind", "name"} <= value.keys() else []
    return own + [pair for item in value.values() for pair in references(item)]


def of_kind(kind: str) -> Manifest:
    for case in (
        "cors_any_origin",
        "endpoint_certificate",
        "endpoint_basic_auth",
        "rate_limit_operation",
        "grpc",
    ):
        for item in manifests(case):
            if item["kind"] == kind:
                return copy.deepcopy(item)
    raise AssertionError(kind)


def put(*path: Any) -> Callable[[Manifest], None]:
    """Put the last item at the place that the others name."""

    def change(item: Any) -> None:
        for step in path[:-2]:
            item = item[step]
        item[path[-2]] = path[-1]

    return change


WRONG = {
    "a number as text": ("Backend", put("spec", "endpoints", 0, "fqdn", "port", "80")),
    "a port too large": ("Backend", put("spec", "endpoints", 0, "fqdn", "port", 70000)),
    "an unknown field": ("Backend", put("spec", "color", "red")),
    "two addresses in one": (
        "Backend",
        put("spec", "endpoints", 0, "ip", {"address": "1.2.3.4", "port": 1}),
    ),
    "another target": (
        "SecurityPolicy",
        put("spec", "targetRefs", 0, "kind", "Service"),
    ),
    "two kinds of keys": (
        "SecurityPolicy",
        put(
            "spec",
            "jwt",
            "providers",
            0,
            "localJWKS",
            {"type": "Inline", "inline": "{}"},
        ),
    ),
    "a limit without a kind": (
        "BackendTrafficPolicy",
        put("spec", "rateLimit", {"type": "Nothing"}),
    ),
    "a unit that is none": (
        "BackendTrafficPolicy",
        put("spec", "rateLimit", "local", "rules", 0, "limit", "unit", "Fortnight"),
    ),
    "a path with two slashes": (
        "HTTPRoute",
        put(
            "spec", "rules", 0, "matches", 0, "path", {"type": "Exact", "value": "//x"}
        ),
    ),
    "a method that is none": (
        "HTTPRoute",
        put("spec", "rules", 0, "matches", 0, "method", "FETCH"),
    ),
    "a name with capitals": ("HTTPRoute", put("metadata", "name", "Orders")),
    "a label with a space": ("HTTPRoute", put("metadata", "labels", "kapi/api", "a b")),
    "a filter without its fields": (
        "HTTPRoute",
        put("spec", "rules", 0, "filters", 0, {"type": "RequestMirror"}),
    ),
    "a listener without TLS": (
        "Gateway",
        put("spec", "listeners", 0, "protocol", "HTTP"),
    ),
    "a duration that is none": (
        "HTTPRoute",
        put("spec", "rules", -1, "timeouts", {"request": "soon"}),
    ),
    "no authorities": (
        "BackendTLSPolicy",
        put("spec", "validation", {"hostname": "x"}),
    ),
    "a regex rewrite without one": (
        "HTTPRouteFilter",
        put("spec", "urlRewrite", {"path": {"type": "ReplaceRegexMatch"}}),
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_check_refuses(wrong: str) -> None:
    kind, change = WRONG[wrong]
    item = of_kind(kind)
    assert faults(item) == []
    change(item)
    assert faults(item) != []


def test_the_table_of_the_documents_has_each_policy() -> None:
    from kapi.policies import POLICIES

    text = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text("utf-8")
    missing = [policy.name for policy in POLICIES if f"`{policy.name}`" not in text]
    assert missing == []


@pytest.mark.parametrize("case", CASES)
def test_no_route_comes_before_its_policies(case: str) -> None:
    kinds = [item["kind"].endswith("Route") for item in manifests(case)]
    assert kinds == sorted(kinds)

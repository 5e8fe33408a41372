"""Deploys and removes the objects of one API in a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from kapi.dataclass import dataclass
from kapi.gateway.kubernetes.cluster.changes import Change
from kapi.gateway.kubernetes.cluster.client import Cluster, ClusterError
from kapi.gateway.kubernetes.cluster.conditions import Verdict, has_no_address, verdict
from kapi.gateway.kubernetes.names import (
    API_LABEL,
    MANAGED_BY,
    OWNER,
    Manifest,
    api_label,
)
from kapi.gateway.kubernetes.objects import VERSIONS

_PAUSE: Final = 0.25
_SETTLED: Final = 5.0
"""Seconds for which a failure must last: Envoy Gateway first reads one object, then the next."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an API is deployed to."""

    cluster: Cluster
    namespace: str
    force: bool = False
    """Whether fields that another tool owns are taken over."""


def planned(target: Target, api_id: str, manifests: Sequence[Manifest]) -> list[Change]:
    """What `deployed` would change, by a dry run on the API server. Changes nothing.

    Raises ClusterError for what the API server would refuse.
    """
    made = []
    for item in manifests:
        before = target.cluster.get(item)
        _refuse_foreign(item, before)
        after = target.cluster.apply(item, dry_run=True, force=target.force)
        made.append(Change(before, after))
    return made + [Change(item, None) for item in _surplus(target, api_id, manifests)]


def deployed(
    target: Target, api_id: str, manifests: Sequence[Manifest]
) -> list[Change]:
    """Applies the objects in their order, then deletes those that the API no longer has.

    All are tried on the API server first: if it refuses one, nothing is changed.
    """
    changes = planned(target, api_id, manifests)
    for item in manifests:
        target.cluster.apply(item, force=target.force)
    for change in changes:
        if change.after is None and change.before is not None:
            target.cluster.delete(change.before)
    return changes


def removed(target: Target, api_id: str) -> list[Manifest]:
    """Deletes all objects of an API, its routes first. Those that APIs share remain."""
    found = _surplus(target, api_id, ())
    for item in found:
        target.cluster.delete(item)
    return found


def awaited(
    target: Target, manifests: Sequence[Manifest], limit: float
) -> list[Verdict]:
    """What Envoy Gateway says of the objects, as soon as all are ready; else after `limit` s.

    A failure that lasts ends the wait. A Gateway that lacks only an address counts as ready.
    """
    end = time.monotonic() + limit
    failing_since = 0.0
    while True:
        said = _said(target, manifests)
        now = time.monotonic()
        failed = any(item.state == "failed" for item in said)
        failing_since = (failing_since or now) if failed else 0.0
        settled = failed and now - failing_since > _SETTLED
        if settled or now > end or all(item.state == "ready" for item in said):
            return said
        time.sleep(_PAUSE)


def _said(target: Target, manifests: Iterable[Manifest]) -> list[Verdict]:
    said = []
    for item in manifests:
        found = target.cluster.get(item)
        if found is None:
            text = "is gone; something else deleted it"
            said.append(Verdict("failed", item["kind"], item["metadata"]["name"], text))
        elif item["kind"] == "Gateway" and has_no_address(found):
            one = verdict(found)
            said.append(Verdict("ready", one.kind, one.name, one.text, one.hint))
        else:
            said.append(verdict(found))
    return said


def _surplus(
    target: Target, api_id: str, manifests: Iterable[Manifest]
) -> list[Manifest]:
    """Objects of the API that are not among these, the last kinds first."""
    wanted = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    found = target.cluster.listed(target.namespace, {API_LABEL: api_label(api_id)})
    kinds = list(VERSIONS)
    surplus = [
        item for item in found if (item["kind"], item["metadata"]["name"]) not in wanted
    ]
    return sorted(surplus, key=lambda item: -kinds.index(item["kind"]))


def _refuse_foreign(item: Manifest, before: Manifest | None) -> None:
    if before is None:
        return
    owner = before["metadata"].get("labels", {}).get(MANAGED_BY)
    if owner != OWNER:
        name = (
            f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
        )
        raise ClusterError(
            f"{name} is there, and it is not kapi's.",
            f"Rename it, or give it the label {MANAGED_BY}: {OWNER}.",
        )

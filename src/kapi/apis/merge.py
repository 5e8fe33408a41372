"""Merge: whether an API can be deployed beside the others. Pure.

Called by the deployer, after compile and before render.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kapi.apis import report as codes
from kapi.apis.ir import is_at_host
from kapi.apis.model.rules import host_label
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapi.apis.ir import Api

_SOURCE = "apkConfiguration"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one API answers."""

    id: str
    organization: str
    name: str
    version: str
    environment: str
    base_paths: tuple[str, ...]

    @property
    def host(self) -> str:
        """The first label of its hosts; `a-b`, and `a` with environment `b`, have the same one."""
        return host_label(self.organization, self.environment)


class Places:
    """Placements, by what an API may be in the way of."""

    def __init__(self, placements: Iterable[Placement] = ()) -> None:
        self._by_id: dict[str, Placement] = {}
        self._at: dict[tuple[str, str], set[str]] = {}
        """Ids by host and base path, and by host and organization."""
        self._organizations: dict[str, set[str]] = {}
        """Those that have been at a host."""
        for placement in placements:
            self.add(placement)

    def add(self, placement: Placement) -> None:
        """Add one, in place of that with its id."""
        before = self._by_id.get(placement.id)
        if before is not None:
            for key in _keys(before):
                self._at[key].discard(before.id)
        self._by_id[placement.id] = placement
        for key in _keys(placement):
            self._at.setdefault(key, set()).add(placement.id)
        self._organizations.setdefault(placement.host, set()).add(
            placement.organization
        )

    def rivals(self, new: Placement) -> list[Placement]:
        """Those that may be in the way of one: by their id, base paths, or organization."""
        host, found = new.host, {new.id}
        for path in new.base_paths:
            found |= self._at.get((host, path), set())
        for organization in self._organizations.get(host, set()) - {new.organization}:
            found |= self._at.get((host, organization), set())
        return [self._by_id[name] for name in found if name in self._by_id]


def _keys(placement: Placement) -> Iterable[tuple[str, str]]:
    """Base paths begin with a slash, organizations do not."""
    host = placement.host
    return ((host, part) for part in (*placement.base_paths, placement.organization))


def conflicts(new: Placement, deployed: Iterable[Placement]) -> tuple[Diagnostic, ...]:
    """Why `new` cannot be deployed beside the others; the same id and organization replaces.

    Not so where name and version are both others: `a-b` 1 and `a` b-1 have the same id where
    the conf names none.

    A host belongs to one organization. Otherwise a longer base path of another organization
    would receive callers and tokens that are meant for a shorter one, whichever was deployed
    first.
    """
    found: dict[Diagnostic, None] = {}
    for other in sorted(deployed, key=lambda item: (item.organization, item.id)):
        if other.organization != new.organization:
            found |= dict.fromkeys(_across_organizations(new, other))
        elif other.id == new.id:
            found |= dict.fromkeys(_taken_id(new, other))
        elif other.host == new.host:
            found |= dict.fromkeys(_taken_paths(new, other))
    return tuple(found)


def taken_calls(new: Api, deployed: Iterable[Api]) -> tuple[Diagnostic, ...]:
    """Operations with the same path on the same hosts, whatever the base path of their APIs is."""
    wanted = host_paths(new)
    if not wanted:
        return ()
    found: dict[Diagnostic, None] = {}
    for other in sorted(deployed, key=lambda item: item.id):
        if other.id == new.id or _host_of(other) != _host_of(new):
            continue
        for path in sorted(wanted & host_paths(other)):
            message = f"{path} is taken by {other.name} {other.version} (id {other.id})"
            hint = "One API of a host has this path. Remove it here, or from the other API."
            found[Diagnostic(codes.TAKEN_PATH, message, hint, source=_SOURCE)] = None
    return tuple(found)


def host_paths(api: Api) -> frozenset[str]:
    """The paths of an API that do not depend on its base path."""
    return frozenset(item.host_path for item in api.operations if is_at_host(item))


def _host_of(api: Api) -> str:
    return host_label(api.organization, api.environment)


def _across_organizations(new: Placement, other: Placement) -> Iterable[Diagnostic]:
    """Names neither the other organization nor its API: a caller must not learn of them."""
    if other.id == new.id:
        yield Diagnostic(
            codes.TAKEN_ID,
            f"id {new.id} is taken",
            "Choose another id, or leave id out.",
            "#/id",
            source=_SOURCE,
        )
    if other.host != new.host:
        return
    hint = (
        "Choose another environment:"
        " environment `b` of organization `a` has the same host as organization `a-b`."
    )
    overlaps = [_overlap(path, other.base_paths) for path in new.base_paths]
    messages = list(filter(None, overlaps))
    for message in messages:
        yield Diagnostic(codes.TAKEN_PATH, message, hint, "#/basePath", source=_SOURCE)
    if not messages:
        message = f"the host {new.host} is taken by another organization"
        yield Diagnostic(
            codes.TAKEN_HOST, message, hint, "#/environment", source=_SOURCE
        )


def _overlap(path: str, taken: tuple[str, ...]) -> str:
    """The conflict of a base path with another organization on the same host, or ""."""
    if path in taken:
        return f"base path {path} is taken by another organization"
    for other in taken:
        if _is_below(path, other):
            return f"base path {path} is below a base path of another organization"
    for other in taken:
        if _is_below(other, path):
            return f"base path {path} is above a base path of another organization"
    return ""


def _is_below(path: str, other: str) -> bool:
    return path.startswith(other.rstrip("/") + "/")


def _taken_id(new: Placement, other: Placement) -> Iterable[Diagnostic]:
    if new.name == other.name or new.version == other.version:
        return
    message = f"id {new.id} is the id of {other.name} {other.version}"
    hint = (
        "Give the conf another id."
        " To replace that API, undeploy it first, or keep its name or its version."
    )
    yield Diagnostic(codes.TAKEN_ID, message, hint, "#/id", source=_SOURCE)


def _taken_paths(new: Placement, other: Placement) -> Iterable[Diagnostic]:
    hint = "Choose another basePath or version, or undeploy the other API first."
    for path in new.base_paths:
        if path in other.base_paths:
            message = f"base path {path} is taken by {other.name} {other.version} (id {other.id})"
            yield Diagnostic(
                codes.TAKEN_PATH, message, hint, "#/basePath", source=_SOURCE
            )

"""Merge: may this API stand beside those that are deployed? Called by the deployer, after compile and before render. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kapi.apis import report as codes
from kapi.apis.rules import host_label
from kapi.errors import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        """The first label of its hosts; two organizations may come to the same one (`a-b` and `a` with environment `b`)."""
        return host_label(self.organization, self.environment)


def conflicts(new: Placement, deployed: Iterable[Placement]) -> tuple[Diagnostic, ...]:
    """Why `new` cannot be deployed beside the others; deploying the same id in the same organization replaces."""
    found: list[Diagnostic] = []
    for other in sorted(deployed, key=lambda item: (item.organization, item.id)):
        if other.id == new.id and other.organization == new.organization:
            continue
        if other.id == new.id:
            found.append(Diagnostic(codes.TAKEN_ID, f"id {new.id} is taken", "Choose another id, or leave id out.", "#/id", source=_SOURCE))
        if other.host != new.host:
            continue
        # Another organization's API is not named: a caller must not learn what others have deployed.
        who = f"{other.name} {other.version} (id {other.id})" if other.organization == new.organization else "another organization"
        for path in new.base_paths:
            if path in other.base_paths:
                hint = "Choose another basePath or version, or undeploy the other API first."
                found.append(Diagnostic(codes.TAKEN_PATH, f"base path {path} is taken by {who}", hint, "#/basePath", source=_SOURCE))
    return tuple(found)

"""What a deployment changes in a cluster, as people read it. Pure."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Any, Final

from kapi.apis.emit import emit
from kapi.dataclass import dataclass
from kapi.gateway.kubernetes.names import Manifest

_OF_THE_SERVER: Final = (
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
)
_MASK_KEY: Final = os.urandom(16)
"""Another one in each process, so a printed diff tells nothing about the values."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object: as it is and as it would be. None: it is absent."""

    before: Manifest | None
    after: Manifest | None

    @property
    def what(self) -> str:
        """`create`, `change`, `delete` or `keep`."""
        if self.before is None:
            return "create"
        if self.after is None:
            return "delete"
        return "keep" if _shown(self.before) == _shown(self.after) else "change"

    @property
    def name(self) -> str:
        """Kind, namespace and name."""
        item = self.after or self.before or {}
        metadata = item["metadata"]
        return f"{item['kind']} {metadata['namespace']}/{metadata['name']}"

    def diff(self) -> str:
        """A unified diff of the YAML; values of Secrets are hidden."""
        before, after = (
            emit(_shown(item)).splitlines() if item else []
            for item in (self.before, self.after)
        )
        lines = difflib.unified_diff(
            before, after, f"a/{self.name}", f"b/{self.name}", lineterm=""
        )
        return "".join(f"{line}\n" for line in lines)


def summary(changes: Iterable[Change]) -> str:
    """How many objects are created, changed and deleted."""
    counts = {"create": 0, "change": 0, "delete": 0, "keep": 0}
    for item in changes:
        counts[item.what] += 1
    return ", ".join(f"{number} to {what}" for what, number in counts.items() if number)


def _shown(item: Manifest) -> Manifest:
    metadata = {
        key: value
        for key, value in item["metadata"].items()
        if key not in _OF_THE_SERVER
    }
    shown: Manifest = {key: value for key, value in item.items() if key != "status"}
    shown["metadata"] = metadata
    if item["kind"] == "Secret":
        shown["data"] = {key: _masked(value) for key, value in _secrets(item).items()}
        shown.pop("stringData", None)
    return shown


def _secrets(item: Manifest) -> dict[str, Any]:
    return {**item.get("data", {}), **item.get("stringData", {})}


def _masked(value: str) -> str:
    """Two different secrets look different. The key keeps others from trying likely secrets."""
    import hashlib

    digest = hashlib.blake2b(value.encode(), key=_MASK_KEY, digest_size=4)
    return f"hidden:{digest.hexdigest()}"

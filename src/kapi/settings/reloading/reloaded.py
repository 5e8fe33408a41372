"""What a running platform takes up of changed settings, and what needs a restart.

All settings are taken up by a restart of the Python children but those of the supervisor and of
Envoy's start, which `NEEDS_RESTART` names. `docs/settings.md` marks them.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.settings import Settings
from kapi.settings.reloading.changes import Change, changes

NEEDS_RESTART: Final = (
    "data_dir",
    "store.database",
    "identity.enabled",
    "identity.workers",
    "gateway.listen",
    "gateway.port",
    "gateway.envoy",
    "gateway.concurrency",
    "gateway.max_heap_bytes",
    "gateway.watchdog_seconds",
    "gateway.max_connections",
    "limits.redis",
)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The settings to run with, what was taken up, and what needs a restart."""

    settings: Settings
    taken_up: tuple[Change, ...]
    left: tuple[Change, ...]


def reloaded(running: Settings, read: Settings) -> Reloaded:
    """The settings that were read, without those that need a restart."""
    wanted = tuple(changes(running, read))
    taken = read
    for name in NEEDS_RESTART:
        taken = _with(taken, name, _value(running, name))
    taken_up: list[Change] = []
    left: list[Change] = []
    for change in wanted:
        if change.name in NEEDS_RESTART:
            left.append(change)
        else:
            taken_up.append(change)
    return Reloaded(taken, tuple(taken_up), tuple(left))


def _value(settings: Any, name: str) -> Any:
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


def _with(settings: Any, name: str, value: Any) -> Any:
    """The settings with another value of one of them."""
    first, _, rest = name.partition(".")
    if rest:
        value = _with(getattr(settings, first), rest, value)
    change: dict[str, Any] = {first: value}
    return dataclasses.replace(settings, **change)

"""The section `audit`: how much of the audit log is kept."""

from __future__ import annotations

from dataclasses import field

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The section `audit`: the audit log."""

    max_events: int = field(default=100_000, metadata={"range": (1000, 10_000_000)})
    """Entries of each class (changes, sign-ins, failures) in the store; the oldest are deleted."""
    file_bytes: int = field(default=20 * 1024**2, metadata={"range": (0, 1024**4)})
    """Largest `logs/audit.log`; one older file is kept. 0: no limit."""

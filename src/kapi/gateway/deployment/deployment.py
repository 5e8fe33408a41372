"""The result of a deployment, and what its transaction may write besides. For `deployer.py`."""

from __future__ import annotations

from collections.abc import Callable

from kapi.dataclass import dataclass
from kapi.errors import Diagnostic
from kapi.store import StoredApi
from kapi.store.engine.database import Connection


@dataclass(frozen=True, slots=True)
class Deployment:
    """The result of a deployment."""

    id: str
    conf_text: str
    """The conf with the id of the API."""
    warnings: tuple[Diagnostic, ...] = ()
    stored: StoredApi | None = None
    before: StoredApi | None = None
    """The API that had the same id before, if there was one."""
    unchanged: bool = False
    """Whether conf and definition are the same as before."""
    change: int = 0
    """The number of the change in the store; nodes confirm it."""


AlsoOf = Callable[[Connection, Deployment], None]
"""What the transaction of a deployment writes besides."""


def nothing_else_of(db: Connection, deployment: Deployment) -> None:
    """For a transaction that writes nothing besides."""

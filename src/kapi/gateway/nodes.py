"""The node of this data directory, among those that share the database.

A thread takes up what other nodes deployed and which keys they made, and reports what the gateway
of this node has. `app` starts it in the control process; the store's watch calls `changed`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from kapi.errors import KapiError, StorageError
from kapi.store.engine.database import StoreClosed
from kapi.store.nodes import Confirmed, Node, Nodes, StoredNode

_LOG = logging.getLogger("kapi.gateway")
EVERY_SECONDS = 2.0
"""How often a node reports itself, and tries again what failed."""
_POLL_SECONDS = 0.02
Topic = Literal["deployments", "signing_keys"]


class ThisNode:
    """Started once by `app` on a database that has nodes."""

    def __init__(
        self,
        node: Node,
        nodes: Nodes,
        deployments: Callable[[], int],
        signing_keys: Callable[[], int],
        issuers: Callable[[], None],
    ) -> None:
        """All take up what is new; two return the newest change that the gateway has."""
        self.node = node
        self.started_at = int(time.time())
        self._nodes = nodes
        self._deployments = deployments
        self._signing_keys = signing_keys
        self._issuers = issuers
        self._confirmed = Confirmed(0, 0)
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def changed(self) -> None:
        """Something was deployed, or keys or issuers have changed."""
        self._news.set()

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="this-node", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and remove the row of this node."""
        if self._thread is None:
            return
        self._stopped.set()
        self._news.set()
        self._thread.join(5)
        with suppress(StorageError, StoreClosed):
            self._nodes.remove(self.node.id)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except StoreClosed:
                return
            except StorageError:
                pass  # The watch of the store says so in the log, once.
            except KapiError as error:
                _LOG.warning(
                    "the gateway did not take up a change, trying again: %s",
                    error.detail,
                )
            except Exception:
                _LOG.exception("a change could not be taken up, trying again")
            self._news.wait(EVERY_SECONDS)
            self._news.clear()

    def _look(self) -> None:
        try:
            deployments = self._deployments()
            self._confirmed = Confirmed(deployments, self._confirmed.signing_keys)
            self._confirmed = Confirmed(deployments, self._signing_keys())
            self._issuers()
        finally:
            self._nodes.report(self.node, self._confirmed)


class OtherNodes:
    """What the nodes of the database have confirmed."""

    def __init__(self, nodes: Nodes) -> None:
        self.all = nodes.all

    def missing(
        self, topic: Topic, change: int, seconds: float
    ) -> tuple[StoredNode, ...]:
        """Wait until all live nodes have a change, `seconds` at most. Those that do not have it."""
        deadline = time.monotonic() + seconds
        while True:
            live = [node for node in self.all() if node.alive]
            left = tuple(
                node for node in live if getattr(node.confirmed, topic) < change
            )
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(_POLL_SECONDS)

"""What all child processes do: open the store, serve, repeat work in the background."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kapi.audit import Audit
from kapi.errors import StorageError
from kapi.identity.keys.keyring import Keyring, ensure_keyring, needed_algorithms
from kapi.run_files import database_of, log_path
from kapi.settings import Settings
from kapi.store import Store
from kapi.store.audit import AuditStore
from kapi.store.engine.database import StoreClosed
from kapi.store.keys import Keys

_MOST_SIGNS = 600


@contextmanager
def _first_start(settings: Settings) -> Iterator[None]:
    """A lock: one child at a time makes the tables and keys that are missing."""
    descriptor = os.open(settings.data_dir / "prepare.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_store(settings: Settings) -> tuple[Store, Keyring]:
    """The store with its tables, and the signing keys. Both are made if they are missing."""
    with _first_start(settings):
        store = Store.open(database_of(settings))
        identity = settings.identity
        return store, ensure_keyring(
            Keys(store.database), identity.key_id, int(time.time()), needed_algorithms(identity)
        )


def audit_of(settings: Settings, store: Store) -> Audit:
    """The audit log of a process."""
    stored = AuditStore(store.database, settings.audit.max_events)
    return Audit(stored, log_path(settings, "audit"))


def repeat(seconds: float, work: Callable[[], object], first: float | None = None) -> None:
    """Call `work` every `seconds` in a thread, until the store is closed.

    The first call is after `first` seconds, if given.
    """

    def run() -> None:
        time.sleep(seconds if first is None else first)
        while True:
            try:
                work()
            except StoreClosed:
                return
            except StorageError as error:
                logging.getLogger("kapi").warning("housekeeping waits: %s", error.title)
            except Exception:
                logging.getLogger("kapi").exception("housekeeping failed")
            time.sleep(seconds)

    threading.Thread(target=run, name="housekeeping", daemon=True).start()


@contextmanager
def sign_of_life(path: Path) -> Iterator[None]:
    """Touch a file each second meanwhile, for ten minutes at most: work goes on."""
    over = threading.Event()

    def run() -> None:
        for _ in range(_MOST_SIGNS):
            path.touch()
            if over.wait(1):
                return

    threading.Thread(target=run, name="sign-of-life", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def serve(app: Any, listener: socket.socket, http: Any = "httptools") -> None:
    """Serve an ASGI application on a socket until a signal. `http` is uvicorn's protocol."""
    import uvicorn

    # The imported objects are permanent: the garbage collector does not visit them again.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except SystemExit as stopped:
        # uvicorn raises the signal again that stopped it; the caller still has to clean up.
        if stopped.code:
            raise

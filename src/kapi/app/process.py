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
from kapi.store.engine.watch import Watch
from kapi.store.keys import Keys

_MOST_SIGNS = 600


@contextmanager
def _first_start(settings: Settings) -> Iterator[None]:
    """A lock: one child at a time makes the tables and keys that are missing."""
    descriptor = os.open(
        settings.data_dir / "prepare.lock", os.O_RDWR | os.O_CREAT, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_store(settings: Settings) -> tuple[Store, Watch, Keyring]:
    """The store with its tables, a watch of it, and the signing keys.

    Tables and keys are made if they are missing. The watch has begun before the keys are loaded.
    """
    with _first_start(settings):
        store = Store.open(database_of(settings))
        watch = store.database.watch()
        watch.begin()
        identity = settings.identity
        keyring = ensure_keyring(
            Keys(store.database),
            identity.key_id,
            int(time.time()),
            needed_algorithms(identity),
        )
        return store, watch, keyring


def audit_of(settings: Settings, store: Store) -> Audit:
    """The audit log of a process."""
    stored = AuditStore(store.database, settings.audit.max_events)
    return Audit(stored, log_path(settings, "audit"))


def repeat(
    seconds: float, work: Callable[[], object], first: float | None = None
) -> None:
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
    arguments = (path, over.is_set, lambda: True)
    threading.Thread(
        target=signs_until, args=arguments, name="sign-of-life", daemon=True
    ).start()
    try:
        yield
    finally:
        over.set()


def signs_until(
    path: Path, is_over: Callable[[], bool], is_working: Callable[[], bool]
) -> None:
    """Touch a file each second, for ten minutes at most, while something works until it is over."""
    for _ in range(_MOST_SIGNS):
        if is_over():
            return
        if is_working():
            path.touch()
        time.sleep(1)


def serve(app: Any, listener: socket.socket, http: Any = "httptools") -> None:
    """Serve an ASGI application on a socket until a signal. `http` is uvicorn's protocol."""
    import uvicorn

    from kapi.front.web.http.accepting import AcceptingServer

    # The imported objects are permanent: the garbage collector does not visit them again.
    gc.collect()
    gc.freeze()
    gc.enable()
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
        AcceptingServer(config).run(sockets=[listener])
    except SystemExit as stopped:
        # uvicorn raises the signal again that stopped it; the caller still has to clean up.
        if stopped.code:
            raise

"""Databases of test issuers: copies of one that has its tables, since to make them takes long."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from pathlib import Path

from kapi.store import Store


class Stores:
    """Makes stores in a folder of its own, which is removed in the end."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="kapi-testing-", dir=_in_memory()
        )
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._paths: dict[Store, Path] = {}
        self._model = Path(self._folder.name) / "model.db"

    def new(self) -> Store:
        """A new, empty store."""
        with self._lock:
            if not self._model.exists():
                self._make_model()
            path = self._model.with_name(f"{next(self._numbers)}.db")
            shutil.copyfile(self._model, path)
        path.chmod(0o600)
        store = Store.open(path)
        self._paths[store] = path
        return store

    def remove(self, store: Store) -> None:
        """Close a store and delete its files."""
        path = self._paths.pop(store)
        store.close()
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Delete the folder."""
        self._folder.cleanup()

    def _make_model(self) -> None:
        # SQLite moves its log into the file when the last connection closes.
        Store.open(self._model).close()


def _in_memory() -> str | None:
    """A folder in memory, where there is one."""
    shared = Path("/dev/shm")  # noqa: S108 - a private folder is made inside
    try:
        if shutil.disk_usage(shared).free > 2**26:
            return str(shared)
    except OSError:
        pass
    return None

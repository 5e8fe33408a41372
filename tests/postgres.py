"""A PostgreSQL server of its own for a test, on a free port; never as root, which it refuses."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from harness import free_port
from waiting import until

USER = "kapi"
_NUMBERS = itertools.count(1)


def binary(name: str) -> str:
    """A program of the server; Debian keeps those of each version in a folder of their own."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(
        name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    )
    assert found, f"no {name}; `make interop-tools` installs Debian's postgresql"
    return found


def unprivileged() -> Mapping[str, Any]:
    """Arguments of Popen for a user who is not root."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@dataclass(slots=True)
class PostgresServer:
    """One server."""

    folder: Path
    port: int = field(default_factory=free_port)
    password: str = ""
    durable: bool = True
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on its data of before; again while processes of a killed one still end."""
        self._launch()
        until(self._runs, lambda: (self.folder / "log").read_text()[-2000:])

    def _runs(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            self._launch()
        return self.answers()

    def _launch(self) -> None:
        data = self.folder / "data"
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "on" if self.durable else "off",
            "max_connections": 200,
        }
        arguments = [
            word for name in options for word in ("-c", f"{name}={options[name]}")
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary("postgres"), "-D", str(data), *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **unprivileged(),
            )

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: fast, or at once with SIGQUIT (its data is recovered at the next start)."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(30)

    def freeze(self) -> None:
        """Stop all its processes: connections stay open, and nothing answers."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let them go on."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def url(self, database: str) -> str:
        secret = f":{self.password}" if self.password else ""
        return f"postgresql://{USER}{secret}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"kapi_{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


@contextlib.contextmanager
def postgres_server(
    password: str = "", *, durable: bool = True
) -> Iterator[PostgresServer]:
    """A new server, which is stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="kapi-postgres-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        secret = folder / "password"
        secret.write_text(password or "unused")
        secret.chmod(0o644)
        how = "scram-sha-256" if password else "trust"
        subprocess.run(
            [
                *(binary("initdb"), "-D", str(folder / "data"), "-U", USER, "-A", how),
                *("--pwfile", str(secret), "-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            timeout=120,
            cwd=folder,
            **unprivileged(),
        )
        server = PostgresServer(folder, password=password, durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

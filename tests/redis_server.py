"""A Redis server of its own for a test (Debian's package), on a free port of a loopback address."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from harness import free_port
from waiting import until


@dataclass(slots=True)
class RedisServer:
    """One server; it keeps nothing on disk."""

    folder: Path
    password: str = ""
    tls: tuple[str, ...] = ()
    """Options of the server for TLS."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with nothing in it."""
        found = shutil.which("redis-server")
        assert found, "no redis-server; `make interop-tools` installs Debian's"
        listen = (
            ("--port", "0", "--tls-port", str(self.port))
            if self.tls
            else ("--port", str(self.port))
        )
        words = (
            *listen,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
            *self.tls,
        )
        if self.password:
            words += ("--requirepass", self.password)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([found, *words], stdout=log, stderr=log)
        until(self.answers, lambda: (self.folder / "log").read_text()[-2000:])

    def client(self) -> redis.Redis:
        """A client without checks of certificates."""
        return redis.Redis(
            port=self.port,
            password=self.password or None,
            ssl=bool(self.tls),
            ssl_cert_reqs="none",
            ssl_check_hostname=False,
            socket_timeout=5,
        )

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError, OSError):
            return bool(self.client().ping())
        return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(30)

    @property
    def url(self) -> str:
        scheme = "rediss" if self.tls else "redis"
        secret = f":{self.password}@" if self.password else ""
        return f"{scheme}://{secret}127.0.0.1:{self.port}/0"


@contextlib.contextmanager
def redis_server(password: str = "") -> Iterator[RedisServer]:
    """A new server, which is stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="kapi-redis-"))
    server = RedisServer(folder, password)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.stop(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)

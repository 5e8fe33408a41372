"""The `kapi` command for tests, without the start of an interpreter for each call.

A server, one for each process of tests, has the command line imported and forks for each call. The
child gets the arguments, the environment, the directory and the files of the call, and ends as a
process of its own would.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

KAPI = str(Path(sys.executable).with_name("kapi"))
IMPORTED = (
    "kapi.front.cli.main kapi.front.cli.generating kapi.front.cli.doctor kapi.apis.compile"
    " kapi.settings.reading typer._adapters pydantic.plugin._loader importlib.metadata"
    " http.client ssl yaml logging csv"
    " kapi.front.cli.commands.apis.confs kapi.front.cli.commands.apis.deploying"
    " kapi.front.cli.commands.run.platform kapi.front.cli.commands.operate.machine"
    " kapi.front.cli.commands.operate.config kapi.front.cli.commands.identity.issuers"
    " kapi.front.cli.kubernetes"
)
OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG", "TZ")
"""How variables begin that an interpreter reads when it starts."""


def run(
    arguments: Iterable[str],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run([KAPI, *arguments], env=environment, …)` would return."""
    command = [KAPI, *arguments]
    own_interpreter = _of_the_interpreter(environment) != _of_the_interpreter(
        os.environ
    )
    if own_interpreter or command[1:2] == ["up"]:
        return subprocess.run(
            command, env=environment, cwd=cwd, input=stdin, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as given,
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        given.write(stdin or "")
        given.seek(0)
        files = [given.fileno(), out.fileno(), errors.fileno()]
        call = {
            "arguments": command,
            "environment": dict(environment),
            "cwd": str(cwd or Path.cwd()),
        }
        status = _called(call, files, timeout)
        texts = [_content(file.fileno()) for file in (out, errors)]
    return subprocess.CompletedProcess(command, status, *texts)


def _of_the_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(OF_THE_INTERPRETER)
    }


def _content(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, size, 0).decode().replace("\r\n", "\n")


def _called(call: object, files: list[int], timeout: float) -> int:
    own, its = socket.socketpair()
    with own:
        with its:
            socket.send_fds(_server(), [b"."], [*files, its.fileno()])
        own.settimeout(timeout)
        own.sendall(json.dumps(call).encode())
        own.shutdown(socket.SHUT_WR)
        with own.makefile("r") as replies:
            pid = int(replies.readline())
            try:
                status = replies.readline()
            except TimeoutError as error:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(KAPI, timeout) from error
    return int(status) if status else -signal.SIGKILL


@cache
def _server() -> socket.socket:
    """A connection to the server, which ends when the connection does."""
    own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        subprocess.Popen(
            [sys.executable, __file__, str(its.fileno())], pass_fds=[its.fileno()]
        )
    return own


def serve(connection: socket.socket) -> None:
    """Fork for each call, until the other side is closed."""
    for name in IMPORTED.split():
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, files, *_ = socket.recv_fds(connection, 1, 4, socket.MSG_CMSG_CLOEXEC)
        if not asked:
            return
        if os.fork() == 0:
            connection.close()
            _become(files)
        for file in files:
            os.close(file)


def _become(files: list[int]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    status = 1
    with socket.socket(fileno=files[3]) as reply:
        try:
            reply.sendall(f"{os.getpid()}\n".encode())
            with reply.makefile("r") as asked:
                call = json.loads(asked.read())
            os.environ.clear()
            os.environ.update(call["environment"])
            os.chdir(call["cwd"])
            random.seed()
            status = _status_of(call["arguments"])
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            reply.sendall(f"{status}\n".encode())
            os._exit(status)


def _status_of(arguments: list[str]) -> int:
    from kapi.front.cli.main import main

    sys.argv = arguments
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
            return 1
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        atexit._run_exitfuncs()
    return 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

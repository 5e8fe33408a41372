"""New connections wait as long as requests over old ones, not for one round of the loop each."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import uvicorn
import uvloop

from kapi.front.web.http.accepting import AcceptingServer

CALLERS = 60
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


async def answer_ok(scope, receive, send):
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(CALLERS)
    return listener


def served(listener, work) -> None:
    """Run `work` while a server with one listener runs, both in one loop."""

    async def run() -> None:
        config = uvicorn.Config(
            answer_ok,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = AcceptingServer(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.wait_for(work(), 60)
        finally:
            server.should_exit = True
            await serving

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def one_answer(reader: asyncio.StreamReader) -> None:
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


def test_the_last_of_many_new_connections_does_not_wait_for_the_first_again_and_again(
    tmp_path,
):
    path = tmp_path / "s.sock"
    by_first = []
    """How many answers the first caller had when each of the others got its own."""

    async def ask_often(reader, writer, counter):
        while True:
            writer.write(REQUEST)
            await one_answer(reader)
            counter.append(None)

    async def work() -> None:
        answers: list[None] = []
        opened = [await asyncio.open_unix_connection(str(path)) for _ in range(CALLERS)]
        first = asyncio.create_task(ask_often(*opened[0], answers))

        async def ask_once(reader, writer):
            writer.write(REQUEST)
            await one_answer(reader)
            by_first.append(len(answers))

        await asyncio.gather(*(ask_once(*pair) for pair in opened[1:]))
        first.cancel()
        for _, writer in opened:
            writer.close()

    served(listening(path), work)
    assert len(by_first) == CALLERS - 1
    assert max(by_first) < CALLERS / 4


class Exhausted:
    """A listener whose process has no descriptor left, the first time."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener, self.failures = listener, 1

    def accept(self):
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.listener.accept()

    def __getattr__(self, name):
        return getattr(self.listener, name)


def test_a_process_without_descriptors_accepts_again_when_it_has_some(tmp_path, caplog):
    path = tmp_path / "s.sock"

    async def work() -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(REQUEST)
        await one_answer(reader)
        writer.close()

    served(Exhausted(listening(path)), work)
    assert "cannot accept connections" in caplog.text

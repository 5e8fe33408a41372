"""Work in processes of its own: what comes back, what it may need, and that it ends with its
caller.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kapi.callers import CALLER, Caller, CallerLeft
from kapi.errors import Invalid
from kapi.pool import Pool, TooMuchWork
from waiting import until

GENERATE = "kapi.apis.generate:generate"
SMALL = b"openapi: 3.0.3\ninfo: {title: a, version: '1'}\npaths: {/a: {get: {responses: {}}}}\n"
ENDLESS = b"openapi: 3.0.3\na: [" + b"a," * 4_000_000 + b"a]"


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(2, 60, 512 * 1024**2)
    yield made
    made.close()


def processes() -> list[psutil.Process]:
    """Those of pools here; a platform that other tests share has pools of its own."""
    return [
        item
        for item in psutil.Process().children()
        if "kapi.pool.process" in " ".join(item.cmdline())
    ]


def test_a_process_answers_is_used_again_and_ends(pool: Pool) -> None:
    assert not processes()
    first = pool.run(GENERATE, SMALL, "REST", "")
    assert first.startswith('---\nname: "a"\n')
    (process,) = processes()
    assert pool.run(GENERATE, SMALL, "REST", "") == first
    assert processes() == [process]
    pool.close()
    assert not processes()


def test_mistakes_come_back_whole(pool: Pool) -> None:
    with pytest.raises(Invalid) as raised:
        pool.run(GENERATE, b"openapi: [", "REST", "")
    assert (
        raised.value.status,
        raised.value.code,
        raised.value.diagnostics[0].line,
    ) == (
        400,
        "90091",
        2,
    )
    with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
        pool.run("kapi.nothing:at_all")
    assert pool.run(GENERATE, SMALL, "REST", "")


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def threads_of(process: psutil.Process) -> list[Path]:
    return list(Path(f"/proc/{process.pid}/task").iterdir())


def test_a_process_that_was_killed_while_idle_is_replaced(pool: Pool) -> None:
    pool.run(GENERATE, SMALL, "REST", "")
    (process,) = processes()
    process.kill()
    # Its first thread may have ended before the others; until they have, it is not reaped.
    until(
        lambda: (
            process.status() == psutil.STATUS_ZOMBIE and len(threads_of(process)) == 1
        )
    )
    assert pool.run(GENERATE, SMALL, "REST", "")


def test_time_is_limited() -> None:
    pool = Pool(1, 1, 1024**3)
    with pytest.raises(TooMuchWork, match="more than 1 seconds") as raised:
        pool.run(GENERATE, ENDLESS, "REST", "")
    assert (raised.value.status, raised.value.code) == (413, "900959")
    assert not processes()


def test_memory_is_limited() -> None:
    pool = Pool(1, 300, 96 * 1024**2)
    with pytest.raises(TooMuchWork, match="more than 96 MiB"):
        pool.run(GENERATE, ENDLESS, "REST", "")
    assert pool.run(GENERATE, SMALL, "REST", "")
    pool.close()
    assert not processes()


def test_the_work_ends_when_its_caller_leaves() -> None:
    pool, caller, ended = Pool(1, 600, 2 * 1024**3), Caller(), []

    def work() -> None:
        CALLER.set(caller)
        with pytest.raises(CallerLeft):
            pool.run(GENERATE, ENDLESS, "REST", "")
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    until(processes)
    caller.leave()
    thread.join(60)
    assert ended
    assert not processes()
    token = CALLER.set(caller)
    with pytest.raises(CallerLeft):
        pool.run(GENERATE, SMALL, "REST", "")
    CALLER.reset(token)


def test_memory_that_was_used_is_not_kept() -> None:
    pool = Pool(1, 300, 1024**3)
    with pytest.raises(Invalid):
        pool.run(
            GENERATE, b"openapi: 3.0.3\na: [" + b"a," * 1_200_000 + b"a]", "REST", ""
        )
    kept = [process.memory_info().rss for process in processes()]
    pool.close()
    assert sum(kept) < 96 * 1024**2


def test_a_process_ends_that_hangs_in_a_pattern_while_its_parent_is_killed() -> None:
    hangs = 're:match", "(a+)+$", "a" * 60 + "b'
    code = f'from kapi.pool import Pool; Pool(1, 60, 512 * 1024**2).run("{hangs}")'
    parent = psutil.Popen([sys.executable, "-c", code])
    until(lambda: any(process.children() for process in parent.children()))
    (pool,) = parent.children()
    (child,) = pool.children()
    until(lambda: child.cpu_times().user > 0.5)
    parent.kill()
    parent.wait()
    until(lambda: not any(map(is_alive, (pool, child))))


def test_a_process_whose_child_was_killed_is_replaced(pool: Pool) -> None:
    def work() -> None:
        with pytest.raises(TooMuchWork):
            pool.run(GENERATE, ENDLESS, "REST", "")
        refused.append(True)

    refused: list[bool] = []
    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: any(process.children() for process in processes()))
    (process,) = processes()
    process.children()[0].kill()
    thread.join(60)
    assert refused
    assert pool.run(GENERATE, SMALL, "REST", "")

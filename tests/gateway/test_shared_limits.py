"""Questions about limits that several nodes count: how many a call may have, in which batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from kapi.errors import KapiError
from kapi.front.web.limits import LimitsProtocol
from kapi.gateway.shared_limits.counting import Counting
from kapi.gateway.shared_limits.redis_counts import Call, CountsAway, connected
from kapi.gateway.shared_limits.wire import (
    NotQuestions,
    Question,
    Ruling,
    answer,
    questions,
)

KEY = b"%C3" * 511
"""The longest: 511 bytes, each percent-encoded."""


class Common:
    """The common count: each call passes."""

    nodes = 1

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def take(self, calls: Sequence[Call]) -> tuple[int, list[Ruling]]:
        self.batches.append(sum(map(len, calls)))
        return 1000, [
            Ruling(passes=True, counts=[(1, 1)] * len(call)) for call in calls
        ]

    async def say_present(self) -> None:
        pass

    async def leave(self) -> None:
        pass


class Envoy(asyncio.Transport):
    """A connection that remembers what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.answer += data


class Away(Common):
    """The common count, which is lost when it is asked."""

    nodes = 3

    def __init__(self) -> None:
        super().__init__()
        self.is_lost = True
        self.left = 0

    async def take(self, calls: Sequence[Call]) -> tuple[int, list[Ruling]]:
        if self.is_lost:
            raise CountsAway("connection refused")
        return await super().take(calls)

    async def leave(self) -> None:
        self.left += 1
        raise CountsAway("connection refused")


async def asked(common: Common, calls: int, questions: int) -> list[bytes]:
    """The answers to `calls` at the same time; each has `questions`."""
    counting = Counting(common)
    work = [asyncio.create_task(counting.look()), asyncio.create_task(counting.run())]
    for _ in range(10):
        await asyncio.sleep(0)
    body = b"".join(b"60\t5\t1\t0\t0\t%d%s\n" % (i, KEY) for i in range(questions))
    request = b"POST /take HTTP/1.1\r\nhost: l\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )
    connections = [Envoy() for _ in range(calls)]
    for connection in connections:
        protocol = LimitsProtocol(counting)
        protocol.connection_made(connection)
        protocol.data_received(request + body)
    for _ in range(1000):
        await asyncio.sleep(0)
    for task in work:
        task.cancel()
    return [connection.answer for connection in connections]


@pytest.mark.parametrize("questions", [1, 100, 4000])
def test_a_call_with_many_limits_is_counted(questions: int) -> None:
    [answer] = asyncio.run(asked(Common(), 1, questions))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b"1000\t1\t1" + b"\n1\t1" * questions


def test_calls_with_many_limits_do_not_make_one_large_batch() -> None:
    common = Common()
    answers = asyncio.run(asked(common, 6, 200))
    assert [answer.startswith(b"HTTP/1.1 200 ") for answer in answers] == [True] * 6
    assert sum(common.batches) == 1200
    assert max(common.batches) <= 400


class Absent(Common):
    """It never answers."""

    async def say_present(self) -> None:
        raise CountsAway("WRONGPASS")


def test_a_count_that_is_away_from_the_start_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def looked() -> None:
        counting = Counting(Absent())
        for _ in range(2):
            work = asyncio.create_task(counting.look())
            await asyncio.sleep(0)
            work.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(looked())
    (line,) = caplog.messages
    assert "WRONGPASS" in line


@pytest.mark.parametrize("parameters", ["?colour=red", "?socket_timeout=soon"])
def test_a_parameter_that_the_driver_does_not_know_is_refused(parameters: str) -> None:
    with pytest.raises(KapiError, match=r"limits\.redis cannot be used"):
        connected(f"redis://:tr0ub4dor@localhost:6379/0{parameters}", 1.0)


LINE = b"60\t5\t1\t0\t1\tkey"


def test_what_a_question_says() -> None:
    expected = Question(unit=60, allowed=5, times=1, spent=7, ahead=True, key=b"a%09b")
    assert questions(b"60\t5\t1\t7\t1\ta%09b\n") == (expected,)
    largest = 2**32 - 1
    [found] = questions(b"1\t%d\t0\t0\t0\tkey" % largest)
    assert (found.unit, found.allowed, found.times, found.ahead) == (
        1,
        largest,
        0,
        False,
    )
    assert len(questions(b"\n".join([LINE] * 4096))) == 4096


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"\n".join([LINE] * 4097),
        b"60\t5\t1\t0\tkey",
        LINE + b"\tmore",
        b"60\tfive\t1\t0\t1\tkey",
        b"0\t5\t1\t0\t1\tkey",
        b"60\t-1\t1\t0\t1\tkey",
        b"60\t5\t-1\t0\t1\tkey",
        b"60\t5\t1\t-1\t1\tkey",
        b"%d\t5\t1\t0\t1\tkey" % 2**32,
        b"60\t5\t1\t%d\t1\tkey" % 2**32,
    ],
)
def test_what_is_no_question(body: bytes) -> None:
    with pytest.raises(NotQuestions):
        questions(body)


def test_an_answer_has_no_count_over_32_bits() -> None:
    ruling = Ruling(passes=False, counts=[(0, 2**40), (2, 3)])
    assert answer(ruling, 1000, 2) == b"1000\t2\t0\n0\t4294967295\n2\t3"


def test_calls_are_answered_without_counts_while_redis_is_away() -> None:
    """All of them, also those that waited when it was lost; and it is asked no more."""
    counts = Away()

    async def lost() -> tuple[list[bytes | None], bool]:
        counting, answers = Counting(counts), []
        counting.ask(questions(LINE), answers.append)
        assert answers == [None], "it is not known yet that Redis is there"
        work = [
            asyncio.create_task(counting.look()),
            asyncio.create_task(counting.run()),
        ]
        await asyncio.sleep(0)
        for _ in range(3):
            counting.ask(questions(b"\n".join([LINE] * 200)), answers.append)
        for _ in range(1000):
            await asyncio.sleep(0)
        counts.is_lost = False
        counting.ask(questions(LINE), answers.append)
        for task in work:
            task.cancel()
        return answers, counting.away

    assert asyncio.run(lost()) == ([None] * 5, True)
    assert counts.batches == []


def test_a_node_that_stops_does_not_wait_for_redis() -> None:
    counts = Away()
    asyncio.run(Counting(counts).leave())
    assert counts.left == 1

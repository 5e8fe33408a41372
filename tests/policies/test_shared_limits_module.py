"""The built module where several nodes count limits: permits, an absent count, wrong clocks."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from envoy_host import Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st

from kapi.gateway.shared_limits.wire import Question, Ruling, answer, questions

START = 1_800_000_000
"""The first second of an hour."""
SHARE = "\nshare\t350"


@dataclass
class Common:
    """The count of all nodes, with its clock; `take.lua` does the same in Redis."""

    nodes: int = 2
    ahead: float = 0.1
    now: float = START
    used: dict[tuple[bytes, int, int], int] = field(
        default_factory=lambda: defaultdict(int)
    )

    def answer(self, body: bytes) -> bytes:
        asked = questions(body)
        for item in asked:
            self.used[self.window(item)] += item.spent
        passes = all(
            self.used[self.window(item)] + item.times <= item.allowed or not item.times
            for item in asked
        )
        counts = [
            self.take(item) if passes else (0, self.used[self.window(item)])
            for item in asked
        ]
        return answer(Ruling(passes, counts), int(self.now * 1000), self.nodes)

    def window(self, item: Question) -> tuple[bytes, int, int]:
        return item.key, item.unit, int(self.now) // item.unit

    def take(self, item: Question) -> tuple[int, int]:
        rest = item.allowed - self.used[self.window(item)] - item.times
        ahead = int(rest * self.ahead / self.nodes) if item.ahead and item.times else 0
        self.used[self.window(item)] += item.times + ahead
        return item.times + ahead, self.used[self.window(item)]


def limit(thread: Thread, *limits: tuple[str, int, int], kind: str = "r") -> None:
    thread.properties = {
        "limits": "\t".join(
            f"{kind}\t{key}\t{allowed}\t{unit}\t900800" for key, allowed, unit in limits
        ).encode()
    }


def passes(thread: Thread, common: Common | None) -> bool:
    """Whether a call passes; without a common count nothing answers."""
    context = thread.begun()
    for number, (_, _, body) in list(thread.asked.items()):
        if common is None:
            thread.told(number, 0)
        else:
            thread.told(number, 200, common.answer(body))
    passed = thread.continued[-1:] == [context]
    assert passed is (thread.reply is None)
    thread.call("proxy_on_delete", context)
    return passed


def test_a_question_has_all_limits_and_the_answer_lets_the_call_go_on() -> None:
    thread = Thread(Shared(START + 3), SHARE)
    limit(thread, ("api/1", 10, 3600), ("operation/1/GET/a b%", 3, 60))
    context = thread.begun()
    assert thread.continued == []
    ((number, (cluster, path, body)),) = thread.asked.items()
    assert (cluster, path) == ("limits", "/take")
    thread.told(number, 200, f"{START}500\t2\t1\n1\t4\n1\t2".encode())
    assert thread.continued == [context]
    thread.call("proxy_on_response_headers", context, 1, 1)
    assert thread.headers[2]["x-ratelimit-remaining"] == "1"
    first, second = body.splitlines()
    assert first == b"3600\t10\t1\t0\t1\tapi/1"
    assert second == b"60\t3\t1\t0\t1\toperation/1/GET/a%20b%25"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=150), st.integers(1, 120))
def test_never_more_than_the_limit_and_not_much_less(
    calls: list[int], allowed: int
) -> None:
    """Two nodes of two threads each. A node holds at most its part of what may be taken ahead."""
    common = Common()
    threads = [
        Thread(shared, SHARE) for shared in (Shared(START), Shared(START)) for _ in "ab"
    ]
    for thread in threads:
        limit(thread, ("k", allowed, 60))
    passed = [passes(threads[number], common) for number in calls]
    assert sum(passed) <= allowed
    if not all(passed):
        assert sum(passed) >= 0.9 * allowed
    assert sum(common.used.values()) <= allowed


def test_one_question_at_a_time_asks_for_permits_ahead() -> None:
    thread, common = Thread(Shared(START), SHARE), Common(nodes=1)
    limit(thread, ("k", 1000, 60))
    thread.begun()
    thread.begun()
    bodies = [body for _, _, body in thread.asked.values()]
    assert [item.ahead for body in bodies for item in questions(body)] == [True, False]
    for number, (_, _, body) in list(thread.asked.items()):
        thread.told(number, 200, common.answer(body))
    assert len(thread.continued) == 2
    assert [passes(thread, None) for _ in range(99)] == [True] * 99


def test_what_one_limit_refuses_does_not_count_against_another() -> None:
    thread, common = Thread(Shared(START), SHARE), Common(ahead=0)
    limit(thread, ("small", 1, 60), ("large", 5, 60))
    assert [passes(thread, common) for _ in range(3)] == [True, False, False]
    limit(thread, ("large", 5, 60))
    assert [passes(thread, common) for _ in range(5)] == [True] * 4 + [False]


def test_a_full_limit_is_refused_without_a_question() -> None:
    thread, common = Thread(Shared(START), SHARE), Common()
    limit(thread, ("k", 1, 60))
    assert passes(thread, common)
    assert not passes(thread, common)
    thread.begun()
    assert thread.asked == {}
    assert thread.reply is not None
    assert (thread.reply.status, thread.reply.headers["retry-after"]) == (429, "60")


def test_a_node_whose_clock_is_wrong_counts_in_the_same_windows() -> None:
    """45 seconds late: after the first answer, the windows are those of the common clock."""
    common = Common(ahead=0, now=START + 10)
    right, late = Thread(Shared(START + 10), SHARE), Thread(Shared(START - 35), SHARE)
    for thread in (right, late):
        limit(thread, ("k", 4, 60))
    assert [passes(thread, common) for thread in (right, late, right, late)] == [
        True
    ] * 4
    assert not passes(late, common)
    assert late.reply is not None
    assert late.reply.headers["retry-after"] == "50"
    for clock in (common, right.shared, late.shared):
        clock.now += 49
    assert not passes(late, common)
    for clock in (common, right.shared, late.shared):
        clock.now += 1
    assert [passes(thread, common) for thread in (late, right)] == [True, True]


@pytest.mark.parametrize(
    ("away", "passed"), [("share", 3), ("allow", 9), ("refuse", 0)]
)
def test_without_an_answer_the_setting_decides(away: str, passed: int) -> None:
    """The share is that of the nodes that were last known; permits that are held are used first."""
    thread = Thread(Shared(START), f"\n{away}\t350")
    limit(thread, ("first", 1, 60))
    assert passes(thread, Common(nodes=3))
    limit(thread, ("k", 10, 60))
    assert sum(passes(thread, None) for _ in range(9)) == passed
    if away == "refuse":
        assert thread.reply is not None
        assert (thread.reply.status, thread.reply.details) == (503, "kapi_limits_away")
    if away == "share":
        assert thread.reply is not None
        assert json.loads(thread.reply.body)["code"] == "900800"


def test_an_answer_that_comes_after_the_call_has_ended_is_kept_for_others() -> None:
    thread, common = Thread(Shared(START), SHARE), Common(ahead=0)
    limit(thread, ("k", 1, 60))
    context = thread.begun()
    thread.call("proxy_on_delete", context)
    ((number, (_, _, body)),) = thread.asked.items()
    thread.told(number, 200, common.answer(body))
    assert thread.continued == []
    assert passes(thread, None)
    assert not passes(thread, common)


@pytest.mark.parametrize(
    "text", [b"", b"x", b"1\t2\t1", b"1\t2\t1\n1", b"1\t2\t1\n1\t1\n1\t1"]
)
def test_an_answer_that_is_nonsense_is_none(text: bytes) -> None:
    thread = Thread(Shared(START), "\nrefuse\t350")
    limit(thread, ("k", 5, 60))
    thread.begun()
    (number,) = thread.asked
    thread.told(number, 200, text)
    assert thread.continued == []
    assert thread.reply is not None
    assert thread.reply.status == 503


def test_tokens_of_answers_are_reported_to_all_nodes() -> None:
    """A call takes one token when it is let through; its answer says the others."""
    common = Common()
    one, other = Thread(Shared(START), SHARE), Thread(Shared(START), SHARE)
    for thread in (one, other):
        limit(thread, ("ai", 100, 60), kind="t")
        thread.properties["usage"] = b"p\tc\tusage.total"
    context = one.begun()
    one.told(*_answered(one, common))
    one.headers[2] = {":status": "200", "content-type": "application/json"}
    one.call("proxy_on_response_headers", context, 1, 0)
    one.buffers[1] = b'{"usage": {"total": 100}}'
    one.call("proxy_on_response_body", context, len(one.buffers[1]), 1)
    one.told(*_answered(one, common))
    assert list(common.used.values()) == [100]
    assert not passes(other, common)
    assert not passes(one, common)


def _answered(thread: Thread, common: Common) -> tuple[int, int, bytes]:
    ((number, (_, _, body)),) = thread.asked.items()
    return number, 200, common.answer(body)


def test_all_threads_know_the_same_number_of_nodes() -> None:
    """A node that joins late is known to a thread that has known it before."""
    shared = Shared(START)
    threads = Thread(shared, SHARE), Thread(shared, SHARE)
    for thread in threads:
        limit(thread, ("first", 9, 60))
    for thread, nodes in ((threads[0], 2), (threads[1], 1), (threads[0], 2)):
        assert passes(thread, Common(nodes=nodes))
    limit(threads[1], ("k", 4, 60))
    assert [passes(threads[1], None) for _ in range(3)] == [True, True, False]

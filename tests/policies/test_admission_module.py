"""The built module, run in a WebAssembly machine whose clock the test sets: windows, threads,
restarts, and input that is nonsense.
"""

from __future__ import annotations

import json
from collections import Counter

from envoy_host import Reply, Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st

START = 1_800_000_000
"""The first second of an hour."""


def limited(thread: Thread, *limits: tuple[str, int, int]) -> bool:
    """Whether one request at a route with these limits (key, allowed, unit) passes."""
    thread.properties = {
        "limits": "\t".join(
            f"r\t{key}\t{allowed}\t{unit}\t900800" for key, allowed, unit in limits
        ).encode()
    }
    return not isinstance(thread.request(), Reply)


def test_a_minute_ends_with_the_clock_and_not_before() -> None:
    shared = Shared(START + 50)
    thread = Thread(shared)
    assert [limited(thread, ("a", 2, 60)) for _ in range(3)] == [True, True, False]
    shared.now = START + 59
    refused = thread.request()
    assert isinstance(refused, Reply)
    assert (
        refused.status,
        refused.headers["retry-after"],
        refused.headers["x-ratelimit-limit"],
    ) == (429, "1", "2, 2;w=60")
    assert json.loads(refused.body)["code"] == "900800"
    shared.now = START + 60
    assert [limited(thread, ("a", 2, 60)) for _ in range(3)] == [True, True, False]


def test_an_answer_says_how_the_limit_with_the_least_room_stands() -> None:
    thread = Thread(Shared(START + 3))
    assert limited(thread, ("hour", 10, 3600), ("minute", 3, 60))
    assert thread.headers[2] == {
        "x-ratelimit-limit": "3, 3;w=60",
        "x-ratelimit-remaining": "2",
        "x-ratelimit-reset": "57",
    }


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 45), st.sampled_from("abc"), st.sampled_from("xy")),
        min_size=1,
        max_size=60,
    )
)
def test_two_limits_count_like_a_table_of_windows(
    calls: list[tuple[int, str, str]],
) -> None:
    """Each call names one key of a limit by minute and one of a limit by hour."""
    shared, seen = Shared(START), Counter[tuple[str, int]]()
    threads = (Thread(shared), Thread(shared))
    for number, (pause, first, second) in enumerate(calls):
        shared.now += pause
        limits = ((first, 2, 60), (second, 5, 3600))
        full = any(
            seen[key, shared.now // unit] >= allowed for key, allowed, unit in limits
        )
        assert limited(threads[number % 2], *limits) is not full
        if not full:
            seen.update((key, shared.now // unit) for key, _, unit in limits)


def test_threads_that_race_for_the_last_ones_let_exactly_the_limit_through() -> None:
    shared = Shared(START)
    first, second = Thread(shared), Thread(shared)
    passed = []

    def race() -> None:
        first.before_set = lambda: None
        passed.append(limited(second, ("k", 50, 60)))

    for _ in range(60):
        # Between the other thread's look and its change, this one counts too.
        first.before_set = race
        passed.append(limited(first, ("k", 50, 60)))
    assert passed.count(True) == 50


def test_a_limit_that_was_taken_meanwhile_gives_back_what_was_counted_elsewhere() -> (
    None
):
    shared = Shared(START)
    first, second = Thread(shared), Thread(shared)
    limits = (("wide", 9, 60), ("narrow", 1, 60))

    def take_the_last() -> None:
        first.before_set = lambda: None
        assert limited(second, ("narrow", 1, 60))

    first.before_set = take_the_last
    assert not limited(first, *limits)
    assert [limited(first, ("wide", 9, 60)) for _ in range(10)] == [True] * 9 + [False]


def ledger(thread: Thread, path: str, body: str = "") -> Reply:
    thread.headers[0] = {":path": path}
    reply = thread.request("ledger", body.encode())
    assert isinstance(reply, Reply)
    return reply


def test_what_one_envoy_counted_the_next_one_knows() -> None:
    shared = Shared(START)
    thread = Thread(shared)
    assert [
        limited(thread, ("day", 3, 86400)),
        limited(thread, ("hour", 2, 3600)),
        limited(thread, ("minute", 1, 60)),
    ] == [True] * 3
    told, *lines = ledger(thread, "/counters").body.splitlines()
    assert told == "0\t"
    assert sorted(lines) == sorted(
        (f"86400\t{START // 86400}\t1\tday", f"3600\t{START // 3600}\t1\thour")
    )
    later = Shared(START + 3600)
    thread = Thread(later)
    for line in lines:
        assert ledger(thread, "/restore", line).status == 200
    assert ledger(thread, "/counters").body.splitlines()[0] == "0\t"
    assert ledger(thread, "/restored").status == 200
    assert ledger(thread, "/counters").body.splitlines()[0] == "1\t"
    assert ledger(thread, "/restore", "\n".join(lines)).status == 409
    assert [limited(thread, ("day", 3, 86400)) for _ in range(3)] == [True, True, False]
    # The hour is over.
    assert [limited(thread, ("hour", 2, 3600)) for _ in range(3)] == [True, True, False]


def test_counters_that_are_over_leave_room_for_others() -> None:
    shared = Shared(START)
    thread = Thread(shared)
    for window in range(20):
        for number in range(50):
            assert limited(thread, (f"key {window} {number}", 1, 60))
        shared.now += 60
    for number in range(3000):
        assert limited(thread, (f"other {number}", 1, 60))
    assert sum(b"key" in value for value, _ in shared.data.values()) < 60


TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        "\t",
        "p\ta\t1\t60\tc",
        "t\ta",
        "a\t1\t60\tc",
        "r\ta\t1\t60\tc",
        "r\ta\t-1\t60\tc",
        "r\ta\t1\t0\tc",
        "x\ty\tz\tv",
        "x\ty\tz\tvt",
        "\t\t\t",
        "9" * 30,
    ]
)


@settings(max_examples=80, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "limits",
                "usage",
                "place",
                "organization",
                "iss",
                "azp",
                "application_name",
            ),
            TEXTS,
        ),
    ),
    TEXTS,
    TEXTS,
)
def test_nonsense_is_answered_and_never_stops_the_module(
    properties: dict[str, str], keys: str, record: str
) -> None:
    shared = Shared(START)
    thread = Thread(shared)
    ledger(thread, "/directory", "g\n7")
    ledger(
        thread,
        "/directory",
        "\f".join(
            [
                f"i\t{properties.get('iss', '')}\n7\nazp",
                f"k\ty\t{properties.get('azp', '')}\n7\n{record}",
                f"t\n7\n{record}",
                f"x\t*\t{keys}\t*\n7\n{record}",
                record,
            ]
        ),
    )
    thread.properties = {name: value.encode() for name, value in properties.items()}
    thread.headers[0] = {"x-kapi-limit-keys": keys}
    for part in ("admit", "keys"):
        answer = thread.request(part)
        assert not isinstance(answer, Reply) or answer.status in {401, 403, 429, 503}
    assert ledger(thread, "/restore", f"{record}\n{keys}\n3600\t1\t1\n").status == 200
    assert ledger(thread, "/counters").status == 200
    assert ledger(thread, keys).status in {200, 404, 409}


def test_before_the_directory_is_there_nobody_with_a_subscription_is_let_through() -> (
    None
):
    thread = Thread(Shared(START))
    thread.properties = {"place": b"api\torg\t\tv", "iss": b"https://a", "azp": b"me"}
    answer = thread.request()
    assert isinstance(answer, Reply)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    records = (
        "i\thttps://a\n1\nazp",
        "k\torg\tme\n1\nshop\torg\tPRODUCTION\t\napi\tACTIVE",
    )
    ledger(thread, "/directory", "\f".join(records))
    assert isinstance(thread.request(), Reply)
    ledger(thread, "/directory", "g\n1")
    assert not isinstance(thread.request(), Reply)
    # Records of an earlier generation no longer count.
    ledger(thread, "/directory", "g\n2")
    answer = thread.request()
    assert isinstance(answer, Reply)
    assert (answer.status, json.loads(answer.body)["code"]) == (403, "900908")


def test_a_second_name_of_an_issuer_does_not_start_a_limit_anew() -> None:
    thread = Thread(Shared(START))
    records = (
        "i\thttps://a\n1\nazp",
        "i\thttps://b\n1\nazp\nhttps://a",
        "t\n1\nr\t2\t3600\ts",
    )
    ledger(thread, "/directory", "\f".join((*records, "g\n1")))
    refused = []
    for issuer in (
        b"https://a",
        b"https://b",
        b"https://a",
        b"https://b",
        b"https://c",
    ):
        thread.properties = {"place": b"api\torg\t\tt", "iss": issuer, "azp": b"me"}
        refused.append(isinstance(thread.request(), Reply))
    assert refused == [False, False, True, True, False]


def test_a_record_counts_until_its_next_generation_does() -> None:
    """A control process that starts tells everything anew, while calls go on."""
    thread = Thread(Shared(START))
    thread.properties = {"place": b"api\torg\t\tv", "iss": b"https://a", "azp": b"me"}

    def records(generation: int, status: str) -> str:
        return (
            f"i\thttps://a\n{generation}\nazp\fk\torg\tme\n{generation}\nshop\torg\tPRODUCTION\t\n"
            f"api\t{status}"
        )

    ledger(thread, "/directory", records(1, "ACTIVE") + "\fg\n1")
    # Twice: a request that failed half-way is sent again.
    for _ in range(2):
        ledger(thread, "/directory", records(12, "BLOCKED"))
        assert not isinstance(thread.request(), Reply)
    ledger(thread, "/directory", "g\n12")
    assert isinstance(thread.request(), Reply)
    ledger(thread, "/directory", records(12, "ACTIVE"))
    assert not isinstance(thread.request(), Reply)
    ledger(thread, "/directory", "k\torg\tme\n")
    assert isinstance(thread.request(), Reply)

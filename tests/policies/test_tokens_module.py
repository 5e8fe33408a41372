"""How the built module reads the tokens that an AI backend says its answers took: whatever the
answer looks like, and however it is cut.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from typing import Any

import pytest
from envoy_host import ROOTS, Reply, Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_events import message, wrapped
from kapi.apis.ai_providers import aws_bedrock

START = 1_800_000_000
PLACES = (
    "usage.prompt_tokens message.usage.input_tokens\tusage.completion_tokens usage.output_tokens "
    "message.usage.output_tokens\tusage.total_tokens"
)
MANY = 2**32 - 1
JSON = {"content-type": "application/json; charset=utf-8"}
EVENTS = {"content-type": "text/event-stream"}


def limited(thread: Thread, usage: str = PLACES, **allowed: int) -> None:
    """The next calls go to a route with these limits; `r`, `p`, `c` and `t` as in the route's
    metadata.
    """
    text = "\t".join(
        f"{kind}\tai/{kind}\t{count}\t3600\t900800" for kind, count in allowed.items()
    )
    thread.properties = {"limits": text.encode(), "usage": usage.encode()}


def counted(thread: Thread) -> dict[str, int]:
    """What was counted in this hour, by kind."""
    properties, thread.properties = thread.properties, {}
    thread.headers[0] = {":path": "/counters"}
    reply = thread.request("ledger")
    thread.properties, thread.headers[0] = properties, {}
    assert isinstance(reply, Reply)
    lines = (line.split("\t") for line in reply.body.splitlines()[1:])
    return {name.removeprefix("ai/"): int(count) for _, _, count, name in lines}


def answer(prompt: int, completion: int, **more: Any) -> bytes:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return json.dumps(
        {
            "model": "m",
            "choices": [{"text": 'a "b" \\ {}', "index": 0}],
            "usage": usage,
            **more,
        }
    ).encode()


def test_a_window_is_open_until_its_tokens_are_used_up_and_the_answer_that_goes_over_passes() -> (
    None
):
    shared = Shared(START + 10)
    thread = Thread(shared)
    limited(thread, p=100, c=1000, t=5000)
    assert thread.answered(JSON, [answer(60, 1)]) is None
    assert thread.answered(JSON, [answer(90, 1)]) is None
    refused = thread.answered(JSON, [answer(1, 1)])
    assert refused is not None
    assert (
        refused.status,
        json.loads(refused.body)["code"],
        refused.headers["retry-after"],
    ) == (
        429,
        "900800",
        "3590",
    )
    assert refused.headers["x-ratelimit-limit"] == "100, 100;w=3600"
    assert counted(thread) == {"p": 150, "c": 2, "t": 152}
    shared.now = START + 3600
    assert thread.answered(JSON, [answer(1, 1)]) is None


def test_a_refused_call_counts_nowhere() -> None:
    thread = Thread(Shared(START))
    limited(thread, r=10, t=5)
    assert thread.answered(JSON, [answer(4, 4)]) is None
    for _ in range(3):
        assert thread.answered(JSON, [answer(4, 4)]) is not None
    assert counted(thread) == {"r": 1, "t": 8}
    limited(thread, r=2)
    assert [thread.answered(JSON, []) is None for _ in range(3)] == [True, False, False]


def test_an_answer_says_how_the_limit_with_the_least_room_stands_before_the_answer() -> (
    None
):
    thread = Thread(Shared(START))
    limited(thread, r=100, t=50)
    assert thread.answered(JSON, [answer(20, 1)]) is None
    assert thread.headers[2]["x-ratelimit-remaining"] == "49"
    assert thread.answered(JSON, [answer(1, 1)]) is None
    assert (
        thread.headers[2]["x-ratelimit-limit"],
        thread.headers[2]["x-ratelimit-remaining"],
    ) == (
        "50, 50;w=3600",
        "28",
    )


def test_a_call_counts_one_when_it_is_let_in_and_the_rest_with_its_answer() -> None:
    thread = Thread(Shared(START))
    limited(thread, t=5000)
    remaining = []
    for _ in range(3):
        assert thread.answered(JSON, [answer(200, 100)]) is None
        remaining.append(thread.headers[2]["x-ratelimit-remaining"])
    assert remaining == ["4999", "4699", "4399"]
    assert counted(thread) == {"t": 900}


def test_answers_without_usage_are_not_free() -> None:
    thread = Thread(Shared(START))
    limited(thread, p=4, t=3)
    assert [thread.answered(JSON, [b"{}"]) is None for _ in range(4)] == [
        True,
        True,
        True,
        False,
    ]
    assert counted(thread) == {"p": 3, "t": 3}


def test_tokens_of_consumers_are_limited_by_their_tiers_where_answers_are_read() -> (
    None
):
    thread = Thread(Shared(START))
    tier = "r\t100\t3600\ts\tp\t30\t3600\ts\tc\t1000\t3600\tc\tt\t5000\t3600\ts"
    consumer = (
        f"k\torg\tme\n1\nshop\torg\tPRODUCTION\t\tt\t100\t3600\ts\napi\tACTIVE\t{tier}\n"
        f"other\tACTIVE\t{tier}"
    )
    thread.headers[0] = {":path": "/directory"}
    thread.request("ledger", f"i\thttps://a\n1\nazp\f{consumer}\fg\n1".encode())
    thread.headers[0] = {}
    caller = {"iss": b"https://a", "azp": b"me"}

    def ask(api: str, prompt: int, completion: int) -> str:
        thread.properties = {
            "place": f"{api}\torg\t\tvt".encode(),
            "usage": PLACES.encode(),
            **caller,
        }
        refused = thread.answered(JSON, [answer(prompt, completion)])
        return json.loads(refused.body)["code"] if refused else ""

    assert [ask("api", 20, 10), ask("api", 20, 10), ask("api", 1, 1)] == [
        "",
        "",
        "900804",
    ]
    # The other API has counts of its own; the application's tokens are used up by both.
    assert [ask("other", 5, 35), ask("other", 1, 1)] == ["", "900803"]
    assert counted(thread) == {
        "a/shop/t": 100,
        "u/shop/api": 2,
        "u/shop/api/p": 40,
        "u/shop/api/c": 20,
        "u/shop/api/t": 60,
        "u/shop/other": 1,
        "u/shop/other/p": 5,
        "u/shop/other/c": 35,
        "u/shop/other/t": 40,
    }
    # Where no answer is read, no tokens are limited.
    thread.properties = {"place": b"other\torg\t\tvt", **caller}
    assert thread.answered(JSON, [answer(1, 1)]) is None
    assert counted(thread)["u/shop/other"] == 2


EVENT_STREAMS = {
    "the last event says it": (
        [
            {"choices": [{"delta": {"content": "a"}}], "usage": None},
            {"choices": [], "usage": json.loads(answer(7, 5))["usage"]},
        ],
        {"p": 7, "c": 5, "t": 12},
    ),
    "each event says how much it is by now": (
        [
            {
                "usage": {
                    "prompt_tokens": 7,
                    "completion_tokens": n,
                    "total_tokens": 7 + n,
                }
            }
            for n in range(1, 6)
        ],
        {"p": 7, "c": 5, "t": 12},
    ),
    "the first event says the prompt, later ones the completion": (
        [
            {"message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
            {"delta": {}},
            {"usage": {"output_tokens": 30}},
        ],
        {"p": 9, "c": 30, "t": 39},
    ),
    "none says anything": (
        [{"choices": []}, {"choices": [{"usage": {"prompt_tokens": 5}}]}],
        {"p": 1, "c": 1, "t": 1},
    ),
}


@pytest.mark.parametrize("name", EVENT_STREAMS)
@pytest.mark.parametrize("ends", ["\n\n", "\r\n\r\n", "\r\r"])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_events_count_once_by_their_greatest_number(
    name: str, ends: str, size: int
) -> None:
    events, expected = EVENT_STREAMS[name]
    line = ends[: len(ends) // 2]
    text = (
        "".join(f"event: x{line}data: {json.dumps(event)}{ends}" for event in events)
        + f": a comment{ends}data: [DONE]{ends}"
    )
    thread = Thread(Shared(START))
    limited(thread, p=MANY, c=MANY, t=MANY)
    assert thread.answered(EVENTS, cut(text.encode(), size)) is None
    assert counted(thread) == expected


def test_what_was_said_before_an_answer_breaks_off_counts() -> None:
    thread = Thread(Shared(START))
    limited(thread, t=MANY)
    first = json.dumps({"message": {"usage": {"input_tokens": 9, "output_tokens": 1}}})
    assert (
        thread.answered(
            EVENTS,
            [f'data: {first}\n\ndata: {{"usage": {{"output_tokens": 40'.encode()],
        )
        is None
    )
    assert counted(thread) == {"t": 10}


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (JSON, answer(1, 2, more="\u00e4\u20ac"), {"p": 1, "c": 2, "t": 3}),
        ({}, answer(1, 2), {"p": 1, "c": 2, "t": 3}),
        (
            {"content-type": "APPLICATION/Problem+JSON"},
            b'{"error": {"usage": {"prompt_tokens": 5}}}',
            {},
        ),
        (JSON, b'{"usage": {"prompt_tokens": 12}}', {"p": 12, "t": 12}),
        (JSON, b'{"usage": {"total_tokens": 12}}', {"t": 12}),
        (
            JSON,
            b'{"usage": {"total_tokens": 12.0, "prompt_tokens": 1e3, "completion_tokens": -4}}',
            {"t": 12},
        ),
        (JSON, b'[{"usage": {"total_tokens": 12}}]', {"t": 12}),
        (JSON, b'{"usage": {"total_tokens": "12", "prompt_tokens": null}}', {}),
        (
            JSON,
            b'{"a\\"usage": 1, "usage": {"total_tokens": 3, "deep": {"total_tokens": 99}}}',
            {"t": 3},
        ),
        (
            JSON,
            b'{"usage": {"total_tokens": 99999999999999999999999999}}',
            {"t": 2**32 - 1},
        ),
        (JSON, b'{"usage": {"total_tokens": 12}', {}),
        (
            JSON,
            b'{"usage": {"total_tokens": 1}}\n{"usage": {"total_tokens": 2}}',
            {"t": 2},
        ),
        (JSON, b'{"usage": {"total_tokens": 12}} <html>', {"t": 12}),
        (JSON, b"<html>", {}),
        (JSON, b"[" * 5000, {}),
        ({"content-type": "image/png"}, answer(1, 2), {}),
        (JSON | {"content-encoding": "br"}, answer(1, 2), {}),
        (
            JSON | {"content-encoding": "identity"},
            answer(1, 2),
            {"p": 1, "c": 2, "t": 3},
        ),
        (
            JSON | {"content-encoding": "gzip"},
            gzip.compress(answer(1, 2), mtime=0),
            {"p": 1, "c": 2, "t": 3},
        ),
        (
            JSON | {"content-encoding": "GZIP"},
            gzip.compress(answer(1, 2), mtime=0)[:-40],
            {},
        ),
        (JSON | {"content-encoding": "gzip"}, answer(1, 2), {}),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_counts(
    headers: dict[str, str], body: bytes, expected: dict[str, int], size: int
) -> None:
    thread = Thread(Shared(START))
    limited(thread, p=MANY, c=MANY, t=MANY)
    assert thread.answered(headers, cut(body, size)) is None
    assert counted(thread) == {"p": 1, "c": 1, "t": 1, **expected}


def test_numbers_may_stand_in_headers() -> None:
    thread = Thread(Shared(START))
    limited(
        thread,
        "header:x-prompt\theader:x-completion usage.completion_tokens\t",
        p=MANY,
        c=MANY,
        t=MANY,
    )
    assert (
        thread.answered(
            JSON | {"x-prompt": " 5 ", "x-completion": "2"},
            [b'{"usage": {"completion_tokens": 3}}'],
        )
        is None
    )
    assert counted(thread) == {"p": 5, "c": 3, "t": 8}
    assert thread.answered(JSON | {"x-prompt": "many"}, []) is None
    assert counted(thread) == {"p": 6, "c": 4, "t": 9}


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (None, "identity"),
        ("br", "identity"),
        ("br, gzip;q=0.5, zstd", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip; q=0.0, br", "identity"),
    ],
)
def test_the_backend_is_asked_for_what_can_be_read(
    asked: str | None, sent: str
) -> None:
    thread = Thread(Shared(START))
    thread.headers[0] = {"accept-encoding": asked} if asked else {}
    limited(thread, r=5)
    del thread.properties["usage"]
    assert thread.answered(JSON, []) is None
    assert thread.headers[0].get("accept-encoding") == asked
    limited(thread, t=5)
    assert thread.answered(JSON, []) is None
    assert thread.headers[0]["accept-encoding"] == sent


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in cuts} | {len(body)})
    return [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]


NAMES = st.sampled_from(
    [
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "message",
        "a",
        'q"',
        "\\u0075sage",
    ]
) | st.text(max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 2**31)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4)
    ),
    max_leaves=12,
)
USAGES = st.dictionaries(
    st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "other"]),
    st.integers(0, 10**6) | st.none(),
    max_size=4,
)
ANSWERS = st.dictionaries(NAMES, VALUES, max_size=5).flatmap(
    lambda rest: USAGES.map(lambda usage: {**rest, "usage": usage})
)


def said(document: dict[str, Any]) -> dict[str, int]:
    """What a whole reader of JSON finds; the request itself counts one."""
    usage = document["usage"]
    prompt, completion = (
        usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")
    )
    total = usage.get("total_tokens")
    found = {
        "p": prompt,
        "c": completion,
        "t": prompt + completion if total is None else total,
    }
    return {kind: max(1, number) for kind, number in found.items()}


@settings(max_examples=60, deadline=None)
@given(
    ANSWERS,
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.sampled_from(["", "stored", "fast", "best", "fixed"]),
    st.lists(st.integers(0, 10**6), max_size=8),
)
def test_any_answer_in_any_pieces_counts_what_it_says(
    document: dict[str, Any],
    indent: int | None,
    ascii_only: bool,
    packed: str,
    cuts: list[int],
) -> None:
    document = {name: value for name, value in document.items() if name != "message"}
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    headers = JSON | ({"content-encoding": "gzip"} if packed else {})
    if packed:
        level = {"stored": 0, "fast": 1, "best": 9, "fixed": 9}[packed]
        packer = zlib.compressobj(
            level,
            zlib.DEFLATED,
            31,
            strategy=zlib.Z_FIXED if packed == "fixed" else zlib.Z_DEFAULT_STRATEGY,
        )
        body = packer.compress(body) + packer.flush()
    thread = Thread(Shared(START))
    limited(thread, p=MANY, c=MANY, t=MANY)
    assert thread.answered(headers, pieces(body, cuts)) is None
    assert counted(thread) == said(document)


def member(body: bytes, fields: bytes = b"", flags: int = 0) -> bytes:
    """A member of a gzip file (RFC 1952 §2.3) with optional fields in its header."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(body) + packer.flush()
    return b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + fields + data + bytes(8)


EXTRA, NAME, COMMENT, CHECKSUM = b"\x03\x00\x00ab", b"name\0", b"comment\0", b"\0\0"


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        (EXTRA + NAME + COMMENT + CHECKSUM, 4 | 8 | 16 | 2),
        (b"\0\0" + COMMENT, 4 | 16),
        (NAME, 8),
        (CHECKSUM, 2),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_each_member_of_a_packed_answer_is_read(
    fields: bytes, flags: int, size: int
) -> None:
    is_read_to_its_end(fields, flags, size)


@pytest.mark.parametrize(
    ("fields", "flags"),
    [(b"\xff\xff" + bytes(65535), 4), (b"n" * 100_000 + b"\0", 8)],
    ids=["extra", "name"],
)
@pytest.mark.parametrize("size", [97, 10_000])
def test_long_fields_of_a_member_are_passed_over(
    fields: bytes, flags: int, size: int
) -> None:
    is_read_to_its_end(fields, flags, size)


def is_read_to_its_end(fields: bytes, flags: int, size: int) -> None:
    body = answer(5, 6)
    packed = (
        member(body[:20], fields, flags)
        + member(body[20:50])
        + member(body[50:], CHECKSUM, 2)
    )
    thread = Thread(Shared(START))
    limited(thread, p=MANY, c=MANY)
    assert (
        thread.answered(JSON | {"content-encoding": "gzip"}, cut(packed, size)) is None
    )
    assert counted(thread) == {"p": 5, "c": 6}


def test_a_repetition_from_before_the_first_byte_ends_the_reading() -> None:
    """One with a dictionary that the answer does not contain (RFC 1951 §2: distances stay within
    the member).
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=answer(5, 6))
    data = packer.compress(answer(5, 6)) + packer.flush()
    thread = Thread(Shared(START))
    limited(thread, p=MANY, c=MANY)
    packed = (
        member(b" ")
        + b"\x1f\x8b\x08"
        + bytes(7)
        + data
        + bytes(8)
        + member(answer(7, 8))
    )
    assert thread.answered(JSON | {"content-encoding": "gzip"}, [packed]) is None
    assert counted(thread) == {"p": 1, "c": 1}


def test_a_long_packed_answer_is_read_to_its_end() -> None:
    numbers = [(n * 7919) % 1000 / 1000 for n in range(60_000)]
    body = answer(11, 0, data=numbers)
    thread = Thread(Shared(START))
    limited(thread, p=MANY)
    assert (
        thread.answered(
            JSON | {"content-encoding": "gzip"}, cut(gzip.compress(body), 16_384)
        )
        is None
    )
    usage_last = json.dumps(
        {"data": numbers, "text": "a" * 200_000, "usage": {"prompt_tokens": 5}}
    ).encode()
    assert (
        thread.answered(
            JSON | {"content-encoding": "gzip"}, cut(gzip.compress(usage_last), 10_000)
        )
        is None
    )
    assert counted(thread) == {"p": 16}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            JSON,
            EVENTS,
            JSON | {"content-encoding": "gzip"},
            EVENTS | {"content-encoding": "gzip"},
            {"content-type": "\xff"},
        ]
    ),
    st.binary(max_size=200)
    | st.text('{}[]":,\\0123456789.eE+-truefalsn usage\n\r', max_size=80).map(
        str.encode
    ),
    st.booleans(),
    st.text("\t .header:usage_tokens", max_size=40),
)
def test_nonsense_in_answers_never_stops_the_module(
    headers: dict[str, str], body: bytes, packed: bool, usage: str
) -> None:
    thread = Thread(Shared(START))
    limited(thread, usage, p=MANY, c=MANY, t=MANY)
    body = (
        gzip.compress(body)
        if packed
        else b"\x1f\x8b\x08" + body
        if "content-encoding" in headers
        else body
    )
    assert thread.answered(headers, cut(body, 11)) is None
    limited(thread, r=1)
    assert thread.answered(JSON, []) is None


def streamed(
    thread: Thread, body: bytes, answer: list[bytes], *, cut: bool = False
) -> None:
    """One call whose request and answer pass in pieces; `cut` ends it before the last piece."""
    thread.headers[0] = {"content-type": "application/json"}
    thread.headers[2] = {":status": "200", **EVENTS}
    thread.contexts += 1
    context = thread.contexts
    thread.call("proxy_on_context_create", context, 1)
    assert thread.call("proxy_on_request_headers", context, 1, 0) == 0
    for piece in (body[:7], body[7:]):
        thread.buffers[0] = piece
        assert thread.call("proxy_on_request_body", context, len(piece), 0) == 0
    assert thread.call("proxy_on_response_headers", context, 1, 0) == 0
    for piece in answer:
        thread.buffers[1] = piece
        assert thread.call("proxy_on_response_body", context, len(piece), 0) == 0
    if not cut:
        assert thread.call("proxy_on_response_body", context, 0, 1) == 0
    thread.call("proxy_on_log", context)
    thread.call("proxy_on_delete", context)
    thread.headers[0] = {}


PROMPT = json.dumps(
    {
        "model": "gpt-4o",
        "stream": True,
        "messages": [{"role": "user", "content": "é" * 20}],
    }
).encode()


def deltas(*texts: str) -> list[bytes]:
    chunks = ({"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts)
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]


@pytest.mark.parametrize("cut", [False, True])
def test_a_stream_that_says_no_tokens_counts_by_its_text(cut: bool) -> None:
    thread = Thread(Shared(START))
    limited(thread, usage=f"{PLACES}\tai-use/api", p=1000, c=1000, t=1000)
    streamed(thread, PROMPT, deltas("abcd" * 3, "efgh", "\n"), cut=cut)
    # A fourth of the characters: 20 of the prompt (JSON escapes are one each), 17 of the
    # completion.
    totals = {"ai-use/api/p": 5, "ai-use/api/c": 5}
    assert counted(thread) == {"p": 5, "c": 5, "t": 10, **totals}
    assert thread.said == {"kapi.usage": "5|5|10||"}


def test_what_a_stream_says_counts_and_not_the_estimate() -> None:
    thread = Thread(Shared(START))
    limited(thread, p=1000, c=1000, t=1000)
    said = b"data: " + answer(2, 3) + b"\n\n"
    streamed(thread, PROMPT, [*deltas("abcd" * 30), said])
    assert counted(thread) == {"p": 2, "c": 3, "t": 5}


def test_a_stream_that_is_cut_after_its_first_number_counts_what_was_received() -> None:
    thread = Thread(Shared(START))
    limited(thread, p=1000, c=1000, t=1000)
    start = {
        "type": "message_start",
        "message": {"usage": {"input_tokens": 9, "output_tokens": 1}},
    }
    delta = {
        "type": "content_block_delta",
        "delta": {"type": "text_delta", "text": "abcd" * 10},
    }
    events = [
        b"data: " + json.dumps(item).encode() + b"\n\n" for item in (start, delta)
    ]
    streamed(thread, PROMPT, events, cut=True)
    assert counted(thread) == {"p": 9, "c": 10, "t": 19}


def test_an_array_of_answers_is_read_as_a_stream_of_them() -> None:
    thread = Thread(Shared(START))
    limited(thread, p=1000, c=1000, t=1000)
    body = b"[" + answer(1, 1) + b",\n" + answer(4, 5) + b"]"
    assert thread.answered(JSON, [body[:20], body[20:]]) is None
    assert counted(thread) == {"p": 4, "c": 5, "t": 9}


def test_all_tokens_of_an_api_are_counted_without_a_limit() -> None:
    thread = Thread(Shared(START))
    limited(thread, usage=f"{PLACES}\tai-use/api")
    for _ in range(2):
        assert thread.answered(JSON, [answer(7, 3)]) is None
    assert {
        name.rpartition("/")[2]: count for name, count in counted(thread).items()
    } == {
        "p": 14,
        "c": 6,
    }


PRICES = (
    "EUR\t/model/\t/\tgpt-4o\t2500000\t10000000\tgpt-4o-mini\t150000\t600000\t*\t1\t0"
)


def cost(
    thread: Thread,
    body: bytes,
    request: bytes = b"",
    path: str = "/v1/chat",
    **headers: str,
) -> tuple[str, str]:
    """Model and cost of a call, as the access log gets them."""
    limited(thread)
    thread.properties["prices"] = PRICES.encode()
    thread.said = {}
    thread.headers[0] = {":path": path, "content-type": "application/json"}
    thread.headers[2] = JSON | headers
    thread.contexts += 1
    context = thread.contexts
    thread.call("proxy_on_context_create", context, ROOTS["admit"])
    assert thread.call("proxy_on_request_headers", context, 1, 0) == 0
    for piece in (request[:7], request[7:]):
        thread.buffers[0] = piece
        assert thread.call("proxy_on_request_body", context, len(piece), 0) == 0
    assert thread.call("proxy_on_response_headers", context, 1, 0) == 0
    for piece in (body[:11], body[11:]):
        thread.buffers[1] = piece
        assert thread.call("proxy_on_response_body", context, len(piece), 0) == 0
    thread.call("proxy_on_log", context)
    *_, amount, model = thread.said["kapi.usage"].split("|", 4)
    return model, amount


@pytest.mark.parametrize(
    ("model", "prompt", "completion", "amount"),
    [
        ("gpt-4o", 1000, 500, "0.0075 EUR"),
        ("gpt-4o-2024-08-06", 1, 1, "0.0000125 EUR"),
        ("gpt-4o-mini-2024", 1, 0, "0.00000015 EUR"),
        ("gpt-4o", 4 * 10**9, 4 * 10**9, "50000 EUR"),
        ("other", 3, 7, "0.000000000003 EUR"),
    ],
)
def test_a_call_costs_the_prices_of_its_model(
    model: str, prompt: int, completion: int, amount: str
) -> None:
    thread = Thread(Shared(START))
    assert cost(thread, answer(prompt, completion, model=model)) == (model, amount)


def test_the_model_is_the_one_that_the_answer_names_or_else_the_request() -> None:
    thread = Thread(Shared(START))
    asked = (
        b'{"messages": [{"model": "gpt-4o-mini"}], "model": "gpt-4o", "stream": true}'
    )
    silent = b'{"usage": {"prompt_tokens": 1, "completion_tokens": 1}}'
    assert cost(thread, silent, asked) == ("gpt-4o", "0.0000125 EUR")
    assert cost(thread, answer(1, 0, model="gpt-4o-mini"), asked)[1] == "0.00000015 EUR"
    long = answer(1, 0, model="gpt-4o" * 30)
    assert cost(thread, long, asked)[0] == "gpt-4o"
    escaped = answer(1, 0).replace(b'"model": "m"', b'"model": "gpt-\\u0034o"')
    assert cost(thread, escaped, asked)[0] == "gpt-4o"


def test_a_body_does_not_make_the_model_of_the_path_cheaper() -> None:
    """Bedrock reads the model in the path only, and its answers name none."""
    silent = b'{"usage": {"prompt_tokens": 1, "completion_tokens": 1}}'
    cheap = b'{"model": "gpt-4o-mini"}'
    found = cost(
        Thread(Shared(START)), silent, cheap, path="/v1/model/gpt-4o/converse?x"
    )
    assert found == ("gpt-4o", "0.0000125 EUR")


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("gpt-4o%3A1", "gpt-4o:1"),
        ("a%2fgpt%3a", "a/gpt:"),
        ("x%", "x%"),
        ("x%0Ay", "x%0Ay"),
        ("x%+1%C3%A9é%é", "x%+1%C3%A9é%é"),
    ],
)
def test_the_model_of_a_path_is_decoded(written: str, model: str) -> None:
    """SDKs write the colon of `anthropic.claude-3-haiku-20240307-v1:0` as %3A."""
    silent = b'{"usage": {"prompt_tokens": 1, "completion_tokens": 1}}'
    found = cost(Thread(Shared(START)), silent, path=f"/model/{written}/converse")
    assert found[0] == model


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_binary_stream_of_bedrock_is_counted_however_it_is_cut(
    data: st.DataObject,
) -> None:
    thread = Thread(Shared(START))
    places = "usage.inputTokens\tusage.outputTokens\tusage.totalTokens"
    limited(thread, usage=places, p=1000, c=1000, t=1000)
    usage = {"usage": {"inputTokens": 12, "outputTokens": 34, "totalTokens": 46}}
    events = (b'{"delta":{"text":"hi"}}', b"", json.dumps(usage).encode())
    whole = b"".join(map(message, events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    kind = {"content-type": "application/vnd.amazon.eventstream", ":status": "200"}
    assert thread.answered(kind, pieces) is None
    assert counted(thread) == {"p": 12, "c": 34, "t": 46}


@pytest.mark.parametrize(
    "broken",
    [b"\0" * 40, b"\xff" * 40, struct.pack(">III", 20, 2**31, 0) + b"x" * 30, b"\0"],
)
def test_what_is_no_binary_stream_is_not_read(broken: bytes) -> None:
    thread = Thread(Shared(START))
    limited(thread, usage="usage.inputTokens\t\t", p=1000)
    kind = {"content-type": "application/vnd.amazon.eventstream", ":status": "200"}
    good = message(b'{"usage": {"inputTokens": 12}}')
    assert thread.answered(kind, [broken, good]) is None
    assert counted(thread) == {"p": 1}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_stream_of_an_invoked_model_is_counted_however_it_is_cut(
    data: st.DataObject,
) -> None:
    thread = Thread(Shared(START))
    (bedrock, *_) = aws_bedrock.VERSIONS
    read = (bedrock.prompt_tokens, bedrock.completion_tokens, bedrock.total_tokens)
    limited(thread, usage="\t".join(map(" ".join, read)), p=1000, c=1000, t=1000)
    started = {"type": "message_start", "message": {"usage": {"input_tokens": 9}}}
    metrics = {"inputTokenCount": 12, "outputTokenCount": 34, "invocationLatency": 999}
    last = {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}
    events = [wrapped(item) for item in (started, {"delta": {"text": "h\u00e9"}}, last)]
    whole = b"".join(
        map(message, (*events[:2], b'{"bytes":"!"}', b'{"byte": 1}', events[2]))
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    kind = {"content-type": "application/vnd.amazon.eventstream", ":status": "200"}
    assert thread.answered(kind, pieces) is None
    assert counted(thread) == {"p": 12, "c": 34, "t": 46}


def test_an_invoked_model_says_its_tokens_in_headers() -> None:
    thread = Thread(Shared(START))
    (bedrock, *_) = aws_bedrock.VERSIONS
    read = (bedrock.prompt_tokens, bedrock.completion_tokens, bedrock.total_tokens)
    limited(thread, usage="\t".join(map(" ".join, read)), p=1000, c=1000, t=1000)
    kind = {"content-type": "application/json", ":status": "200"}
    kind |= {
        "x-amzn-bedrock-input-token-count": "5",
        "x-amzn-bedrock-output-token-count": "7",
    }
    assert thread.answered(kind, [b'{"completion": "hi"}']) is None
    assert counted(thread) == {"p": 5, "c": 7, "t": 12}

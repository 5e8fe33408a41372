"""The reader of JSON: what it reads, and every text that it refuses."""

from __future__ import annotations

import resource
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapi.json_reading import DEEPEST, NotJson, read_json, read_object

NESTED = b"[" * DEEPEST + b"]" * DEEPEST


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"{}", {}),
        ('{"a": "\u00e9"}', {"a": "\u00e9"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"[1e308, -0, 1.5]", [1e308, 0, 1.5]),
        (b' {"a": {"a": 1}, "b": {"a": 2}} ', {"a": {"a": 1}, "b": {"a": 2}}),
    ],
)
def test_what_is_json(content: bytes | str, value: Any) -> None:
    assert read_json(content) == value
    assert read_json(NESTED)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"x", "unexpected character"),
        (b'"\\ud800"', "surrogate"),
        ('"\ud800"', "surrogate"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b'"\xff"', "UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "unexpected|UTF-8"),
        (b"NaN", "unexpected"),
        (b"-Infinity", "minus sign|number|unexpected|digit"),
        (b"1e999", "infinity"),
        (b"9223372036854775808", "64 bits"),
        (b"-9223372036854775809", "64 bits"),
        (b"1" * 5000, "64 bits|infinity"),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "two members"),
        (b'{"a": 1, "\\u0061": 2}', "two members"),
        (b"[" + NESTED + b"]", "deeper"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper|depth"),
        (b"[" * 100_000, "deeper|depth"),
        (b"{} {}", "after document"),
    ],
)
def test_what_is_refused(content: bytes | str, why: str) -> None:
    with pytest.raises(NotJson, match=why):
        read_json(content)


def test_an_object_is_wanted() -> None:
    assert read_object(b'{"a": 1}') == {"a": 1}
    for other in (b"[]", b"null", b'"a"', b"1"):
        with pytest.raises(NotJson, match="not an object"):
            read_object(other)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read_json(orjson.dumps(value)) == value


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_what_is_read_can_be_written(content: bytes | str) -> None:
    try:
        value = read_json(content)
    except NotJson:
        return
    assert read_json(orjson.dumps(value)) == value


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b'"",', b'""'])
def test_a_large_text_of_many_values_takes_no_memory(piece: bytes) -> None:
    text = b"[" + piece * (32_000_000 // len(piece)) + b"0]"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotJson, match="more than 500000 values"):
        read_json(text)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert taken < 100 * 1024, "kB; the values would take a million"


@pytest.mark.parametrize("piece", [b"a, b: [c]\\n", b'\\"', b"{{{{[[[["])
def test_a_large_text_of_few_values_is_read(piece: bytes) -> None:
    text = piece * (8_000_000 // len(piece))
    read = read_json(b'{"a": "' + text + b'", "b": ["c"]}')
    assert (len(read["a"]) > 1_000_000, read["b"]) == (True, ["c"])

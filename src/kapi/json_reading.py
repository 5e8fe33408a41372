"""The reader of JSON from outside: bodies, JWT parts, documents, files (RFC 8259, RFC 7493).

It refuses what cannot be written back or means two things: a lone surrogate, a number that does not
fit, a member name that occurs twice (RFC 7493 §2), a text nested too deeply. How large a text may
be is the caller's to say: it knows before it reads.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, Final

import orjson

DEEPEST: Final = 64
"""How many objects and lists may contain each other."""
MOST_VALUES: Final = 500_000
"""Values of a large text, about. One takes up to 100 bytes of memory, and two characters: `0,`."""
_SMALL: Final = 1024 * 1024
"""Bytes of a text that are not counted first."""
_TOKEN: Final = re.compile(rb'[\[{,]|"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
"""What each value but the first has: a string of its own, or what comes before it."""
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1


class NotJson(ValueError):
    """The text is not valid here. The message contains nothing of the text and may be shown."""


def read_json(content: bytes | bytearray | str, deepest: int = DEEPEST) -> Any:
    """The value that a JSON text in UTF-8 contains. Raises NotJson."""
    _refuse_many(content)
    try:
        # Refuses other encodings, lone surrogates, NaN, Infinity, and floating-point numbers beyond
        # a double.
        orjson.loads(content)
        text = content
        if not isinstance(content, str):
            text = content.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from error
    except RecursionError as error:
        raise _too_deep(deepest) from error
    if _is_deeper(value, deepest):
        raise _too_deep(deepest)
    return value


def read_object(content: bytes | bytearray | str) -> dict[str, Any]:
    """The JSON object that a text contains. Raises NotJson, also for any other value."""
    value = read_json(content)
    if not isinstance(value, dict):
        raise NotJson("it is JSON, but not an object")
    return value


def is_texts(value: Any) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _refuse_many(content: bytes | bytearray | str) -> None:
    """Raise NotJson for a large text with more than MOST_VALUES values, before it takes memory."""
    if len(content) <= _SMALL:
        return
    octets = content
    if isinstance(octets, str):
        octets = octets.encode("utf-8", "surrogatepass")
    # Not all of them: the rest of a text with too many is not looked at.
    tokens = sum(1 for _ in islice(_TOKEN.finditer(octets), 2 * MOST_VALUES + 1))
    if tokens > 2 * MOST_VALUES:
        raise NotJson(f"it has more than {MOST_VALUES} values")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotJson("an object has two members of one name")
    return made


def _integer(digits: str) -> int:
    # A 64-bit number has at most 20 characters. To convert thousands of digits takes long.
    value = _MOST + 1
    if len(digits) <= 20:
        value = int(digits)
    if not _LEAST <= value <= _MOST:
        raise NotJson("a whole number does not fit into 64 bits")
    return value


def _is_deeper(value: Any, deepest: int) -> bool:
    """Whether collections contain each other more than `deepest` times. Without recursion."""
    level = []
    if isinstance(value, dict | list):
        level = [value]
    for _ in range(deepest):
        inner = []
        for collection in level:
            for item in _items(collection):
                if isinstance(item, dict | list):
                    inner.append(item)
        level = inner
        if not level:
            return False
    return True


def _items(collection: dict[str, Any] | list[Any]) -> list[Any]:
    if isinstance(collection, dict):
        return list(collection.values())
    return collection


def _too_deep(deepest: int) -> NotJson:
    return NotJson(f"it is nested deeper than {deepest} levels")

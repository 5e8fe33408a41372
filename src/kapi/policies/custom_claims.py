"""Custom claims of a backend JWT: a text and its type → the JSON value (apk-conf `customClaims`).

Pure.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

from kapi.apis.model.rules import Fault

TYPES: Final = ("string", "int", "long", "float", "bool", "date")
_BITS: Final = {"int": 31, "long": 63}
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def claim_value(text: str, kind: str) -> str | int | float | bool | Fault:
    """The claim's value, or why the text has none of that type.

    A date (ISO 8601) becomes a NumericDate (RFC 7519 §2).
    """
    if kind in _BITS:
        return _whole(text, kind)
    if kind == "float":
        return _float(text)
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            return Fault(f"{text[:60]} is not a bool", "Write true or false.")
        return text.lower() == "true"
    if kind == "date":
        return _numeric_date(text)
    return text


def _whole(text: str, kind: str) -> int | Fault:
    limit = 2 ** _BITS[kind]
    if not _WHOLE.fullmatch(text) or not -limit <= int(text) < limit:
        return Fault(f"{text[:60]} is no {kind}", "Write a whole number.")
    return int(text)


def _float(text: str) -> float | Fault:
    value = math.inf
    if _FLOAT.fullmatch(text):
        value = float(text)
    if math.isinf(value):
        return Fault(f"{text[:60]} is not a float", "Write a number such as 1.5.")
    return value


def _numeric_date(text: str) -> int | Fault:
    try:
        moment = datetime.fromisoformat(text)
        return int(
            (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        )
    except (ValueError, OverflowError):
        return Fault(f"{text[:60]} is not a date", "Write it as 2026-01-31T12:00:00Z.")

"""Custom claims of a backend JWT: a text and its type → the JSON value (apk-conf `customClaims`). Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from kapi.apis.conf.rules import Fault

_BITS: Final = {"int": 31, "long": 63}
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def claim_value(text: str, kind: str) -> str | int | float | bool | Fault:
    """The claim's value, or why the text has none of that type. A date (ISO 8601) becomes a NumericDate (RFC 7519 §2)."""
    if kind in _BITS:
        number = int(text) if _WHOLE.fullmatch(text) else None
        limit = 2 ** _BITS[kind]
        return (
            number
            if number is not None and -limit <= number < limit
            else Fault(f"{text[:60]} is no {kind}", "Write a whole number.")
        )
    if kind == "float":
        number_text = text if _FLOAT.fullmatch(text) else ""
        value = float(number_text) if number_text else float("inf")
        return (
            value
            if abs(value) != float("inf")
            else Fault(f"{text[:60]} is no float", "Write a number such as 1.5.")
        )
    if kind == "bool":
        return (
            text.lower() == "true"
            if text.lower() in ("true", "false")
            else Fault(f"{text[:60]} is no bool", "Write true or false.")
        )
    if kind == "date":
        return _numeric_date(text)
    return text


def _numeric_date(text: str) -> int | Fault:
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return Fault(f"{text[:60]} is no date", "Write it as 2026-01-31T12:00:00Z.")

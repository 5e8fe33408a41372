"""Patterns of guardrails: which regular expressions are accepted. Pure.

The module in Envoy matches with the Rust crate `regex`, in linear time: without look-around and
back-references, which would need backtracking. A pattern is only parsed here, never matched. It
must be valid in Python too, so that a mistake is found when the API is deployed.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

from kapi.apis.model.rules import Fault

LONGEST: Final = 2000
_LARGEST: Final = 20_000
"""Steps of a pattern with its counted repetitions written out; a class such as `\\w` has many."""
_CLASS_STEPS: Final = 100
_NOT_LINEAR: Final = re.compile(
    r"\(\?(=|!|<=|<!|>|\(|P=|P>|R|&|#|\||[0-9+-])|\\[1-9]|\\[kgGKXRCZNEQhHvVpP]|[*+?}]\+"
)
_NOT_COMMON: Final = re.compile(r"\{\s*,|&&|--|~~|\[\^?\]|\(\?[a-zA-Z]*[auLUxR]")
_HINT: Final = (
    "Write a pattern of the Rust crate regex: no look-around, no back-references."
)
_LONE_BRACE: Final = re.compile(r"\{(?!\d+(?:,\d*)?\})")
_TOKEN: Final = re.compile(
    r"(?P<group>\((\?(P?<\w+>|[ims-]*:|[ims-]+\)))?)|(?P<end>\))|(?P<repeat>\{(\d+)(,(\d*))?\})"
    r"|(?P<wide>\\[pP](\{[^}]*\}|\w)|\\[wWdDsSbB]|\[(\\.|[^\]\\])*\]|\.)"
    r"|(?P<one>\\x\{[0-9a-fA-F]+\}|\\.|[^\\])",
    re.DOTALL,
)


def pattern_fault(pattern: str) -> Fault | None:
    """What is wrong with a pattern; None if nothing is."""
    bare = re.sub(r"\\\\|\\x\{[^}]*\}", "p", pattern)
    found = _NOT_LINEAR.search(bare) or _NOT_COMMON.search(bare)
    if found:
        return Fault(
            f"the pattern has {found.group()!r}, which is not supported", _HINT
        )
    if re.search(r"\[(?:\\.|[^\]\\])*(?:\[|\\[bB])", bare):
        return Fault(
            "the pattern has `[` or `\\b` inside a class",
            r"Write \[ for the character itself.",
        )
    if _LONE_BRACE.search(re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "p", bare)):
        return Fault(
            "the pattern has `{` without numbers", r"Write \{ for the character itself."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(_python(pattern))
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return Fault(f"the pattern is not valid: {str(error)[:100]}", _HINT)
    if _steps(pattern) > _LARGEST:
        return Fault("the pattern repeats too much", "Use smaller numbers in {…}.")
    return None


def _python(pattern: str) -> str:
    """The same pattern in Python's words, as far as its structure goes."""
    text = re.sub(r"\\x\{[0-9a-fA-F]{1,6}\}", "x", pattern)
    return text.replace("(?<", "(?P<").replace(r"\z", r"\Z")


def _steps(pattern: str) -> int:
    """How large the pattern is with its counted repetitions written out."""
    totals, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        if token["group"]:
            if not token["group"].endswith(")"):
                totals.append(0)
            last = 0
            continue
        if token["end"]:
            last = 0
            if len(totals) > 1:
                last = totals.pop()
        elif token["repeat"]:
            times = max(map(int, re.findall(r"\d+", token["repeat"])))
            totals[-1] += last * (max(times, 1) - 1)
            last *= max(times, 1)
            continue
        else:
            last = 1
            if token["wide"]:
                last = _CLASS_STEPS
        totals[-1] += last
    return sum(totals)

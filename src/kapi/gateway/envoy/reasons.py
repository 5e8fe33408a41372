"""The reason of a rejection in what Envoy prints or sends. Pure."""

from __future__ import annotations

import re

_PREFIXES = re.compile(r"^(?:\[[^\]]*\]\s*)+")
_INTRODUCTION = re.compile(r"^error initializing configuration '[^']*': *")
_DUMP = re.compile(r": \{\"static_resources\".*$", re.DOTALL)
_PRINTED = "goo.gle/debug"
"""Begins a message that Envoy prints whole. It may contain secrets."""
_LONGEST = 600


def sentence(output: str) -> str:
    """Envoy's reason without time stamps, file names and the configuration."""
    lines = [_PREFIXES.sub("", line) for line in output.splitlines()]
    # A message that fails its constraints is printed whole, over many lines, before the reason.
    text = next(
        (line.removeprefix(": ") for line in lines if line.startswith(": ")),
        next((line for line in lines if line.strip()), ""),
    )
    text = _INTRODUCTION.sub("", text).strip()
    text = _DUMP.sub("", text)
    if text.startswith(_PRINTED):
        return "a field of the message fails its constraints."
    return text[:_LONGEST] or "Envoy gave no reason."

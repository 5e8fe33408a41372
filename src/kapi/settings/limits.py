"""The section `limits`: limits that several nodes count together in Redis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.checks import Mistake, check_text
from kapi.settings.store import without_password

AWAY = ("share", "allow", "refuse")
MOST_AHEAD = 0.5
LONGEST_TIMEOUT = 5.0
_USER = r"[^\s/?#@\[\]]*@"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::\d{1,5})?"
_URL = re.compile(rf"(?:rediss?://(?:{_USER})?{_HOST}(?:/\d*)?(?:\?[^\s#@]*)?)?")
"""A password with other characters would be read as another part of the URL, and shown."""


def _check_ahead(value: float) -> Iterator[Mistake]:
    if not 0 <= value <= MOST_AHEAD:
        yield Mistake(
            f"must be from 0 to {MOST_AHEAD}", "0 counts each call before it passes."
        )


def _check_timeout(value: float) -> Iterator[Mistake]:
    if not 0 < value <= LONGEST_TIMEOUT:
        yield Mistake(f"must be more than 0 and at most {LONGEST_TIMEOUT:g} seconds")


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """Where limits of calls are counted."""

    redis: str = field(
        default="",
        repr=False,
        metadata={
            "check": check_text(
                _URL.fullmatch,
                "must be a redis:// or rediss:// URL, or empty: each node counts alone",
                "Write redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// for TLS."
                " In a password, percent-encode / ? # @ [ ].",
            ),
            "shown": without_password,
        },
    )
    """`redis://HOST:PORT/NUMBER`; empty means that each node counts alone."""
    away: str = field(default="share", metadata={"choices": AWAY})
    """While Redis does not answer: each node counts its share, all calls pass, or none does."""
    ahead: float = field(default=0.1, metadata={"check": _check_ahead})
    """The share of the rest of a limit that the nodes may take ahead together."""
    timeout: float = field(default=0.25, metadata={"check": _check_timeout})
    """Seconds for an answer of Redis; then it is away."""

"""The part `gateway.ai_providers`: AI providers that are not built in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.checks import Mistake

_PLACE = re.compile(
    r"\$?\.?[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,15}"
    r"|header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"
)
_MOST_PLACES = 10
"""For each number; the module that reads the answers looks at 32 in all."""


def _check_places(places: tuple[str, ...]) -> Iterator[Mistake]:
    if len(places) > _MOST_PLACES:
        yield Mistake(f"names more than {_MOST_PLACES} places")
    for place in places:
        if not _PLACE.fullmatch(place):
            hint = "Write it as usage.total_tokens, or header:x-total-tokens."
            yield Mistake(f"{place!r} is not a place in an answer", hint)


@dataclass(frozen=True, slots=True)
class AiProviderSettings:
    """Where the answers of a provider say how many tokens a call took."""

    name: str = field(metadata={"needed": True})
    api_version: str = field(metadata={"needed": True})
    prompt_tokens: tuple[str, ...] = field(
        default=("usage.prompt_tokens",), metadata={"check": _check_places}
    )
    """Places in a JSON body, names between dots, or `header:NAME`; the greatest number counts."""
    completion_tokens: tuple[str, ...] = field(
        default=("usage.completion_tokens",), metadata={"check": _check_places}
    )
    total_tokens: tuple[str, ...] = field(
        default=("usage.total_tokens",), metadata={"check": _check_places}
    )
    """Without such a number, prompt and completion are added up."""


def repeated_providers(providers: Sequence[AiProviderSettings]) -> Iterator[Mistake]:
    """A mistake for each provider that is declared again."""
    seen: set[tuple[str, str]] = set()
    for number, item in enumerate(providers):
        own = (item.name, item.api_version)
        if own in seen:
            what = f"{item.name} {item.api_version} occurs twice"
            yield Mistake(what, "Keep one.", f"[{number}]")
        seen.add(own)

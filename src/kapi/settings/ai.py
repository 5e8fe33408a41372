"""Settings of AI providers that are not built in. Part of `settings.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Mistake = tuple[str, str, str]
"""Dotted name, what is wrong, hint."""

_PLACE = re.compile(
    r"\$?\.?[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,15}|header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"
)
_MOST_PLACES = 10
"""For each number; the module that reads the answers looks at 32 in all."""


@dataclass(frozen=True, slots=True)
class AiProviderSettings:
    """Where the answers of a provider say how many tokens a call took."""

    name: str = field(metadata={"needed": True})
    api_version: str = field(metadata={"needed": True})
    prompt_tokens: tuple[str, ...] = ("usage.prompt_tokens",)
    """Places in a JSON body, parts between dots, or `header:NAME`; the greatest number that stands at one of them counts."""
    completion_tokens: tuple[str, ...] = ("usage.completion_tokens",)
    total_tokens: tuple[str, ...] = ("usage.total_tokens",)
    """Where there is none, prompt and completion are added up."""


def ai_provider_mistakes(providers: Sequence[AiProviderSettings]) -> Iterator[Mistake]:
    """Providers that stand twice, and places that are none."""
    seen: set[tuple[str, str]] = set()
    for number, item in enumerate(providers):
        where = f"gateway.ai_providers[{number}]"
        if (same := (item.name, item.api_version)) in seen:
            yield where, f"{item.name} {item.api_version} stands twice", "Keep one."
        seen.add(same)
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            places: tuple[str, ...] = getattr(item, name)
            if len(places) > _MOST_PLACES:
                yield f"{where}.{name}", f"names more than {_MOST_PLACES} places", ""
            for place in places:
                if not _PLACE.fullmatch(place):
                    hint = "Write it as usage.total_tokens, or header:x-total-tokens."
                    yield f"{where}.{name}", f"{place!r} is no place in an answer", hint

"""AI providers whose answers are read: where in an answer the numbers of tokens are.

Pure; called by the reader of confs and `compile.py`. One provider is one file, and its name in
PROVIDERS. The settings add others, or say otherwise about these (`gateway.ai_providers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from kapi.apis.ai_providers import (
    anthropic,
    aws_bedrock,
    azure,
    gemini,
    mistral,
    ollama,
    openai,
)
from kapi.apis.ir import AiProvider

if TYPE_CHECKING:
    from kapi.settings import AiProviderSettings

Providers = Mapping[tuple[str, str], AiProvider]
"""By name and version of the provider's API, as a conf writes them."""


class Provider(Protocol):
    """What each module of this package has."""

    @property
    def VERSIONS(self) -> tuple[AiProvider, ...]:  # noqa: N802  a module constant
        """The provider in each version of its API, and under each of its names."""


PROVIDERS: Final[tuple[Provider, ...]] = (
    anthropic,
    aws_bedrock,
    azure,
    gemini,
    mistral,
    ollama,
    openai,
)
BUILT_IN: Final[Providers] = {
    (item.name, item.api_version): item
    for provider in PROVIDERS
    for item in provider.VERSIONS
}


def with_own(own: Iterable[AiProviderSettings]) -> Providers:
    """The built-in providers and those of the settings."""
    return {
        **BUILT_IN,
        **{(item.name, item.api_version): _provider(item) for item in own},
    }


def provider_of(providers: Providers, name: str, version: str) -> AiProvider:
    """The provider of this name and version; for an unknown version, the provider's last known one.

    A provider's versions differ in their date far more often than in where their answers say the
    numbers. Raises KeyError for an unknown name.
    """
    if (name, version) in providers:
        return providers[name, version]
    known = []
    for own, other in providers:
        if own == name:
            known.append(other)
    if not known:
        raise KeyError(name)
    return providers[name, max(known)]


def _provider(item: AiProviderSettings) -> AiProvider:
    prompt, completion, total = (
        tuple(map(_place, places))
        for places in (item.prompt_tokens, item.completion_tokens, item.total_tokens)
    )
    return AiProvider(item.name, item.api_version, prompt, completion, total)


def _place(text: str) -> str:
    """APK's resources write `$.usage.total_tokens`, and some without the dot."""
    if text.startswith("header:"):
        return text.lower()
    return text.removeprefix("$").removeprefix(".")

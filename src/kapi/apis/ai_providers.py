"""AI providers whose answers are read: where in an answer the numbers of tokens stand. Pure; called by `ai_rules.py` and `compile.py`.

One provider and version = one row. The settings add others, or say otherwise about these (`gateway.ai_providers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from kapi.apis.ir import AiProvider

if TYPE_CHECKING:
    from kapi.settings import AiProviderSettings

Providers = Mapping[tuple[str, str], AiProvider]
"""By name and version of the provider's API, as a conf writes them."""

_CHAT: Final = (
    ("usage.prompt_tokens", "usage.input_tokens", "response.usage.input_tokens"),
    ("usage.completion_tokens", "usage.output_tokens", "response.usage.output_tokens"),
    ("usage.total_tokens", "response.usage.total_tokens"),
)
"""Chat completions, completions and embeddings; then responses, which say it in other words, and in streams one level deeper."""
_BEDROCK: Final = (("usage.inputTokens",), ("usage.outputTokens",), ("usage.totalTokens",))
_ANTHROPIC: Final = (
    ("usage.input_tokens", "message.usage.input_tokens"),
    ("usage.output_tokens", "message.usage.output_tokens"),
    (),
)
"""Messages; a stream says the prompt in its first event and the completion in its last ones."""
_AZURE_VERSIONS: Final = ("2023-05-15", "2024-02-01", "2024-06-01", "2024-10-21", "v1")

BUILT_IN: Final[Providers] = {
    (item.name, item.api_version): item
    for item in (
        AiProvider("AnthropicClaudeAI", "v1", *_ANTHROPIC),
        AiProvider("AWSBedrock", "v1", *_BEDROCK),
        AiProvider("AWSBedrockAI", "v1", *_BEDROCK),
        *(AiProvider("AzureAI", version, *_CHAT) for version in _AZURE_VERSIONS),
        AiProvider("MistralAI", "v1", *_CHAT),
        AiProvider("OpenAI", "v1", *_CHAT),
    )
}
"""Those that APK brings along."""


def with_own(own: Iterable[AiProviderSettings]) -> Providers:
    """The built-in providers and those of the settings."""
    return {**BUILT_IN, **{(item.name, item.api_version): _provider(item) for item in own}}


def provider_of(providers: Providers, name: str, version: str) -> AiProvider:
    """The provider of this name and version; for an unknown version, the provider's last known one.

    A provider's versions differ in their date far more often than in where their answers say the
    numbers. Raises KeyError for an unknown name.
    """
    if (name, version) in providers:
        return providers[name, version]
    known = [other for own, other in providers if own == name]
    if not known:
        raise KeyError(name)
    return providers[name, max(known)]


def _provider(item: AiProviderSettings) -> AiProvider:
    numbers = (item.prompt_tokens, item.completion_tokens, item.total_tokens)
    return AiProvider(
        item.name, item.api_version, *(tuple(map(_place, places)) for places in numbers)
    )


def _place(text: str) -> str:
    """APK's resources write `$.usage.total_tokens`, and some without the dot."""
    return text.lower() if text.startswith("header:") else text.removeprefix("$").removeprefix(".")

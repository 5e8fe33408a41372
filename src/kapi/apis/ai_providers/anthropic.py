"""Anthropic: messages; a stream says the prompt in its first event and the completion in its last ones."""

from __future__ import annotations

from typing import Final

from kapi.apis.ir import AiProvider

VERSIONS: Final = (
    AiProvider(
        "AnthropicClaudeAI",
        "v1",
        prompt_tokens=("usage.input_tokens", "message.usage.input_tokens"),
        completion_tokens=("usage.output_tokens", "message.usage.output_tokens"),
    ),
)

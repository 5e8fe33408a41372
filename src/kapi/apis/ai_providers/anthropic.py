"""Anthropic: messages. In a stream the first event has the prompt, the last ones the completion."""

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

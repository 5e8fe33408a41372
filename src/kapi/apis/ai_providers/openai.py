"""OpenAI: chat completions, completions, embeddings; responses, one level deeper in streams."""

from __future__ import annotations

from typing import Final

from kapi.apis.ir import AiProvider

PROMPT: Final = (
    "usage.prompt_tokens",
    "usage.input_tokens",
    "response.usage.input_tokens",
)
COMPLETION: Final = (
    "usage.completion_tokens",
    "usage.output_tokens",
    "response.usage.output_tokens",
)
TOTAL: Final = ("usage.total_tokens", "response.usage.total_tokens")

VERSIONS: Final = (AiProvider("OpenAI", "v1", PROMPT, COMPLETION, TOTAL),)

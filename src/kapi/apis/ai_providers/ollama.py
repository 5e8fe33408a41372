"""Ollama and servers with its API: chat, generate and embed (NDJSON in streams).

The endpoints under `/v1` answer as OpenAI.
"""

from __future__ import annotations

from typing import Final

from kapi.apis.ai_providers import openai
from kapi.apis.ir import AiProvider

VERSIONS: Final = (
    AiProvider(
        "Ollama",
        "v1",
        prompt_tokens=("prompt_eval_count", *openai.PROMPT),
        completion_tokens=("eval_count", *openai.COMPLETION),
        total_tokens=openai.TOTAL,
    ),
)

"""Google Gemini: generateContent, its stream and embedContent.

A stream is events (`alt=sse`) or the items of one array. Tokens of thoughts are apart from those
of the answer and belong to the total only. The endpoints under `/v1beta/openai` answer as OpenAI.
"""

from __future__ import annotations

from typing import Final

from kapi.apis.ai_providers import openai
from kapi.apis.ir import AiProvider

VERSIONS: Final = tuple(
    AiProvider(
        name,
        version,
        prompt_tokens=("usageMetadata.promptTokenCount", *openai.PROMPT),
        completion_tokens=("usageMetadata.candidatesTokenCount", *openai.COMPLETION),
        total_tokens=("usageMetadata.totalTokenCount", *openai.TOTAL),
        model_in_path=("/models/", ":/"),
    )
    for name in ("Gemini", "GoogleGemini")
    for version in ("v1", "v1beta")
)

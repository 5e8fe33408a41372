"""AWS Bedrock: converse and its stream. APK knows it under two names."""

from __future__ import annotations

from typing import Final

from kapi.apis.ir import AiProvider

VERSIONS: Final = tuple(
    AiProvider(
        name,
        "v1",
        prompt_tokens=("usage.inputTokens",),
        completion_tokens=("usage.outputTokens",),
        total_tokens=("usage.totalTokens",),
        model_in_path=("/model/", "/"),
    )
    for name in ("AWSBedrock", "AWSBedrockAI")
)

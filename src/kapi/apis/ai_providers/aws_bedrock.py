"""AWS Bedrock: converse, invoke and their streams. APK knows it under two names.

The answer of `invoke` is the model's own, so its tokens are in headers; in the last message of its
stream they are metrics, whichever model it is.
"""

from __future__ import annotations

from typing import Final

from kapi.apis.ir import AiProvider

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_HEADER: Final = "header:x-amzn-bedrock"

VERSIONS: Final = tuple(
    AiProvider(
        name,
        "v1",
        prompt_tokens=(
            "usage.inputTokens",
            f"{_METRICS}.inputTokenCount",
            f"{_HEADER}-input-token-count",
        ),
        completion_tokens=(
            "usage.outputTokens",
            f"{_METRICS}.outputTokenCount",
            f"{_HEADER}-output-token-count",
        ),
        total_tokens=("usage.totalTokens",),
        model_in_path=("/model/", "/"),
    )
    for name in ("AWSBedrock", "AWSBedrockAI")
)

"""Azure AI: answers as those of OpenAI."""

from __future__ import annotations

from typing import Final

from kapi.apis.ai_providers.openai import COMPLETION, PROMPT, TOTAL
from kapi.apis.ir import AiProvider

VERSIONS: Final = tuple(
    AiProvider("AzureAI", version, PROMPT, COMPLETION, TOTAL, ("/deployments/", "/"))
    for version in ("2023-05-15", "2024-02-01", "2024-06-01", "2024-10-21", "v1")
)

"""Mistral AI: answers as those of OpenAI."""

from __future__ import annotations

from typing import Final

from kapi.apis.ai_providers.openai import COMPLETION, PROMPT, TOTAL
from kapi.apis.ir import AiProvider

VERSIONS: Final = (AiProvider("MistralAI", "v1", PROMPT, COMPLETION, TOTAL),)

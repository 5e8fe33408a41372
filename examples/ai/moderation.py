"""A moderation service: refuses prompts by category, before the model is asked.

An example: its judge is a list of words. A real one asks a model for moderation in `categories`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from service import NO_CHANGE, Answer, answered, chat, serve, server, texts

CATEGORIES: Final = {
    "violence": re.compile(r"\b(build|make) a bomb\b", re.IGNORECASE),
    "self-harm": re.compile(r"\bhurt myself\b", re.IGNORECASE),
}


def categories(text: str) -> list[str]:
    """The categories that a text falls into."""
    found = []
    for name, words in CATEGORIES.items():
        if words.search(text):
            found.append(name)
    return found


def on_request(asked: dict[str, Any]) -> Answer:
    """Refuse a prompt of one of the categories, and say which."""
    flagged = categories("\n".join(texts(chat(asked))))
    if not flagged:
        return NO_CHANGE
    error = {
        "type": "moderation",
        "message": "The prompt was refused.",
        "categories": flagged,
    }
    return answered(422, json.dumps({"error": error}).encode())


if __name__ == "__main__":
    serve(server(9081, on_request), "moderation")

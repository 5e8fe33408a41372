"""A semantic cache: a prompt that is near an earlier one gets the earlier answer.

An example: the embedding is a hash of words and of parts of words, without a model, so it notices
the same question in other words only where the words are alike. Replace `embedding` by the call of
a real one. Answers are shared by all callers of an API: use it only where answers do not depend on
who asks.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from service import NO_CHANGE, Answer, answered, chat, serve, server

SIZE: Final = 512
NEAR: Final = 0.8
"""The least likeness (cosine) of two prompts that are taken for one."""
MOST: Final = 1000
SECONDS: Final = 3600
Vector = dict[int, float]


def embedding(text: str) -> Vector:
    """A sparse vector of length 1: words, and three letters each of them."""
    found: Vector = {}
    for word in re.findall(r"\w+", text.lower()):
        padded = f"^{word}$"
        parts = [padded, *(padded[at : at + 3] for at in range(len(padded) - 2))]
        for part in parts:
            place = zlib.crc32(part.encode()) % SIZE
            found[place] = found.get(place, 0.0) + 1.0
    length = math.sqrt(sum(value * value for value in found.values())) or 1.0
    return {place: value / length for place, value in found.items()}


def likeness(one: Vector, other: Vector) -> float:
    """The cosine of two embeddings."""
    return sum(value * other.get(place, 0.0) for place, value in one.items())


@dataclass(slots=True)
class Entry:
    """One prompt and its answer. `rest` is all else that the answer depends on."""

    rest: str
    vector: Vector
    until: float
    answer: bytes = b""


@dataclass(slots=True)
class Cache:
    """Answers by prompt, at most MOST; the oldest goes first."""

    entries: OrderedDict[str, Entry] = field(default_factory=OrderedDict)
    waiting: OrderedDict[str, Entry] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def on_request(self, asked: dict[str, Any]) -> Answer:
        """The answer to a near prompt; otherwise the answer of the model will be kept."""
        body = chat(asked)
        prompt = last_text(body)
        if not prompt or body.get("stream"):
            return NO_CHANGE
        entry = Entry(rest(asked, body), embedding(prompt), time.time() + SECONDS)
        with self.lock:
            near = self.near(entry)
            if near is not None:
                return answered(200, near.answer, **{"x-semantic-cache": "hit"})
            key = asked["invocationContext"]["requestId"]
            keep(self.waiting, key, entry)
        return {"interceptorContext": {"key": key}}

    def on_response(self, answer: dict[str, Any]) -> Answer:
        """Keep an answer that succeeded."""
        key = answer.get("interceptorContext", {}).get("key", "")
        with self.lock:
            entry = self.waiting.pop(key, None)
            if entry is not None and answer.get("responseCode") == 200:
                entry.answer = base64.b64decode(answer.get("responseBody", ""))
                keep(self.entries, key, entry)
        return NO_CHANGE

    def near(self, entry: Entry) -> Entry | None:
        """The nearest entry, if it is near enough."""
        now, best, most = time.time(), None, NEAR
        for known in self.entries.values():
            if known.rest == entry.rest and known.until > now:
                like = likeness(known.vector, entry.vector)
                if like >= most:
                    best, most = known, like
        return best


def keep(entries: OrderedDict[str, Entry], key: str, entry: Entry) -> None:
    """Add an entry, and drop the oldest over the limit."""
    entries[key] = entry
    while len(entries) > MOST:
        entries.popitem(last=False)


def last_text(body: dict[str, Any]) -> str:
    """The last message, if it is text only: a picture has no embedding here."""
    messages = body.get("messages") or [None]
    content = messages[-1].get("content") if isinstance(messages[-1], dict) else None
    return content if isinstance(content, str) else ""


def rest(asked: dict[str, Any], body: dict[str, Any]) -> str:
    """API with its organization's host, path, and the request without the last text."""
    context = asked.get("invocationContext", {})
    names = ("vhost", "apiName", "apiVersion", "path", "environment")
    where = [context.get(name) for name in names]
    *earlier, last = body["messages"]
    messages = [*earlier, {**last, "content": ""}]
    return json.dumps([where, {**body, "messages": messages}], sort_keys=True)


if __name__ == "__main__":
    cache = Cache()
    serve(server(9082, cache.on_request, cache.on_response), "semantic cache")

"""Where untrusted documents are read: small ones in this process, large ones in a pool.

What anybody may ask for (generate) and what needs a token (deploy) have pools of their own, so that
strangers keep no deployer waiting.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kapi.apis.collections.drafts import Drafts, drafts
from kapi.apis.compile import Compiled
from kapi.apis.generate import with_comments
from kapi.apis.model.choices import Choices, Wanted
from kapi.policies.compiling import compiled
from kapi.pool import Pool
from kapi.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 48 * 1024
"""Bytes of the documents that are read in this process: at most a fifth of a second."""
_INLINES = re.compile(rb"(?<!/)\bmcp\b")
"""A conf that asks for tools: their schemas have what references lead to, many times over.

Not the name of a host or a path, which begins behind a slash.
"""
_NICENESS = 10
"""Strangers' documents are read when nothing else is to be done."""


def generating(settings: Settings) -> Callable[[bytes, str, str, Choices], str]:
    """Run `kapi.apis.generate.with_comments` in a process of the pool."""
    pool = _pool(settings, _NICENESS)

    def generated(
        content: bytes, api_type: str, file_name: str, choices: Choices
    ) -> str:
        arguments = (content, api_type, file_name, choices)
        if len(content) <= SMALL:
            return with_comments(*arguments)
        made: str = pool.run("kapi.apis.generate:with_comments", *arguments)
        return made

    return generated


def drafting(settings: Settings) -> Callable[[str, bytes, str], Drafts]:
    """Run `kapi.apis.collections.drafts.drafts` in a process of the pool."""
    pool = _pool(settings, _NICENESS)

    def drafted(conf: str, definition: bytes, chosen: str) -> Drafts:
        if len(conf) + len(definition) <= SMALL:
            return drafts(conf, definition, chosen)
        made: Drafts = pool.run(
            "kapi.apis.collections.drafts:drafts", conf, definition, chosen
        )
        return made

    return drafted


def compiling(
    settings: Settings, *, for_anybody: bool = False
) -> Callable[..., Compiled]:
    """`compile_api` or `compile_definition` of `kapi.apis.compile` with every policy.

    For a conf that is deployed now, or one of any caller, which is compiled when there is time.
    """
    pool, own = (
        _pool(settings, _NICENESS if for_anybody else 0),
        settings.gateway.ai_providers,
    )

    def made(
        conf: bytes | Wanted,
        definition: bytes,
        *,
        organization: str,
        policies: Sequence[Any],  # noqa: ARG001 - as compile_api
    ) -> Compiled:
        arguments = (conf, definition, organization, own)
        if _is_small(conf, definition):
            return compiled(*arguments)
        found: Compiled = pool.run("kapi.policies.compiling:compiled", *arguments)
        return found

    return made


def _is_small(conf: bytes | Wanted, definition: bytes) -> bool:
    """A conf that is generated is as large as its definition, about."""
    if isinstance(conf, Wanted):
        return 2 * len(definition) <= SMALL and not _INLINES.search(definition)
    return len(conf) + len(definition) <= SMALL and not _INLINES.search(conf)


def places(settings: Settings) -> int:
    """How many documents of one kind are read at the same time."""
    return settings.apis.workers or max(2, (os.cpu_count() or 1) // 2)


def _pool(settings: Settings, niceness: int) -> Pool:
    return Pool(
        places(settings),
        settings.apis.work_seconds,
        settings.apis.work_bytes,
        niceness=niceness,
    )

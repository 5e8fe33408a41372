"""Compile with every policy: what a process of the pool does for a deployment.

Called by name; see `app/work.py`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from kapi.apis.ai_providers import with_own
from kapi.apis.compile import Compiled, compile_api
from kapi.policies import POLICIES
from kapi.settings import AiProviderSettings


def compiled(
    conf: bytes, definition: bytes, organization: str, own: Sequence[AiProviderSettings]
) -> Compiled:
    """The API of a conf and its definition; `own` are the AI providers of the settings.

    Raises Invalid with all mistakes.
    """
    return compile_api(
        conf,
        definition,
        organization=organization,
        policies=POLICIES,
        ai_providers=with_own(own),
    )

"""Compile with every policy: what a process of the pool does for a deployment.

Called by name; see `app/work.py`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from kapi.apis.ai_providers import with_own
from kapi.apis.compile import Compiled, compile_api, compile_definition
from kapi.apis.model.choices import Wanted
from kapi.policies import POLICIES
from kapi.settings import AiProviderSettings


def compiled(
    conf: bytes | Wanted,
    definition: bytes,
    organization: str,
    own: Sequence[AiProviderSettings],
) -> Compiled:
    """The API of a conf and its definition; `own` are the AI providers of the settings.

    Raises Invalid with all mistakes.
    """
    if isinstance(conf, Wanted):
        return compile_definition(
            definition,
            conf,
            organization=organization,
            policies=POLICIES,
            ai_providers=with_own(own),
        )
    return compile_api(
        conf,
        definition,
        organization=organization,
        policies=POLICIES,
        ai_providers=with_own(own),
    )

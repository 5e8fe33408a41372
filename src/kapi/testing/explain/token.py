"""Explains a token of an issuer: what it is, and each check of a verifier.

The checks are those of `kapi issuer test` (`identity/issuers/trials/token.py`), with the issuer's
own keys.
"""

from __future__ import annotations

from typing import Any

from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.trials.token import Step, token_steps
from kapi.identity.issuers.verify import IssuerKeys
from kapi.testing.explain.contents import contents_of


def explain_token(
    inbuilt: IssuerKeys, token: str, now: int, trusted: Issuer | None = None
) -> dict[str, Any]:
    """What it is, the checks, and whether this issuer's tokens are accepted so.

    `inbuilt` has the issuer's keys. `trusted` is the issuer as a verifier declares it, if it is not
    the inbuilt one.
    """
    steps = token_steps(token, trusted or inbuilt.issuer, inbuilt.keys, now)
    return {
        **contents_of(token),
        "accepted": all(step.result != "fail" for step in steps),
        "checks": list(map(_value, steps)),
    }


def _value(step: Step) -> dict[str, str]:
    made = {"check": step.step, "result": step.result, "detail": step.detail}
    if step.hint:
        made["hint"] = step.hint
    return made

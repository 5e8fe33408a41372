"""Where a claim may stand, by the name it is given in settings: the same for every verifier. Pure.

A name may have dots in it (`tenant.id`), or lead into objects (`realm_access.roles`): nobody can tell by the name alone, so first the
claim of that very name counts, then the path. A name that is a URI, such as Auth0's namespaced `https://acme.example/roles`, has dots
that lead nowhere (RFC 7519 §4.2).
"""

from __future__ import annotations


def paths(name: str) -> tuple[tuple[str, ...], ...]:
    """One or two paths, the first of which wins."""
    parts = tuple(name.split("."))
    if len(parts) == 1 or ":" in name or "/" in name or not all(parts):
        return ((name,),)
    return ((name,), parts)

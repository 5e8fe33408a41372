"""A seed as a file: YAML documents, one for each thing, so that a change is a few lines.

    kind: Client
    id: shop
    secret: s
    ---
    kind: Provider
    token_lifetime: 300

`Client`, `User`, `Resource` and `AssertionIssuer` are the entries of those lists of the section
`identity` of kapi.toml, with the same members; `Provider` has the other members.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

KINDS = {
    "Client": "clients",
    "User": "users",
    "Resource": "resources",
    "AssertionIssuer": "assertion_issuers",
}
PROVIDER = "Provider"
_LARGEST = 1024 * 1024


def seed_of_yaml(text: str) -> dict[str, Any]:
    """The seed of a file. Raises ValueError with every mistake of its form."""
    if len(text) > _LARGEST:
        raise ValueError(f"a seed has at most {_LARGEST} characters")
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ValueError(f"the seed is not YAML: {error}") from error
    seed: dict[str, Any] = {}
    mistakes: list[str] = []
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        mistake = _add(seed, document)
        if mistake:
            mistakes.append(f"document {number}: {mistake}")
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return seed


def _add(seed: dict[str, Any], document: Any) -> str:
    """Add a document to the seed; the mistake, if there is one."""
    known = ", ".join((*KINDS, PROVIDER))
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        return f"kind is missing; known: {known}"
    members = {name: value for name, value in document.items() if name != "kind"}
    kind = document["kind"]
    if kind == PROVIDER:
        if twice := sorted(members.keys() & seed.keys()):
            return f"{', '.join(twice)} is there already"
        seed |= members
        return ""
    if kind not in KINDS:
        return f"{kind[:80]!r} is not a kind; known: {known}"
    seed.setdefault(KINDS[kind], []).append(members)
    return ""


def yaml_of_seed(seed: Mapping[str, Any]) -> str:
    """The seed as such a file."""
    lists = {member: kind for kind, member in KINDS.items()}
    rest = {name: value for name, value in seed.items() if name not in lists}
    documents = [{"kind": PROVIDER, **rest}] if rest else []
    for member, kind in lists.items():
        documents += [{"kind": kind, **item} for item in seed.get(member, ())]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)


def read_seed(seed: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """A seed from members, from the text of a file, or from a file. Raises ValueError, OSError."""
    if isinstance(seed, Path):
        return seed_of_yaml(seed.read_text("utf-8"))
    if isinstance(seed, str):
        return seed_of_yaml(seed)
    return dict(seed)

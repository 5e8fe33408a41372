"""A seed as a file: YAML documents, one for each thing, so that a change is a few lines.

    kind: Client
    id: shop
    secret: s
    ---
    kind: Provider
    token_lifetime: 300

`Client`, `User`, `Resource` and `AssertionIssuer` are the entries of those lists of the section
`identity` of kapi.toml, with the same members; `Provider` has the other members. `kapi apply` reads
the same files. Documents about the gateway are left out here: a test issuer has none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kapi.settings.written.references import value_of

KINDS = {
    "Client": "clients",
    "User": "users",
    "Resource": "resources",
    "AssertionIssuer": "assertion_issuers",
}
PROVIDER = "Provider"
OF_THE_GATEWAY = ("API", "Secret", "Issuer", "Application", "Subscription", "Sealed")
_SECRETS = ("secret", "password")
"""Members that may be references."""
_LARGEST = 1024 * 1024


def seed_of_yaml(text: str, folder: Path = Path()) -> dict[str, Any]:
    """The seed of a file. Raises ValueError with every mistake of its form.

    Names of files in references are relative to the folder.
    """
    if len(text) > _LARGEST:
        raise ValueError(f"a seed has at most {_LARGEST} characters")
    # Seeds of tests are nearly always values of Python.
    import yaml

    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ValueError(f"the seed is not YAML: {error}") from error
    seed: dict[str, Any] = {}
    mistakes: list[str] = []
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        mistake = _add(seed, document, folder)
        if mistake:
            mistakes.append(f"document {number}: {mistake}")
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return seed


def _add(seed: dict[str, Any], document: Any, folder: Path) -> str:
    """Add a document to the seed; the mistake, if there is one."""
    known = ", ".join((*KINDS, PROVIDER, *OF_THE_GATEWAY))
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        return f"kind is missing; known: {known}"
    members = {name: value for name, value in document.items() if name != "kind"}
    kind = document["kind"]
    if kind == PROVIDER:
        if twice := sorted(members.keys() & seed.keys()):
            return f"{', '.join(twice)} is there already"
        seed |= members
        return ""
    if kind in OF_THE_GATEWAY:
        return ""
    if kind not in KINDS:
        return f"{kind[:80]!r} is not a kind; known: {known}"
    members.pop("owner", None)
    for name in _SECRETS:
        if not isinstance(members.get(name), Mapping):
            continue
        value = value_of(members[name], folder, os.environ)
        if value.mistake:
            return f"{name}: {value.mistake}"
        members[name] = value.text
    seed.setdefault(KINDS[kind], []).append(members)
    return ""


def yaml_of_seed(seed: Mapping[str, Any]) -> str:
    """The seed as such a file."""
    import yaml

    lists = {member: kind for kind, member in KINDS.items()}
    rest = {name: value for name, value in seed.items() if name not in lists}
    documents = [{"kind": PROVIDER, **rest}] if rest else []
    for member, kind in lists.items():
        documents += [{"kind": kind, **item} for item in seed.get(member, ())]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)


def read_seed(seed: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """A seed from members, from the text of a file, or from a file. Raises ValueError, OSError."""
    if isinstance(seed, Path):
        return seed_of_yaml(seed.read_text("utf-8"), seed.parent)
    if isinstance(seed, str):
        return seed_of_yaml(seed)
    return dict(seed)

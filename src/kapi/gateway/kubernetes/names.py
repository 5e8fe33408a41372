"""Names and labels of the objects (RFC 1123, at most 63 characters). Pure.

A name is readable and ends with a digest of its content, so that different contents have different
names and the same content always has the same name.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from kapi.apis.ir import Api

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OWNER: Final = "kapi"
API_LABEL: Final = "kapi/api"
ORGANIZATION_LABEL: Final = "kapi/organization"
_NOT_IN_LABEL: Final = re.compile(r"[^a-z0-9]+")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LONGEST_SLUG: Final = 50

Manifest = dict[str, Any]


def object_name(readable: str, unique: Any) -> str:
    """A name: what is readable of it, and a digest."""
    slug = _NOT_IN_LABEL.sub("-", readable.lower())[:_LONGEST_SLUG].strip("-")
    return f"{slug or 'x'}-{digest(unique)}"


def digest(value: Any) -> str:
    """Eight characters that depend on a value of JSON's types."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def api_label(api_id: str) -> str:
    """The id of an API as the value of a label; a digest where it cannot be one."""
    if _LABEL_VALUE.fullmatch(api_id):
        return api_id
    return hashlib.sha256(api_id.encode()).hexdigest()[:40]


def labels_of(api: Api) -> dict[str, str]:
    """The labels by which the objects of an API are found."""
    return {
        MANAGED_BY: OWNER,
        API_LABEL: api_label(api.id),
        ORGANIZATION_LABEL: api_label(api.organization),
    }

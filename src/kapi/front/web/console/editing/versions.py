"""The version of what a form showed: another person may change the object in the meantime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kapi.front.web.console.editing.fields import Field, text_of


def version_of(fields: Sequence[Field], row: Mapping[str, Any]) -> str:
    """A digest of the texts of the fields. It is in the form, and tells nothing of them."""
    texts = json.dumps([text_of(field, row) for field in fields])
    return hashlib.sha256(texts.encode()).hexdigest()

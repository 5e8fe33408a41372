"""Objects as YAML: one text, a file for each, or a zip of these (APK's form). Pure."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from kapi.apis.emit import emit
from kapi.gateway.kubernetes.names import Manifest

_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of all files: a zip depends on its contents alone."""


def as_one_text(manifests: Iterable[Manifest]) -> str:
    """All objects, as `kubectl apply -f` reads them."""
    return "".join(map(emit, manifests))


def as_files(manifests: Iterable[Manifest]) -> dict[str, str]:
    """File name → text. No two objects have the same name."""
    return {f"{item['metadata']['name']}.yaml": emit(item) for item in manifests}


def as_zip(manifests: Iterable[Manifest]) -> bytes:
    """A zip of the files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in as_files(manifests).items():
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), text)
    return content.getvalue()

"""Writes the CRDs of Gateway API and Envoy Gateway, without descriptions, from the Go module.

    python tests/on_kubernetes/crds/refresh.py VERSION

Both are Apache-2.0. Descriptions are nine tenths of the size, and nothing checks by them.
"""

from __future__ import annotations

import io
import json
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import yaml

MODULE = "github.com/envoyproxy/gateway"
FOLDER = "charts/gateway-helm/charts/crds/crds/"


def _bare(value: Any, *, fields: bool = False) -> Any:
    """A schema without descriptions; `fields` if the keys are names of fields."""
    if isinstance(value, dict):
        kept = {
            key: item for key, item in value.items() if fields or key != "description"
        }
        return {
            key: _bare(item, fields=key == "properties" and not fields)
            for key, item in kept.items()
        }
    return [_bare(item) for item in value] if isinstance(value, list) else value


def main(version: str) -> None:
    with urllib.request.urlopen(
        f"https://proxy.golang.org/{MODULE}/@v/v{version}.zip"
    ) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    here = Path(__file__).parent
    for old in here.glob("*.json"):
        old.unlink()
    for name in archive.namelist():
        if FOLDER in name and name.endswith(".yaml"):
            for crd in yaml.load_all(archive.read(name), yaml.CSafeLoader):
                if crd and crd["kind"] == "CustomResourceDefinition":
                    path = here / f"{crd['metadata']['name']}.json"
                    path.write_text(
                        json.dumps(_bare(crd), sort_keys=True, separators=(",", ":"))
                        + "\n"
                    )


if __name__ == "__main__":
    main(sys.argv[1])

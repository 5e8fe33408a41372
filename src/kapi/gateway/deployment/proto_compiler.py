"""Proto files → descriptors and HTTP rules, for gRPC APIs that take JSON (`grpc.transcoding`).

The compiler is protoc of grpcio-tools (`pip install 'kapi[grpc]'`), in a process of its own: proto
files are untrusted input. Called by `compiler.py`, at deployment and when an API is rendered again.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.ir import Api
from kapi.apis.kinds.grpc import GrpcOperation, TranscodedOperation
from kapi.apis.model.conf import ApiConf
from kapi.errors import Diagnostic
from kapi.policies import cors
from kapi.policies.kinds.grpc import GrpcCalls, Transcoding
from kapi.typed import of_kind

_SECONDS: Final = 20.0
_LARGEST: Final = 512 * 1024
"""Bytes of descriptors; each transcoded route holds those of its service."""
_METHODS: Final = ("get", "put", "post", "delete", "patch")


def with_transcoding(
    api: Api, conf: ApiConf, definition: bytes
) -> tuple[Api, tuple[Diagnostic, ...]]:
    """The API with an operation for each HTTP rule, and one for pre-flight requests of each path.

    Or the API unchanged, and all mistakes.
    """
    if not any(
        isinstance(node, GrpcCalls) and node.transcoding for node in _nodes(api)
    ):
        return api, ()
    descriptors, mistakes = _compiled(definition)
    if descriptors is None:
        return api, mistakes
    rules = dict(_rules(descriptors))
    added = [
        made
        for item in api.operations
        for made in _transcoded(item, rules, descriptors)
    ]
    if not added:
        message = "no method of the conf has a google.api.http rule in the definition"
        return api, (
            _mistake(message, "Add rules to the proto, or remove grpc.transcoding."),
        )
    added.sort(key=_order)
    preflight = cors.added_operations(conf, tuple(added))
    return dataclasses.replace(
        api, operations=(*api.operations, *added, *preflight)
    ), ()


def _nodes(api: Api) -> Iterator[Any]:
    return (node for operation in api.operations for node in operation.policies)


def _order(operation: TranscodedOperation) -> tuple[bool, int]:
    """Fixed paths first, then the longest."""
    return "{" in operation.path or "*" in operation.path, -len(operation.path)


def _transcoded(
    operation: Any, rules: dict[str, tuple[tuple[str, str], ...]], descriptors: bytes
) -> Iterator[TranscodedOperation]:
    if not isinstance(operation, GrpcOperation):
        return
    calls = next(of_kind(operation.policies, GrpcCalls))
    service = calls.service(operation.target)
    for http_method, template in rules.get(f"{service}/{operation.verb}", ()):
        node = Transcoding(service, operation.verb, http_method, template, descriptors)
        policies = tuple(node if item is calls else item for item in operation.policies)
        endpoints = (operation.production, operation.sandbox)
        names = (operation.verb, operation.target, http_method, template)
        yield TranscodedOperation(*names, *endpoints, policies)


def _rules(descriptors: bytes) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Method, by its path, and its HTTP rules: method and template."""
    from google.api import annotations_pb2
    from google.protobuf import descriptor_pb2

    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        for service in file.service:
            name = f"{file.package}.{service.name}".lstrip(".")
            for method in service.method:
                rule = method.options.Extensions[annotations_pb2.http]
                found = tuple(_bindings((rule, *rule.additional_bindings)))
                if found:
                    yield f"{name}/{method.name}", found


def _bindings(rules: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for rule in rules:
        pattern = rule.WhichOneof("pattern")
        if pattern in _METHODS:
            yield pattern.upper(), getattr(rule, pattern)


def _compiled(definition: bytes) -> tuple[bytes | None, tuple[Diagnostic, ...]]:
    if importlib.util.find_spec("grpc_tools") is None:
        message = "grpc.transcoding needs the proto compiler, which is not installed"
        return None, (_mistake(message, "Install it: pip install 'kapi[grpc]'."),)
    with tempfile.TemporaryDirectory(prefix="kapi-proto-") as folder:
        root = Path(folder)
        try:
            names = _write(definition, root / "files")
        except (OSError, ValueError) as error:
            message = f"the zip cannot be unpacked: {type(error).__name__}"
            return None, (_mistake(message, "Pack it again, with different names."),)
        known, made = root / "known.pb", root / "made.pb"
        known.write_bytes(_well_known())
        done = _protoc(root / "files", known, made, names)
        if done:
            return None, (
                _mistake(f"the proto files do not compile: {done}", "Correct them."),
            )
        descriptors = made.read_bytes()
    if len(descriptors) > _LARGEST:
        message = f"the descriptors have {len(descriptors)} bytes; at most {_LARGEST} can be used"
        return None, (_mistake(message, "Leave out what the services do not need."),)
    return descriptors, ()


def _write(definition: bytes, folder: Path) -> list[str]:
    """Write the proto files below a folder; their names. Names that lead elsewhere are left out."""
    folder.mkdir()
    if not definition.startswith(b"PK\x03\x04"):
        (folder / "api.proto").write_bytes(definition.removeprefix(b"\xef\xbb\xbf"))
        return ["api.proto"]
    names = []
    with zipfile.ZipFile(io.BytesIO(definition)) as archive:
        for item in archive.infolist():
            path = PurePosixPath(item.filename)
            if path.suffix != ".proto" or path.is_absolute() or ".." in path.parts:
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(archive.read(item))
            names.append(str(path))
    return names


def _protoc(folder: Path, known: Path, made: Path, names: list[str]) -> str:
    """Compile; what is wrong, or an empty text."""
    flags = (
        f"--descriptor_set_in={known}",
        "--include_imports",
        f"--descriptor_set_out={made}",
    )
    # Whole paths: a name that begins with `-` or `@` would be an option or a file of options.
    files = [f"{folder}/{name}" for name in names]
    command = [
        sys.executable,
        "-I",
        "-m",
        "grpc_tools.protoc",
        f"-I{folder}",
        *flags,
        *files,
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the compiler did not end within {_SECONDS:.0f} seconds"
    if done.returncode == 0:
        return ""
    text = done.stderr.decode("utf-8", "replace").replace(f"{folder}/", "")
    return "; ".join(line for line in text.splitlines() if "warning" not in line)[:800]


def _well_known() -> bytes:
    """Descriptors of the files that protos import without sending them."""
    from google.api import annotations_pb2, field_behavior_pb2, http_pb2, httpbody_pb2
    from google.protobuf import (
        any_pb2,
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        struct_pb2,
        timestamp_pb2,
        wrappers_pb2,
    )

    found = descriptor_pb2.FileDescriptorSet()
    standard = (
        any_pb2,
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        struct_pb2,
    )
    api = (http_pb2, annotations_pb2, field_behavior_pb2, httpbody_pb2)
    for module in (*standard, timestamp_pb2, wrappers_pb2, *api):
        module.DESCRIPTOR.CopyToProto(found.file.add())
    return bytes(found.SerializeToString())


def _mistake(message: str, hint: str) -> Diagnostic:
    return Diagnostic(
        codes.DEFINITION_CONTENT, message, hint, "#/grpc", source="definitionFile"
    )

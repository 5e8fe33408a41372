"""WebAssembly modules of APIs: fetched at deployment, pinned by digest, kept as files for Envoy.

A redeployment fetches them again; a restart uses the pinned bytes. Called by the deployer, from
threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from kapi import error_codes, run_files
from kapi.addresses import is_loopback
from kapi.apis import report as codes
from kapi.apis.ir import Api
from kapi.errors import Diagnostic, KapiError, Problem
from kapi.policies.mediation.wasm_modules import Module, WasmModules
from kapi.settings import Settings
from kapi.store.gateway.modules import PinnedModules
from kapi.typed import of_kind

_MAGIC = b"\x00asm\x01\x00\x00\x00"


class Fetch(Protocol):
    """Gets a module by URL; see `kapi.fetch.fetch`."""

    def __call__(
        self, url: str, *, max_bytes: int, timeout: float, allow_private: bool
    ) -> bytes: ...


class Modules:
    """Files of the modules that APIs name."""

    def __init__(self, store: PinnedModules, settings: Settings, fetch: Fetch) -> None:
        self._store = store
        self._settings = settings
        self._fetch = fetch
        self._folder = settings.data_dir / "modules"

    def fetched(self, api: Api) -> tuple[Api, tuple[Diagnostic, ...]]:
        """The API with its modules as files; or the API unchanged, and all mistakes."""
        mistakes: list[Diagnostic] = []
        digests: dict[str, str] = {}
        for item in dict.fromkeys(_modules(api)):
            mistakes += self._unknown_keys(item)
            try:
                content = self._content(item.url)
                digests[item.url] = self._checked(content, item)
                self._write(content, digests[item.url])
            except KapiError as error:
                mistakes.append(
                    _diagnostic(item, error.detail or error.title, error.hint)
                )
        if mistakes:
            return api, tuple(mistakes)
        return self._with_files(api, digests), ()

    def pinned(self, api: Api) -> Api:
        """A stored API with its pinned modules. Raises Problem when a file is gone."""
        if not any(_modules(api)):
            return api
        digests = self._store.of(api.id)
        for item in _modules(api):
            if item.url not in digests or not self._is_there(digests[item.url]):
                raise Problem.of(
                    error_codes.VALUE_UNUSABLE,
                    f"the module {item.url} is gone",
                    hint="Deploy the API again.",
                    status=500,
                )
        return self._with_files(api, digests)

    def of(self, api_id: str) -> dict[str, str]:
        """URL → SHA-256 of what is pinned for an API."""
        return self._store.of(api_id)

    def forget(self, api_id: str) -> None:
        """Remove the pins of an API that is no longer deployed."""
        before = self._store.of(api_id)
        if before:
            self._store.forget(api_id)
            self.clean(before)

    def clean(self, before: Mapping[str, str]) -> None:
        """Delete those that were pinned before and that no API uses now."""
        if not before:
            return
        for digest in {*before.values()} - self._store.used():
            self._file(digest).unlink(missing_ok=True)
            self._store.remove(digest)

    def _content(self, url: str) -> bytes:
        wasm = self._settings.gateway.wasm
        if url.startswith("file:"):
            return self._own_file(
                url.removeprefix("file:"), wasm.folder, wasm.max_module_bytes
            )
        apis = self._settings.apis
        private = apis.fetch_private_networks or is_loopback(
            self._settings.gateway.listen
        )
        return self._fetch(
            url,
            max_bytes=wasm.max_module_bytes,
            timeout=apis.fetch_timeout,
            allow_private=private,
        )

    def _own_file(self, name: str, folder: str, most: int) -> bytes:
        if not folder:
            raise Problem.of(
                error_codes.VALUE_UNUSABLE,
                f"file:{name} needs gateway.wasm.folder",
                hint="Set it in kapi.toml to the folder of the modules.",
            )
        path = self._settings.data_dir / folder / name
        with contextlib.suppress(OSError):
            if path.stat().st_size <= most:
                return path.read_bytes()
            raise Problem.of(
                error_codes.VALUE_UNUSABLE,
                f"{name} is larger than {most} bytes",
                hint="Raise gateway.wasm.max_module_bytes.",
            )
        raise Problem.of(
            error_codes.VALUE_UNUSABLE,
            f"there is no module {name} in gateway.wasm.folder",
            hint="Put it there, or give an https URL.",
        )

    def _checked(self, content: bytes, item: Module) -> str:
        digest = hashlib.sha256(content).hexdigest()
        if not content.startswith(_MAGIC):
            raise Problem.of(
                error_codes.VALUE_UNUSABLE,
                f"{item.url} is not a WebAssembly module",
                hint="It must be a core module, version 1.",
            )
        if item.sha256 and item.sha256 != digest:
            raise Problem.of(
                error_codes.VALUE_UNUSABLE,
                f"{item.url} has the SHA-256 {digest}",
                hint="Check the module, or correct sha256.",
            )
        return digest

    def _unknown_keys(self, item: Module) -> list[Diagnostic]:
        known = self._settings.gateway.wasm.host_keys
        hint = "The operator allows variables by gateway.wasm.host_keys."
        return [
            _diagnostic(item, f"hostKeys {key} is not open to modules", hint)
            for key in item.host_keys
            if key not in known
        ]

    def _write(self, content: bytes, digest: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._file(digest)
        self._store.write(digest, content)
        if not path.exists():
            run_files.write_private(path, content)

    def _is_there(self, digest: str) -> bool:
        """Whether there is a file of this module; it is made when another node has fetched it."""
        if not self._file(digest).exists():
            content = self._store.read(digest)
            if content is None:
                return False
            self._write(content, digest)
        return True

    def _file(self, digest: str) -> Path:
        return self._folder / f"{digest}.wasm"

    def _with_files(self, api: Api, digests: dict[str, str]) -> Api:
        def placed(item: Module) -> Module:
            return dataclasses.replace(item, file=str(self._file(digests[item.url])))

        return with_modules(api, placed)


def pins(api: Api) -> dict[str, str]:
    """URL → SHA-256 of the modules of an API that has them as files."""
    return {item.url: Path(item.file).stem for item in _modules(api)}


def with_modules(api: Api, change: Callable[[Module], Module]) -> Api:
    """The API with each of its modules changed."""

    def changed(node: object) -> object:
        if not isinstance(node, WasmModules):
            return node
        return WasmModules(tuple(map(change, node.modules)))

    operations = tuple(
        dataclasses.replace(item, policies=tuple(map(changed, item.policies)))
        for item in api.operations
    )
    return dataclasses.replace(api, operations=operations)


def _modules(api: Api) -> tuple[Module, ...]:
    nodes = (
        node
        for operation in api.operations
        for node in of_kind(operation.policies, WasmModules)
    )
    return tuple(item for node in nodes for item in node.modules)


def _diagnostic(item: Module, message: str, hint: str) -> Diagnostic:
    return Diagnostic(
        codes.MODULE,
        message,
        hint,
        item.mark.pointer,
        item.mark.line,
        item.mark.column,
        source="apkConfiguration",
    )

"""The API server of a cluster, by a kubeconfig: apply, list and delete. Needs `kapi[kubernetes]`.

lightkube reads the kubeconfig (tokens, certificates, commands of cloud providers) and speaks HTTP.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.gateway.kubernetes.names import MANAGED_BY, OWNER, Manifest
from kapi.gateway.kubernetes.objects import VERSIONS

FIELD_MANAGER: Final = "kapi"
"""The name under which fields are applied (server-side apply)."""


class ClusterError(KapiError):
    """The cluster could not be used, or refused an object."""

    def __init__(self, detail: str, hint: str) -> None:
        super().__init__("kubernetes", "The cluster did not accept this", detail, hint)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster. The methods raise ClusterError."""

    client: Any
    where: str
    """The address of the API server."""

    def apply(
        self, item: Manifest, *, dry_run: bool = False, force: bool = False
    ) -> Manifest:
        """Server-side apply; the object as the API server has it then, or would have it."""
        made = _resource(item["kind"])(item)
        with self._said(f"{item['kind']} {item['metadata']['name']}"):
            answer = self.client.apply(
                made, field_manager=FIELD_MANAGER, force=force, dry_run=dry_run
            )
        return _plain(answer)

    def get(self, item: Manifest) -> Manifest | None:
        """The object of this kind and name, if it is there."""
        metadata = item["metadata"]
        with self._said(f"{item['kind']} {metadata['name']}"):
            try:
                found = self.client.get(
                    _resource(item["kind"]),
                    metadata["name"],
                    namespace=metadata["namespace"],
                )
            except _api_error() as error:
                if error.response.status_code == 404:
                    return None
                raise
        return _plain(found)

    def listed(self, namespace: str, labels: Mapping[str, str]) -> Iterator[Manifest]:
        """kapi's objects with these labels, of every kind that kapi writes."""
        chosen = {MANAGED_BY: OWNER, **labels}
        for kind in VERSIONS:
            with self._said(f"the list of {kind}"):
                for found in self.client.list(
                    _resource(kind), namespace=namespace, labels=chosen
                ):
                    # Items of a list do not name their kind.
                    yield {"apiVersion": VERSIONS[kind], "kind": kind, **_plain(found)}

    def delete(self, item: Manifest) -> None:
        """Delete an object, if it is there."""
        metadata = item["metadata"]
        with self._said(f"{item['kind']} {metadata['name']}"):
            try:
                self.client.delete(
                    _resource(item["kind"]),
                    metadata["name"],
                    namespace=metadata["namespace"],
                )
            except _api_error() as error:
                if error.response.status_code != 404:
                    raise

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Errors of the library as ClusterError."""
        import httpx2
        from lightkube.core.exceptions import ConfigError

        try:
            yield
        except _api_error() as error:
            raise _refused(what, error) from error
        except (httpx2.HTTPError, ConfigError, OSError) as error:
            raise ClusterError(
                f"{self.where} does not answer: {error}",
                "Check the kubeconfig, and that this machine reaches the API server.",
            ) from error


def connect(kubeconfig: Path | None, context: str) -> Cluster:
    """A cluster. None: as kubectl finds it (KUBECONFIG, ~/.kube/config), or the own cluster.

    Raises ClusterError without the extra, or if the kubeconfig is not usable.
    """
    try:
        from lightkube import Client, KubeConfig
    except ImportError as error:
        raise ClusterError(
            f"This needs the package {error.name}, which is not installed.",
            "Install it: pip install 'kapi[kubernetes]'.",
        ) from error
    try:
        config = _config(KubeConfig, kubeconfig).get(context or None)
        client = Client(config=config, field_manager=FIELD_MANAGER)
    except Exception as error:  # the library reads a person's file, and checks little
        raise ClusterError(
            f"No cluster by this kubeconfig: {error}",
            "Name one: --kubeconfig FILE, --context NAME, or the variable KUBECONFIG.",
        ) from error
    return Cluster(client, str(config.cluster.server))


def _config(reader: Any, kubeconfig: Path | None) -> Any:
    if kubeconfig is not None:
        return reader.from_file(kubeconfig)
    named = os.environ.get("KUBECONFIG", "")
    # A kubeconfig that is named comes before the own cluster, as for kubectl.
    return reader.from_file(named) if named else reader.from_env()


def _refused(what: str, error: Any) -> ClusterError:
    status, why = error.response.status_code, str(error.status.message)
    if status == 409:
        hint = "Another tool set these fields. Let one of the two own them, or use --force."
    elif status in {401, 403}:
        hint = "Use a kubeconfig whose user may read and write these objects."
    elif status == 404 and "namespace" in why:
        hint = (
            "Create the namespace, or name another: kubernetes.namespace in kapi.toml."
        )
    elif status == 404:
        hint = "Install Envoy Gateway 1.9 with its CRDs."
    else:
        hint = "Check that the CRDs are those of Gateway API 1.6 and Envoy Gateway 1.9."
    return ClusterError(f"{what}: {why} ({status})", hint)


def _api_error() -> Any:
    from lightkube import ApiError

    return ApiError


@cache
def _resource(kind: str) -> Any:
    from lightkube.generic_resource import create_namespaced_resource

    group, _, version = VERSIONS[kind].rpartition("/")
    return create_namespaced_resource(group, version, kind, plural(kind))


def plural(kind: str) -> str:
    """The name of the resource in URLs."""
    name = kind.lower()
    return (
        f"{name[:-1]}ies"
        if name.endswith("y") and not name.endswith("ay")
        else f"{name}s"
    )


def _plain(found: Any) -> Manifest:
    """An answer as values of JSON."""
    value: Manifest = found.to_dict()
    return value

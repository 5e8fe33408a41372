"""A real API server and a real Envoy Gateway on this machine, without containers.

etcd, kube-apiserver and envoy-gateway are programs of `make kubernetes-tools`. Envoy Gateway reads
through the API server, writes conditions back, and starts the Envoy of kapi's wheel itself.
Its ports are fixed (18000-18002, 8081, 19000, 19001, 19003): one cluster at a time on a machine.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from harness import free_port
from kapi.gateway.envoy.process.process import find_envoy
from redis_server import redis_server
from waiting import until

HERE = Path(__file__).parent
BIN = HERE / "go" / "bin"
ENVOY_VERSION = "1.40.0"
SYSTEM = "envoy-gateway-system"
TOKEN = "of-the-tests"  # of an API server on loopback, for one run
LIMITS_ADDRESS, LIMITS_PORT = "198.51.100.8", 18081
"""Of the rate limit service (RFC 5737 §3): an EndpointSlice cannot have an address of loopback."""
CERTS = Path("/certs")
"""Where Envoy Gateway has its certificate; only its processes see what is there."""
Manifest = dict[str, Any]


def program(name: str) -> str:
    """A program that `make kubernetes-tools` builds or installs."""
    built = BIN / name
    found = str(built) if built.exists() else shutil.which(name)
    assert found, (
        f"no {name}: `make kubernetes-tools` builds it (ten processor minutes, once)"
    )
    return found


@dataclass(slots=True)
class Cluster:
    """One cluster; `kubeconfig` is for its administrator."""

    folder: Path
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def run(self, name: str, command: list[str], **options: Any) -> None:
        """Start a program, which ends with the tests at the latest."""
        with (self.folder / f"{name}.log").open("ab") as log:
            made = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        self.processes.append(made)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def ask(
        self, path: str, method: str = "GET", body: Any = None, kind: str = "json"
    ) -> Any:
        """A request to the API server; raises HTTPError."""
        context = ssl.create_default_context(
            cafile=str(self.folder / "api" / "apiserver.crt")
        )
        content = None if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": f"application/{kind}",
        }
        url = f"https://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return (
                json.load(answer)
                if path.startswith(("/api", "/apis"))
                else answer.read()
            )

    def apply(self, item: Manifest, *, dry_run: bool = False) -> Manifest:
        """Server-side apply of any object; raises AssertionError with the server's reason."""
        where = f"{self._collection(item)}/{item['metadata']['name']}"
        query = "?fieldManager=tests&force=true&fieldValidation=Strict"
        query += "&dryRun=All" if dry_run else ""
        try:
            return self.ask(where + query, "PATCH", item, "apply-patch+yaml")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{where}: {json.load(error)['message']}") from None

    def _collection(self, item: Manifest) -> str:
        version = item["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for resource in self.ask(root)["resources"]:
            if resource["kind"] == item["kind"] and "/" not in resource["name"]:
                space = item["metadata"].get("namespace", "default")
                inside = f"/namespaces/{space}" if resource["namespaced"] else ""
                return f"{root}{inside}/{resource['name']}"
        raise AssertionError(f"the API server does not know {version} {item['kind']}")

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.ask("/readyz") == b"ok")
        return False

    def stop(self) -> None:
        """The last first; Envoy is in the group of Envoy Gateway."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@contextlib.contextmanager
def api_server() -> Iterator[Cluster]:
    """etcd and kube-apiserver, with the CRDs of Gateway API and Envoy Gateway."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="kapi-cluster-")))
    try:
        _start_etcd_and_api_server(cluster)
        _crds(cluster)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


def _start_etcd_and_api_server(cluster: Cluster) -> None:
    folder = cluster.folder
    store, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    cluster.run(
        "etcd",
        [
            *(
                program("etcd"),
                "--data-dir",
                str(folder / "etcd"),
                "--log-level",
                "error",
            ),
            *("--listen-client-urls", store, "--advertise-client-urls", store),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
        ],
    )
    key = rsa.generate_private_key(65537, 2048)
    (folder / "accounts.key").write_bytes(_pem(key))
    (folder / "tokens.csv").write_text(f'{TOKEN},tests,tests,"system:masters"\n')
    cluster.run(
        "apiserver",
        [
            program("kube-apiserver"),
            f"--etcd-servers={store}",
            *("--bind-address=127.0.0.1", f"--secure-port={cluster.port}"),
            f"--cert-dir={folder / 'api'}",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'accounts.key'}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
        ],
    )
    until(cluster.answers, lambda: cluster.log("apiserver"))
    cluster.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(cluster)))


def _kubeconfig(cluster: Cluster) -> Manifest:
    server = {
        "server": f"https://127.0.0.1:{cluster.port}",
        "certificate-authority": str(cluster.folder / "api" / "apiserver.crt"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": server}],
        "users": [{"name": "tests", "user": {"token": TOKEN}}],
        "contexts": [
            {"name": "tests", "context": {"cluster": "tests", "user": "tests"}}
        ],
        "current-context": "tests",
    }


def _crds(cluster: Cluster) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for file in sorted((HERE / "crds").glob("*.json")):
        cluster.ask(path, "POST", json.loads(file.read_text()))

    def established() -> bool:
        found = [
            item.get("status", {}).get("conditions", ())
            for item in cluster.ask(path)["items"]
        ]
        return all(
            {"Established"} & {c["type"] for c in made if c["status"] == "True"}
            for made in found
        )

    until(established)


@contextlib.contextmanager
def envoy_gateway() -> Iterator[Cluster]:
    """The API server with Envoy Gateway, and a GatewayClass `eg`."""
    with api_server() as cluster:
        cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
        )
        made_here = not CERTS.exists()
        CERTS.mkdir(exist_ok=True)
        try:
            with redis_server() as redis, _own_address():
                _start_gateway(cluster, redis.port)
                yield cluster
                cluster.stop()
        finally:
            cluster.stop()
            if made_here:
                CERTS.rmdir()


@contextlib.contextmanager
def _own_address() -> Iterator[None]:
    """An address of this machine alone."""
    address = (f"{LIMITS_ADDRESS}/32", "dev", "lo")
    subprocess.run(["ip", "address", "replace", *address], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "delete", *address], check=True)


def _start_rate_limits(cluster: Cluster, redis: int, hosts: Path) -> None:
    """Envoy's rate limit service as Envoy Gateway runs it, and where it is.

    Envoy Gateway starts it in a cluster only; its settings are those of such a pod.
    """
    certs = cluster.folder / "config" / "certs" / "envoy-rate-limit"
    pair = {"CERT": "tls.crt", "KEY": "tls.key"}
    environment = {
        **os.environ,
        **{f"GRPC_SERVER_TLS_{name}": str(certs / file) for name, file in pair.items()},
        **{
            f"CONFIG_GRPC_XDS_CLIENT_TLS_{name}": str(certs / file)
            for name, file in pair.items()
        },
        "GRPC_SERVER_TLS_CA_CERT": str(certs / "ca.crt"),
        "GRPC_SERVER_USE_TLS": "true",
        "CONFIG_GRPC_XDS_SERVER_TLS_CACERT": str(certs / "ca.crt"),
        "CONFIG_GRPC_XDS_SERVER_USE_TLS": "true",
        "CONFIG_GRPC_XDS_SERVER_URL": "envoy-gateway:18001",
        "CONFIG_GRPC_XDS_NODE_ID": "envoy-ratelimit",
        "CONFIG_TYPE": "GRPC_XDS_SOTW",
        "FORCE_START_WITHOUT_INITIAL_CONFIG": "true",
        "GRPC_HOST": LIMITS_ADDRESS,
        "GRPC_PORT": str(LIMITS_PORT),
        **{f"{name}HOST": "127.0.0.1" for name in ("", "DEBUG_")},
        **{f"{name}PORT": str(free_port()) for name in ("", "DEBUG_")},
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_URL": f"127.0.0.1:{redis}",
        "RUNTIME_ROOT": str(cluster.folder / "runtime"),
        "RUNTIME_SUBDIRECTORY": "ratelimit",
        "USE_STATSD": "false",
    }
    script = f"mount --bind {shlex.quote(str(hosts))} /etc/hosts && exec {program('ratelimit')}"
    command = ["unshare", "--mount", "sh", "-c", script]
    cluster.run("ratelimit", command, env=environment)


def _rate_limit_service(cluster: Cluster) -> None:
    """Where Envoy finds the rate limit service."""
    name = {"name": "envoy-ratelimit", "namespace": SYSTEM}
    port = {"name": "http", "port": LIMITS_PORT, "protocol": "TCP"}
    spec = {"ports": [port]}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": name, "spec": spec}
    )
    labelled = {**name, "labels": {"kubernetes.io/service-name": "envoy-ratelimit"}}
    ready = {"addresses": [LIMITS_ADDRESS], "conditions": {"ready": True}}
    cluster.apply(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": labelled,
            "addressType": "IPv4",
            "endpoints": [ready],
            "ports": [port],
        }
    )


def _start_gateway(cluster: Cluster, redis: int) -> None:
    homes = {
        name: str(cluster.folder / name) for name in ("config", "data", "state", "run")
    }
    config = cluster.folder / "gateway.yaml"
    settings = _gateway_settings(homes)
    backend = {"type": "Redis", "redis": {"url": f"redis://127.0.0.1:{redis}"}}
    # A call that the service does not judge in time passes uncounted; the default is 20 ms.
    limits = {"backend": backend, "timeout": "10s"}
    config.write_text(yaml.safe_dump({**settings, "rateLimit": limits}))
    envoy = cluster.folder / "data" / "envoy-versions" / ENVOY_VERSION / "bin" / "envoy"
    envoy.parent.mkdir(parents=True)
    envoy.symlink_to(find_envoy(""))
    subprocess.run(
        [program("envoy-gateway"), "certgen", "--local", "--config-home", homes["config"]],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    certs = cluster.folder / "config" / "certs"
    secret = (certs / "envoy-oidc-hmac" / "hmac-secret").read_bytes()
    cluster.apply(secret_of("envoy-oidc-hmac", SYSTEM, {"hmac-secret": secret}))
    files = ("ca.crt", "tls.crt", "tls.key")
    envoy_certs = {name: (certs / "envoy" / name).read_bytes() for name in files}
    cluster.apply(secret_of("envoy", SYSTEM, envoy_certs, "kubernetes.io/tls"))
    cluster.apply(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "eg"},
            "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        }
    )
    hosts = cluster.folder / "hosts"
    known = Path("/etc/hosts").read_text()
    names = f"envoy-gateway.{SYSTEM}.svc.cluster.local envoy-gateway"
    hosts.write_text(f"{known}\n127.0.0.1 {names}\n")
    _rate_limit_service(cluster)
    script = (
        f"mount --bind {shlex.quote(str(certs / 'envoy-gateway'))} {CERTS} && "
        f"mount --bind {shlex.quote(str(hosts))} /etc/hosts && "
        f"exec {shlex.quote(program('envoy-gateway'))} server --config-path "
        f"{shlex.quote(str(config))}"
    )
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "ENVOY_GATEWAY_NAMESPACE": SYSTEM,
        "ENVOY_VERSION": ENVOY_VERSION,
    }
    cluster.run("gateway", ["unshare", "--mount", "sh", "-c", script], env=environment)
    _start_rate_limits(cluster, redis, hosts)

    def accepted() -> bool:
        path = "/apis/gateway.networking.k8s.io/v1/gatewayclasses/eg"
        found = cluster.ask(path).get("status", {}).get("conditions", ())
        return any(c["type"] == "Accepted" and c["status"] == "True" for c in found)

    until(accepted, lambda: cluster.log("gateway"))


def _gateway_settings(homes: dict[str, str]) -> Manifest:
    host = {
        "configHome": homes["config"],
        "dataHome": homes["data"],
        "stateHome": homes["state"],
        "runtimeDir": homes["run"],
    }
    resource = {
        "type": "Kubernetes",
        "kubernetes": {"leaderElection": {"disable": True}},
    }
    custom = {"resource": resource, "infrastructure": {"type": "Host", "host": host}}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Custom", "custom": custom},
        "extensionApis": {"enableBackend": True, "enableLua": True},
        "logging": {"level": {"default": "info"}},
    }


def secret_of(
    name: str, namespace: str, data: dict[str, bytes], kind: str = "Opaque"
) -> Manifest:
    import base64

    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": kind,
        "data": encoded,
    }


def certificate(*hosts: str) -> tuple[bytes, bytes]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM), _pem(key)


def _pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
